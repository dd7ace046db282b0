"""A batch of training samples as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kbnet.frame import FloatArray, ImageArray
from kbnet.network.guided_upsampling import colours_in_unit_range
from kbnet.network.inputs import NetworkInputs, image_tensor, kept_validity, prepare_inputs
from kbnet.network.siblings.config import NetworkConfig
from kbnet.training.augmentation import AugmentedTriplet


@dataclass
class TripletBatch:
    """Input of one training step. Not frozen, because Fabric rebuilds objects that pass through its wrappers.

    Attributes:
        image, previous_image, next_image: RGB in 0..1, (B, 3, H, W).
        input_image: the network's image, RGB in 0..1, (B, 3, H, W).
        input_depth: the network's sparse depth, points removed, (B, 1, H, W), metres; 0 = unmeasured.
        input_validity: 1 where outlier rejection kept a point of the network's input, (B, 1, H, W).
        sparse_depth: all measured points, (B, 1, H, W), metres; 0 = unmeasured.
        validity: 1 where outlier rejection kept a point of ``sparse_depth``, for the losses, (B, 1, H, W).
        scaffold: interpolation of the kept points of ``input_depth``, (B, 1, H, W), metres; or None.
        intrinsics: K, (B, 3, 3), pixels.
        T_previous_current, T_next_current: known motion, (B, 4, 4), metres; the identity where unknown.
        has_poses: whether the motion is known, (B,), bool.
        ground_truth: (B, 1, H, W), metres; 0 = unmeasured, everywhere where a sequence has none.
        names: '<sequence>/<frame>' of every sample.
        draw_seed: seed of the random numbers that the step draws for each sample, (B,), int64, at least 0; or None.
    """

    image: Tensor
    previous_image: Tensor
    next_image: Tensor
    input_image: Tensor
    input_depth: Tensor
    input_validity: Tensor
    sparse_depth: Tensor
    validity: Tensor
    scaffold: Tensor | None
    intrinsics: Tensor
    T_previous_current: Tensor
    T_next_current: Tensor
    has_poses: Tensor
    ground_truth: Tensor
    names: tuple[str, ...]
    draw_seed: Tensor | None = None

    @property
    def network_inputs(self) -> NetworkInputs:
        """Arguments of the depth network."""
        return NetworkInputs(self.input_image, self.input_depth, self.input_validity, self.intrinsics, self.scaffold)

    def to(self, device: torch.device) -> TripletBatch:
        """Copy of the batch on another device."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def pin_memory(self) -> TripletBatch:
        """The same batch in page-locked memory, for asynchronous copies to a GPU; called by DataLoader."""
        pinned: dict[str, Any] = {
            name: value.pin_memory() for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **pinned)


def make_sample(augmented: AugmentedTriplet, network: NetworkConfig, name: str, *, draw_seed: int = 0) -> TripletBatch:
    triplet, frame = augmented.triplet, augmented.triplet.frame
    sparse_depth, points = _map(frame.sparse_depth), _map(augmented.input_depth)
    intrinsics = torch.from_numpy(frame.intrinsics)[None]
    validity = kept_validity(sparse_depth, intrinsics, network, for_losses=True)
    image = _image(frame.image)
    inputs = prepare_inputs(
        image if augmented.input_image is frame.image else _image(augmented.input_image),
        points,
        intrinsics,
        network,
        # As published, outlier rejection uses all points, also those removed from the input. With a scaffold, it uses
        # the points of the input, as in inference.
        validity=validity if network.scaffold == "none" and network.outlier_rule != "none" else None,
        prior=frame.prior,
    )
    truth = torch.zeros_like(sparse_depth) if frame.ground_truth is None else _map(frame.ground_truth)
    if network.caps_points:
        sparse_depth, truth = sparse_depth.clamp_max(network.max_depth), truth.clamp_max(network.max_depth)
    known = triplet.T_previous_current is not None and triplet.T_next_current is not None
    unknown_pose = np.eye(4, dtype=np.float32)
    return TripletBatch(
        image=image,
        previous_image=_image(triplet.previous_image),
        next_image=_image(triplet.next_image),
        input_image=inputs.image,
        input_depth=inputs.sparse_depth,
        input_validity=inputs.validity,
        sparse_depth=sparse_depth,
        validity=validity,
        scaffold=inputs.scaffold,
        intrinsics=intrinsics,
        T_previous_current=torch.from_numpy(triplet.T_previous_current if known else unknown_pose)[None],
        T_next_current=torch.from_numpy(triplet.T_next_current if known else unknown_pose)[None],
        has_poses=torch.tensor([known]),
        ground_truth=truth,
        names=(name,),
        draw_seed=torch.tensor([draw_seed]),
    )


def join_samples(samples: Sequence[TripletBatch]) -> TripletBatch:
    """Join batches of equal frame size into one."""
    joined: dict[str, object] = {}
    for field in fields(TripletBatch):
        values = [getattr(sample, field.name) for sample in samples]
        if isinstance(values[0], Tensor):
            joined[field.name] = torch.cat(values)
        else:
            joined[field.name] = None if values[0] is None else tuple(name for names in values for name in names)
    return TripletBatch(**joined)  # type: ignore[arg-type]


def _image(image: ImageArray) -> Tensor:
    return colours_in_unit_range(image_tensor(image))


def _map(depth: FloatArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(depth))[None, None]
