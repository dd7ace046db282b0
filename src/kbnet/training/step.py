"""Training step: from a batch of triplets to the losses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from kbnet.losses.depth_terms import expected_error_loss, gradient_loss
from kbnet.losses.objective import (
    pose_consistency_loss,
    prior_loss,
    supervised_loss,
    unsupervised_losses,
    weighted_total,
)
from kbnet.losses.scene import Scene
from kbnet.losses.weighting import adaptive_weighting
from kbnet.losses.weights import LossForms, LossWeights
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.pose_net import PoseNet
from kbnet.network.siblings.fusionnet import FusionNet
from kbnet.training.augundo import AugUndo
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig
from kbnet.training.image_attack import ImageAttack

NARROW_PX = 64
"""Up to this width or height of the crop, the pose network stays in 32 bits. Its last features are one pixel wide
there, and the 16-bit weight gradient of a strided convolution over them is undefined (torch 2.13, CPU)."""
NARROW_SEEN_PX = 16
"""The same limit for the depth network, in pixels at its resolution."""


@dataclass
class StepResult:
    """Result of a step. Not frozen, because Fabric rebuilds objects that pass through its wrappers.

    Attributes:
        total: weighted sum of the terms, scalar.
        terms: unweighted loss terms by name, scalars.
        depth: (B, 1, H, W), metres.
        reconstructions: the image at t warped from t-1 and from t+1, (B, 3, H, W) each; empty without photometric
            losses.
        poses: T_previous_current and T_next_current, (B, 4, 4) each, metres; empty without photometric losses.
    """

    total: Tensor
    terms: dict[str, Tensor]
    depth: Tensor
    reconstructions: tuple[Tensor, ...]
    poses: tuple[Tensor, ...]


@dataclass(frozen=True)
class StepOptions:
    """Switches of a training step.

    Attributes:
        adaptive_weighting: reduce the photometric losses and raise the smoothness loss where reconstructions match
            badly.
        known_poses: use the known camera motion of a sample where it has one; False: always the pose network.
        reduced_frames: frames arrive at the resolution of the depth network.
        frozen_statistics: every BatchNorm of the depth network keeps its statistics in training too.
        bfloat16: compute the convolutions of the networks in 16 bits. Geometry and losses stay in 32 bits: at 2 m, two
            neighbouring values of bfloat16 are 8 mm apart.
    """

    adaptive_weighting: bool = False
    known_poses: bool = False
    reduced_frames: bool = False
    frozen_statistics: bool = False
    bfloat16: bool = False
    forms: LossForms = field(default_factory=LossForms)

    @classmethod
    def of(cls, config: TrainingConfig) -> StepOptions:
        return cls(
            adaptive_weighting=config.adaptive_weighting == "residual",
            known_poses=config.poses == "known",
            reduced_frames=config.frames == "reduced",
            frozen_statistics=config.normalisation_statistics == "frozen",
            bfloat16=config.precision == "bfloat16"
            or (config.precision == "auto" and is_faster_in_bfloat16(config.device)),
            forms=config.loss_forms,
        )


class TrainingStep(nn.Module):
    """Training step: depth network, pose network and losses in one module, for one distributed wrapper.

    Args:
        pose_network: predicts camera motion where it is unknown; None if it is known for every sample.
        augundo: geometric augmentation of the network's input, undone in its depth; None: no such augmentation.
        image_attack: attack on the network's images in training mode, with ground truth; None: no attack.
    """

    def __init__(
        self,
        network: DepthNetwork,
        pose_network: PoseNet | None,
        weights: LossWeights,
        options: StepOptions | None = None,
        augundo: AugUndo | None = None,
        image_attack: ImageAttack | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.pose_network = pose_network
        self.weights = weights
        self.options = options or StepOptions()
        self.augundo = augundo
        self.image_attack = image_attack

    @classmethod
    def of(cls, config: TrainingConfig, network: DepthNetwork, pose_network: PoseNet | None) -> TrainingStep:
        drawn = config.augmentation
        augundo = AugUndo(config.augundo) if config.augundo.is_on else None
        attack = ImageAttack(drawn.image_attack, drawn.image_attack_levels) if drawn.image_attack > 0 else None
        return cls(network, pose_network, config.losses, StepOptions.of(config), augundo, attack)

    def train(self, mode: bool = True) -> TrainingStep:
        """Set training or evaluation mode; frozen statistics stay in evaluation mode."""
        super().train(mode)
        if self.options.frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, batch: TripletBatch) -> StepResult:
        """Predict depth and motion, reconstruct the image from both neighbours, and compute the losses."""
        batch = self._with_scaffold(batch)
        inputs, undo = (batch.network_inputs, None) if self.augundo is None else self.augundo(batch)
        device, width = batch.image.device.type, min(batch.image.shape[-2:])
        halvings = 0 if self.options.reduced_frames else self.network.config.halvings
        reduced = self.options.bfloat16 and width > NARROW_SEEN_PX * 2**halvings
        with torch.autocast(device, dtype=torch.bfloat16, enabled=reduced):
            if self.image_attack is not None and self.training:
                assert batch.draw_seed is not None, "the attack needs the draw_seed of a TripletDataset"
                inputs = self.image_attack(
                    self.network, inputs, batch.ground_truth, batch.draw_seed, reduced=self.options.reduced_frames
                )
            predicted = self.network(*inputs, **({"reduced": True} if self.options.reduced_frames else {}))
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.options.bfloat16 and width > NARROW_PX):
            poses, poses_back = self._poses(batch), self._poses_back(batch)
        predicted, seen = (predicted, None) if undo is None else undo(predicted)
        depth, expected_error = predicted[:, :1], predicted[:, 1:]
        truth = batch.ground_truth if seen is None else batch.ground_truth * (seen > 0)
        neighbours = (batch.previous_image, batch.next_image)
        scene = Scene(batch.image, depth, batch.intrinsics, neighbours, tuple(poses), seen)
        reconstructions = scene.reconstructions()
        weighting, forms = None, self.options.forms
        if self.options.adaptive_weighting and reconstructions:
            weighting = adaptive_weighting(scene, reconstructions, self.weights)
        terms = unsupervised_losses(scene, reconstructions, batch.sparse_depth, batch.validity, weighting, forms)
        if self.weights.pose_consistency > 0:
            terms["pose_consistency"] = pose_consistency_loss(poses, poses_back)
        if self.weights.prior > 0:
            assert batch.scaffold is not None, "the config asks for a scaffold"
            terms["prior"] = prior_loss(scene, reconstructions, batch.scaffold, forms.prior)
        if self.weights.supervised > 0:
            terms["supervised"] = supervised_loss(depth, batch.ground_truth, batch.scaffold, seen, forms.supervised)
        if self.weights.gradient > 0:
            assert batch.scaffold is not None, "the config asks for a scaffold"
            terms["gradient"] = gradient_loss(depth, truth, batch.scaffold)
        if self.weights.expected_error > 0:
            terms["expected_error"] = expected_error_loss(depth, expected_error, truth)
        total = weighted_total(terms, self.weights)
        return StepResult(total, terms, depth, reconstructions, tuple(poses))

    def _with_scaffold(self, batch: TripletBatch) -> TripletBatch:
        """Batch with the scaffold of FusionNet's ScaffNet; for other networks, the batch itself."""
        if not isinstance(self.network, FusionNet):
            return batch
        return replace(batch, scaffold=self.network.scaffold(batch.input_depth))

    def _poses(self, batch: TripletBatch) -> list[Tensor]:
        """T_previous_current and T_next_current; empty if no loss needs them."""
        if not self.weights.needs_poses:
            return []
        known = [batch.T_previous_current, batch.T_next_current]
        if self.pose_network is None:
            assert bool(batch.has_poses.all()), f"unknown motion and no pose network: {', '.join(batch.names)}"
            return known
        predicted = [self.pose_network(batch.image, source) for source in (batch.previous_image, batch.next_image)]
        if not self.options.known_poses:
            return predicted
        return [torch.where(batch.has_poses[:, None, None], *pair) for pair in zip(known, predicted, strict=True)]

    def _poses_back(self, batch: TripletBatch) -> list[Tensor]:
        """T_current_previous and T_current_next of the pose network; empty if no loss needs them."""
        if self.weights.pose_consistency == 0:
            return []
        assert self.pose_network is not None, "pose_consistency is of a pose network"
        return [self.pose_network(source, batch.image) for source in (batch.previous_image, batch.next_image)]


def is_faster_in_bfloat16(device: str) -> bool:
    """Whether training steps take less time in bfloat16 than in float32.

    Of CPUs, those with AMX. Steps of ``indoor`` took 1.1 times as long with AVX512_BF16 alone, and 8 times without.
    """
    if device == "cpu" or not torch.cuda.is_available():
        return bool(torch.cpu._is_amx_tile_supported())
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
