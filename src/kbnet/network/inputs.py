"""Preparation of network inputs: working size, outlier rejection, scaffold.

Training, inference, export and benchmarks use it. No other module applies outlier rejection or the scaffold for a
network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray, Prior
from kbnet.network.config import KBNetConfig
from kbnet.network.guided_upsampling import colours_in_unit_range
from kbnet.network.siblings.config import NetworkConfig
from kbnet.network.working_size import (
    enlarged_batch,
    enlargement,
    mean_of_cells,
    reduced_intrinsics,
    working_factor,
    working_points,
)
from kbnet.points.outlier_rejection import kept_points
from kbnet.points.prior import CorrectedPrior, corrected_prior
from kbnet.points.scaffold import scaffold_from_points


class NetworkInputs(NamedTuple):
    """Arguments of the depth network, in order, on one device.

    Attributes:
        image: RGB in 0..1, (B, 3, H, W), float32.
        sparse_depth: depth along z as measured, outliers included, (B, 1, H, W), metres; 0 = unmeasured.
        validity: 1 where outlier rejection kept a point, else 0, (B, 1, H, W).
        intrinsics: K, (B, 3, 3), pixels; pixel centres on whole numbers.
        scaffold: dense depth from the kept points, (B, 1, H, W), metres; 0 in a sample without points; None for a
            network without scaffold.
    """

    image: Tensor
    sparse_depth: Tensor
    validity: Tensor
    intrinsics: Tensor
    scaffold: Tensor | None = None

    def given(self) -> tuple[Tensor, ...]:
        """The inputs in order, without a scaffold of None: the arguments of an exported graph."""
        return tuple(x for x in self if x is not None)


def input_names(config: NetworkConfig) -> list[str]:
    """Names of the inputs that a network reads, in order; the input names of an exported graph."""
    if not isinstance(config, KBNetConfig):
        return list(config.reads)
    return [name for name in NetworkInputs._fields if name != "scaffold" or config.scaffold != "none"]


def prepare_inputs(
    image: Tensor,
    sparse_depth: Tensor,
    intrinsics: Tensor,
    config: NetworkConfig,
    *,
    validity: Tensor | None = None,
    prior: Prior | None = None,
) -> NetworkInputs:
    """Prepare a batch at the working size: outlier rejection and scaffold.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        intrinsics: K, (B, 3, 3), pixels.
        validity: result of an earlier outlier rejection; None: reject outliers of ``sparse_depth``.
        prior: of a batch of one, (H, W); see :func:`with_prior`.
    """
    if validity is None:
        validity = kept_validity(sparse_depth, intrinsics, config)
    # The scaffold is computed at the resolution of the network.
    scaffold = scaffold_from_points(sparse_depth * validity, config.scaffold, step=2**config.halvings)
    inputs = NetworkInputs(image, sparse_depth, validity, intrinsics, scaffold)
    return inputs if prior is None else with_prior(inputs, prior, config)[0]


def with_prior(
    inputs: NetworkInputs, prior: Prior, config: NetworkConfig
) -> tuple[NetworkInputs, CorrectedPrior | None]:
    """Blend the scaffold of one frame with a prior where that explains the points.

    Returns:
        The inputs, and the prior corrected by the points; None, with unchanged inputs, if it cannot be fitted.

    Raises:
        KBNetError: the network has no dense scaffold.
    """
    if inputs.scaffold is None or getattr(config, "scaffold", "none") == "hull":
        raise KBNetError(
            "expected weights with a dense scaffold for a prior, such as 'indoor', but these have none; "
            "leave out the prior, or choose other weights"
        )
    corrected = corrected_prior((inputs.sparse_depth * inputs.validity)[0, 0].float().cpu().numpy(), prior)
    if corrected is None:
        return inputs, None
    return inputs._replace(scaffold=blended_with_prior(inputs.scaffold, corrected)), corrected


def blended_with_prior(depth: Tensor, corrected: CorrectedPrior, power: int = 1) -> Tensor:
    """Depth of one frame, (1, 1, H, W), metres, blended by :meth:`kbnet.points.prior.CorrectedPrior.blended`."""
    blended = corrected.blended(depth[0, 0].float().cpu().numpy(), power)
    return torch.from_numpy(blended)[None, None].to(depth.device, depth.dtype)


def kept_validity(
    sparse_depth: Tensor, intrinsics: Tensor, config: NetworkConfig, *, for_losses: bool = False
) -> Tensor:
    """Outlier rejection by the rule of a network: validity, (B, 1, H, W), 1 where a point is kept, else 0.

    Args:
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        intrinsics: K, (B, 3, 3), pixels.
        for_losses: keep the points that depth is compared with. Where the network itself sees all of them, as VOICED
            does, these are the points that the rule ``window`` keeps, as published.
    """
    return kept_points(
        sparse_depth,
        intrinsics,
        rule="window" if for_losses and config.outlier_rule == "none" else config.outlier_rule,
        window=config.outlier_window,
        threshold=config.outlier_threshold,
    )


def working_inputs(
    image: Tensor, sparse_depth: Tensor, intrinsics: Tensor, config: NetworkConfig
) -> tuple[NetworkInputs, int]:
    """Prepare a batch of any size, reduced by :func:`kbnet.network.working_size.working_factor`.

    Args:
        image: RGB, (B, 3, H, W), uint8 or float in 0..1.
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        intrinsics: K, (B, 3, 3), pixels.

    Returns:
        The inputs, (ceil(H / factor), ceil(W / factor)) pixels, and the factor; 1: not reduced.
    """
    factor = working_factor((image.shape[-2], image.shape[-1]), config.working_side)
    if factor == 1:
        return prepare_inputs(colours_in_unit_range(image), sparse_depth, intrinsics, config), factor
    reduced = mean_of_cells(image, factor) / (255 if image.dtype == torch.uint8 else 1)
    return prepare_inputs(reduced, *_reduced(sparse_depth, intrinsics, factor), config), factor


def frame_inputs(frame: Frame, config: NetworkConfig) -> NetworkInputs:
    """Prepare one frame, without its prior, at its working size: a batch of one on the CPU."""
    tensors = frame_tensors(frame.image, frame.sparse_depth, frame.intrinsics)
    return working_inputs(*enlarged_batch(*tensors, enlargement(frame.size, config.working_side)), config)[0]


def frame_tensors(image: ImageArray, sparse_depth: FloatArray, intrinsics: FloatArray) -> tuple[Tensor, Tensor, Tensor]:
    """Convert the arrays of one frame to a batch of one on the CPU.

    Returns:
        Image, (1, 3, H, W), uint8; sparse depth, (1, 1, H, W), metres; K, (1, 3, 3), pixels.
    """
    # Copies, because torch warns about read-only arrays.
    points, K = torch.from_numpy(np.array(sparse_depth)), torch.from_numpy(np.array(intrinsics))
    return image_tensor(image), points[None, None], K[None]


def image_tensor(image: ImageArray) -> Tensor:
    """Convert an image, (H, W, 3), uint8, to a tensor, (1, 3, H, W), uint8."""
    # A copy in any case: torch warns of arrays that are read-only.
    return torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))[None]


def kept_depth(sparse_depth: FloatArray, intrinsics: FloatArray, config: NetworkConfig) -> FloatArray:
    """Sparse depth after outlier rejection, at the working size.

    Args:
        sparse_depth: (H, W), float32 metres; 0 = unmeasured.
        intrinsics: K, (3, 3), float32 pixels.

    Returns:
        (ceil(H / factor), ceil(W / factor)), float32 metres; 0 = unmeasured or rejected.
    """
    factor = working_factor((sparse_depth.shape[0], sparse_depth.shape[1]), config.working_side)
    # Copies, because torch warns about read-only arrays.
    points = torch.from_numpy(np.array(sparse_depth, np.float32))[None, None]
    K = torch.from_numpy(np.array(intrinsics, np.float32))[None]
    if factor > 1:
        points, K = _reduced(points, K, factor)
    kept: FloatArray = (points * kept_validity(points, K, config))[0, 0].numpy()
    return kept


def _reduced(sparse_depth: Tensor, intrinsics: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Sparse depth of the reduced frame, (B, 1, ceil(H / factor), ceil(W / factor)), metres, and its K, (B, 3, 3)."""
    samples = sparse_depth[:, 0].cpu().numpy()
    points = np.stack([working_points(sample, factor) for sample in samples])
    K = reduced_intrinsics(intrinsics.cpu().numpy(), factor)
    return torch.from_numpy(points)[:, None].to(sparse_depth.device), torch.from_numpy(K).to(intrinsics.device)
