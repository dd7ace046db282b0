"""For training: runs of tiny networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.network.config import KBNetConfig
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig

MakeConfig = Callable[..., TrainingConfig]


@pytest.fixture
def make_config(tmp_path: Path) -> MakeConfig:
    """A run of a tiny network on 32x32 crops, two samples a step, that writes what it does at every step."""

    def make(*sequences: Path, steps: int = 4, output: str = "run", **changes: Any) -> TrainingConfig:
        schedule = {"learning_rates": (1e-3,), "learning_rate_epochs": (1000,), **changes.pop("schedule", {})}
        augmentation = {"crop": (32, 32), **changes.pop("augmentation", {})}
        return TrainingConfig(
            sequences=sequences,
            output=tmp_path / output,
            network=tiny_network(**changes.pop("network", {})),
            augmentation=AugmentationConfig(**augmentation),
            schedule=ScheduleConfig(steps=steps, **schedule),
            **{
                "poses": "known",
                "batch_size": 2,
                "workers": 0,
                "device": "cpu",
                "log_steps": 1,
                **changes,
            },
        )

    return make


def tiny_network(**changes: Any) -> KBNetConfig:
    filters = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    return KBNetConfig(**{"min_pool_sizes": (5, 7), "max_pool_sizes": (9, 11, 13), **filters, **changes})
