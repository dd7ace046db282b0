"""One training step: from a triplet to its losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kbnet.losses.expected_error import expected_error_loss
from kbnet.losses.gradient import gradient_loss
from kbnet.losses.objective import supervised_loss, unsupervised_losses, weighted_total
from kbnet.losses.pose_consistency import pose_consistency_loss
from kbnet.losses.prior import prior_loss
from kbnet.losses.scene import Scene
from kbnet.losses.weighting import adaptive_weighting
from kbnet.losses.weights import LossWeights
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.augundo import AugUndo
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig

NARROW_PX = 64
"""Up to this width or height of the crop the pose network stays in 32 bits: its last features are one pixel wide there,
and the 16-bit weight gradient of a strided convolution over them holds whatever lay in memory (torch 2.13, CPU)."""
NARROW_SEEN_PX = 16
"""Likewise the depth network, in pixels of the resolution that it works at."""


@dataclass
class StepResult:
    """What a step computed. Not frozen: Fabric rebuilds what passes through its wrappers.

    Attributes:
        total: weighted sum of the terms, scalar.
        terms: unweighted loss terms by name, scalars.
        depth: (B, 1, H, W), metres.
        reconstructions: the image at t warped from t-1 and from t+1, (B, 3, H, W) each; empty where no loss that has
            a weight compares images.
        poses: T_previous_current and T_next_current, (B, 4, 4) each, metres; empty likewise.
    """

    total: Tensor
    terms: dict[str, Tensor]
    depth: Tensor
    reconstructions: tuple[Tensor, ...]
    poses: tuple[Tensor, ...]


class TrainingStep(nn.Module):
    """Depth network, pose network and losses in one module, so that one wrapper distributes them.

    Args:
        network: the depth network.
        pose_network: predicts motion where a sample does not know it; None if every sample knows it.
        weights: of the loss terms.
        adaptive_weighting: compare images less, and smooth depth more, where reconstructions match badly.
        augundo: changes what the depth network sees, and undoes it in its depth; None = the network sees the original.
        known_poses: use known camera motion where a sample has it; else always the pose network.
        reduced_frames: frames come at the resolution that the depth network works at.
        frozen_statistics: let every BatchNorm of the depth network normalise by the statistics it has, in training too.
        bfloat16: compute the networks' convolutions in 16 bits. Geometry and losses need the digits of 32: at 2 m,
            two neighbouring values of bfloat16 are 8 mm apart.
    """

    def __init__(
        self,
        network: KBNet,
        pose_network: PoseNet | None,
        weights: LossWeights,
        *,
        adaptive_weighting: bool = False,
        augundo: AugUndo | None = None,
        known_poses: bool = False,
        reduced_frames: bool = False,
        frozen_statistics: bool = False,
        bfloat16: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.pose_network = pose_network
        self.weights = weights
        self.adaptive_weighting = adaptive_weighting
        self.augundo = augundo
        self.known_poses = known_poses
        self.reduced_frames = reduced_frames
        self.frozen_statistics = frozen_statistics
        self.reduced_precision = bfloat16

    @classmethod
    def of(cls, config: TrainingConfig, network: KBNet, pose_network: PoseNet | None) -> TrainingStep:
        """The step of a run."""
        return cls(
            network,
            pose_network,
            config.losses,
            adaptive_weighting=config.adaptive_weighting == "residual",
            augundo=AugUndo(config.augundo) if config.augundo.is_on else None,
            known_poses=config.poses == "known",
            reduced_frames=config.frames == "reduced",
            frozen_statistics=config.normalisation_statistics == "frozen",
            bfloat16=config.precision == "bfloat16" or (config.precision == "auto" and has_bfloat16(config.device)),
        )

    def train(self, mode: bool = True) -> TrainingStep:
        """To training mode and back, apart from statistics that are frozen."""
        super().train(mode)
        if self.frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, batch: TripletBatch) -> StepResult:
        """Predict depth and motion, reconstruct the image from both neighbours, compare."""
        inputs, undo = (batch.network_inputs, None) if self.augundo is None else self.augundo(batch)
        device, width = batch.image.device.type, min(batch.image.shape[-2:])
        halvings = 0 if self.reduced_frames else self.network.config.halvings
        reduced = self.reduced_precision and width > NARROW_SEEN_PX * 2**halvings
        with torch.autocast(device, dtype=torch.bfloat16, enabled=reduced):
            predicted = self.network(*inputs, reduced=self.reduced_frames)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.reduced_precision and width > NARROW_PX):
            poses, poses_back = self._poses(batch), self._poses_back(batch)
        predicted, seen = (predicted, None) if undo is None else undo(predicted)
        depth, expected_error = predicted[:, :1], predicted[:, 1:]
        truth = batch.ground_truth if seen is None else batch.ground_truth * (seen > 0)
        neighbours = (batch.previous_image, batch.next_image)
        scene = Scene(batch.image, depth, batch.intrinsics, neighbours, tuple(poses), seen)
        reconstructions = scene.reconstructions()
        weighting = None
        if self.adaptive_weighting and reconstructions:
            weighting = adaptive_weighting(scene, reconstructions, self.weights)
        terms = unsupervised_losses(
            depth, batch.image, reconstructions, batch.sparse_depth, batch.validity, seen, weighting
        )
        if self.weights.pose_consistency > 0:
            terms["pose_consistency"] = pose_consistency_loss(poses, poses_back)
        if self.weights.prior > 0:
            assert batch.scaffold is not None, "the config asks for a scaffold"
            terms["prior"] = prior_loss(scene, reconstructions, batch.scaffold)
        if self.weights.supervised > 0:
            terms["supervised"] = supervised_loss(depth, batch.ground_truth, batch.scaffold, seen)
        if self.weights.gradient > 0:
            assert batch.scaffold is not None, "the config asks for a scaffold"
            terms["gradient"] = gradient_loss(depth, truth, batch.scaffold)
        if self.weights.expected_error > 0:
            terms["expected_error"] = expected_error_loss(depth, expected_error, truth)
        total = weighted_total(terms, self.weights)
        return StepResult(total, terms, depth, reconstructions, tuple(poses))

    def _poses(self, batch: TripletBatch) -> list[Tensor]:
        """T_previous_current and T_next_current; none where no loss needs them."""
        if not self.weights.needs_poses:
            return []
        known = [batch.T_previous_current, batch.T_next_current]
        if self.pose_network is None:
            assert bool(batch.has_poses.all()), f"unknown motion and no pose network: {', '.join(batch.names)}"
            return known
        predicted = [self.pose_network(batch.image, source) for source in (batch.previous_image, batch.next_image)]
        if not self.known_poses:
            return predicted
        return [torch.where(batch.has_poses[:, None, None], *pair) for pair in zip(known, predicted, strict=True)]

    def _poses_back(self, batch: TripletBatch) -> list[Tensor]:
        """T_current_previous and T_current_next as the pose network sees them; none where no loss needs them."""
        if self.weights.pose_consistency == 0:
            return []
        assert self.pose_network is not None, "pose_consistency is of a pose network"
        return [self.pose_network(source, batch.image) for source in (batch.previous_image, batch.next_image)]


def has_bfloat16(device: str) -> bool:
    """Whether a device has instructions for bfloat16; a CPU without them takes eight times as long as in float32.

    Args:
        device: as in a training config: ``cpu``, ``cuda`` or ``auto``.
    """
    if device == "cpu" or not torch.cuda.is_available():
        return bool(torch.cpu._is_avx512_bf16_supported())
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
