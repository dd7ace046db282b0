"""One training step: from a triplet to its losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kbnet.geometry.warp import warp
from kbnet.losses.objective import supervised_loss, unsupervised_losses, weighted_total
from kbnet.losses.weights import LossWeights
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.batch import TripletBatch


@dataclass
class StepResult:
    """What a step computed. Not frozen: Fabric rebuilds what passes through its wrappers.

    Attributes:
        total: weighted sum of the terms, scalar.
        terms: unweighted loss terms by name, scalars.
        depth: (B, 1, H, W), metres.
        reconstructions: the image at t warped from t-1 and from t+1, (B, 3, H, W) each; empty where neither
            colour nor structure has a weight.
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
        known_poses: use known camera motion where a sample has it; else always the pose network.
        bfloat16: compute the networks' convolutions in 16 bits. Geometry and losses need the digits of 32: at 2 m,
            two neighbouring values of bfloat16 are 8 mm apart.
    """

    def __init__(
        self,
        network: KBNet,
        pose_network: PoseNet | None,
        weights: LossWeights,
        *,
        known_poses: bool = False,
        bfloat16: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.pose_network = pose_network
        self.weights = weights
        self.known_poses = known_poses
        self.reduced_precision = bfloat16

    def forward(self, batch: TripletBatch) -> StepResult:
        """Predict depth and motion, reconstruct the image from both neighbours, compare."""
        with torch.autocast(batch.image.device.type, dtype=torch.bfloat16, enabled=self.reduced_precision):
            depth = self.network(
                batch.input_image, batch.input_depth, batch.input_validity, batch.intrinsics, batch.scaffold
            )
            poses = self._poses(batch)
        reconstructions = tuple(
            warp(source, depth, batch.intrinsics, pose)
            for source, pose in zip((batch.previous_image, batch.next_image), poses, strict=False)
        )
        terms = unsupervised_losses(depth, batch.image, reconstructions, batch.sparse_depth, batch.validity)
        if self.weights.supervised > 0:
            terms["supervised"] = supervised_loss(depth, batch.ground_truth, batch.scaffold)
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
