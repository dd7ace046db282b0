"""Published trainings as configs: KBNet's (published system, section 6) and those of VOICED, ScaffNet, FusionNet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kbnet.errors import KBNetError
from kbnet.losses.weights import LossForms, LossWeights
from kbnet.network.config import PRESETS, KBNetConfig
from kbnet.network.siblings.config import SIBLING_PRESETS
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig, ValidationConfig

POSE_ENTRIES = 16
"""VOICED takes the mean over the entries of the 4x4 matrix, our pose-consistency loss their sum."""

KITTI_LIMITS = (0.001, 100.0)
"""Of ground truth that the siblings are validated on, metres."""
_PLAIN: dict[str, Any] = {"point_removal_probability": 0.0}
_STREET_CROP: dict[str, Any] = {"crop": (320, 768), "crop_vertical": "bottom", **_PLAIN}


def training_preset(name: str) -> TrainingConfig:
    """The published training of a preset of :data:`kbnet.network.siblings.config.PresetName`.

    Flips mirror the principal point too, unlike those published for FusionNet; ``augmentation.flipped_intrinsics`` is
    the setting.

    Raises:
        KBNetError: no preset of that name.
    """
    if name not in _PRESETS:
        raise KBNetError(f"expected one of the presets {', '.join(_PRESETS)}, got '{name}'")
    return _PRESETS[name]


def _schedule(rates: dict[float, int]) -> ScheduleConfig:
    ends = tuple(rates.values())
    return ScheduleConfig(tuple(rates), ends, augmentation_epochs=ends[-1:])


def _voiced(name: str, **changes: Any) -> TrainingConfig:
    config = TrainingConfig(
        network=SIBLING_PRESETS[name],
        losses=LossWeights(0.20, 0.80, 0.50, 2.00, pose_consistency=0.10 / POSE_ENTRIES),
        loss_forms=LossForms(structure_border="reflected", points="left-out"),
        augmentation=AugmentationConfig(**_PLAIN),
        pose_encoder="plain",
        pose_rotation="exponential",
    )
    return replace(config, **changes)


def _scaffnet(name: str, **changes: Any) -> TrainingConfig:
    config = TrainingConfig(
        network=SIBLING_PRESETS[name],
        losses=LossWeights(0.0, 0.0, 0.0, 0.0, supervised=1.0),
        loss_forms=LossForms(supervised="normalised"),
        schedule=_schedule({1e-4: 4, 5e-5: 10}),
        batch_size=12,
        summary_steps=5000,
        checkpoint_steps=5000,
    )
    return replace(config, **changes)


def _fusionnet(name: str, **changes: Any) -> TrainingConfig:
    config = TrainingConfig(
        network=SIBLING_PRESETS[name],
        losses=LossWeights(0.20, 0.80, 1.00, 1.00, prior=0.10),
        loss_forms=LossForms(structure_border="reflected", prior="batch"),
        pose_encoder="plain",
    )
    return replace(config, **changes)


_PRESETS = {
    "void": TrainingConfig(network=KBNetConfig.preset("void"), gaps=(10,)),
    "kitti": TrainingConfig(
        network=KBNetConfig.preset("kitti"),
        losses=LossWeights(sparse_depth=0.60, smoothness=0.04),
        augmentation=AugmentationConfig(
            crop=(320, 768), crop_vertical="bottom", point_removal=(0.6, 0.7), crop_horizontal="anchored"
        ),
        schedule=ScheduleConfig(
            learning_rates=(5e-5, 1e-4, 1.5e-4, 1e-4, 5e-5, 2e-5),
            learning_rate_epochs=(2, 8, 20, 30, 45, 60),
            augmentation_probabilities=(1.0, 0.5, 0.25),
            augmentation_epochs=(50, 55, 60),
        ),
        validation=ValidationConfig(from_step=300_000, every_steps=5000, limits=(0.0, 100.0)),
        summary_steps=5000,
        checkpoint_steps=5000,
    ),
    "voiced-void": _voiced(
        "voiced-void",
        gaps=(10,),
        schedule=_schedule({1e-4: 10, 5e-5: 20}),
        validation=ValidationConfig(from_step=1000, every_steps=1000),
        batch_size=12,
    ),
    "voiced-kitti": _voiced(
        "voiced-kitti",
        losses=LossWeights(0.20, 0.80, 0.20, 0.01, pose_consistency=0.10 / POSE_ENTRIES),
        augmentation=AugmentationConfig(**_STREET_CROP, crop_horizontal="random"),
        schedule=_schedule({1.2e-4: 18, 6e-5: 24, 3e-5: 30}),
        validation=ValidationConfig(from_step=10_000, every_steps=5000, limits=KITTI_LIMITS),
        summary_steps=5000,
        checkpoint_steps=5000,
    ),
    "scaffnet-scenenet": _scaffnet(
        "scaffnet-scenenet",
        augmentation=AugmentationConfig(crop=(192, 256), crop_vertical="bottom", flip_horizontal=0.5, **_PLAIN),
        validation=ValidationConfig(from_step=15_000, every_steps=5000, best="4 of 5"),
    ),
    "scaffnet-vkitti": _scaffnet(
        "scaffnet-vkitti",
        augmentation=AugmentationConfig(**_STREET_CROP, flip_horizontal=0.5),
        validation=ValidationConfig(from_step=15_000, every_steps=5000, limits=KITTI_LIMITS, best="4 of 5"),
    ),
    "fusionnet-void": _fusionnet(
        "fusionnet-void",
        gaps=(10,),
        augmentation=AugmentationConfig(
            crop=(416, 512), crop_horizontal="centre", crop_vertical="centre", flip_horizontal=0.5, **_PLAIN
        ),
        schedule=_schedule({1e-4: 10, 5e-5: 20}),
        validation=ValidationConfig(from_step=5000, every_steps=1000, best="3 of 5"),
        initial_weights="scaffnet-scenenet",
        batch_size=12,
    ),
    "fusionnet-kitti": _fusionnet(
        "fusionnet-kitti",
        losses=LossWeights(0.20, 0.80, 0.10, 0.01, prior=0.10),
        augmentation=AugmentationConfig(**_STREET_CROP, flip_horizontal=0.5),
        schedule=_schedule({2e-4: 18, 1e-4: 24, 5e-5: 30}),
        validation=ValidationConfig(from_step=15_000, every_steps=5000, limits=KITTI_LIMITS, best="3 of 5"),
        initial_weights="scaffnet-vkitti",
        summary_steps=5000,
        checkpoint_steps=5000,
    ),
}
assert list(_PRESETS) == [*PRESETS, *SIBLING_PRESETS]
