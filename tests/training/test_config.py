"""Presets, checks, and the way through TOML."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from kbnet.data.augment import AugmentationConfig
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig, ValidationConfig, from_table, to_table


def through_toml(config: TrainingConfig, base: TrainingConfig) -> TrainingConfig:
    return from_table(tomlkit.parse(tomlkit.dumps(to_table(config))).unwrap(), base)


def test_void_preset_is_the_published_one() -> None:
    config = TrainingConfig.preset("void")
    assert config.network == KBNetConfig.preset("void")
    assert config.losses == LossWeights(0.15, 0.95, 2.0, 2.0)
    assert (config.batch_size, config.gaps, config.augmentation.crop) == (8, (10,), (480, 640))
    assert config.augmentation.point_removal == (0.3, 0.6)
    assert config.augmentation.point_removal_probability == 0.5
    assert (config.augmentation.crop_horizontal, config.augmentation.crop_vertical) == ("anchored", "anchored")
    assert config.validation == ValidationConfig(from_step=5000, every_steps=1000, limits=(0.2, 5.0))
    assert (config.checkpoint_steps, config.summary_steps) == (1000, 1000)


def test_kitti_preset_is_the_published_one() -> None:
    config = TrainingConfig.preset("kitti")
    assert config.network == KBNetConfig.preset("kitti")
    assert config.losses == LossWeights(0.15, 0.95, 0.60, 0.04)
    assert (config.batch_size, config.gaps, config.augmentation.crop) == (8, (1,), (320, 768))
    assert config.augmentation.point_removal == (0.6, 0.7)
    assert (config.augmentation.crop_horizontal, config.augmentation.crop_vertical) == ("anchored", "bottom")
    assert config.validation == ValidationConfig(from_step=300_000, every_steps=5000, limits=(0.0, 100.0))
    assert (config.checkpoint_steps, config.summary_steps) == (5000, 5000)


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(ValueError, match="void, kitti, got 'indoor'"):
        TrainingConfig.preset("indoor")


UNUSUAL = TrainingConfig(
    sequences=(Path("a"), Path("b c")),
    output=Path("runs/ä"),
    sparse_depth=("sparse_depth", "sparse_depth_150"),
    gaps=(1, 5),
    network=KBNetConfig(scaffold="linear", max_depth=12.5, outlier_rule="support"),
    losses=LossWeights(supervised=1.5),
    augmentation=AugmentationConfig(crop=(240, 320), noise="uniform", noise_spread=0.02),
    schedule=ScheduleConfig(learning_rates=(1e-3,), learning_rate_epochs=(7,), steps=1234, decay="cosine"),
    validation=ValidationConfig(sequences=(Path("c"),), limits=(0.0, 9.0)),
    initial_weights=Path("start.safetensors"),
    poses="known",
    average_decay=0.999,
    precision="bfloat16",
)


@pytest.mark.parametrize(
    "config", [UNUSUAL, TrainingConfig(), TrainingConfig.preset("void"), TrainingConfig.preset("kitti")]
)
def test_config_survives_toml_over_the_defaults(config: TrainingConfig) -> None:
    assert through_toml(config, TrainingConfig()) == config


def test_a_table_changes_only_what_it_names() -> None:
    changed = from_table({"network": {"max_depth": 10}, "seed": 3}, TrainingConfig.preset("kitti"))
    kitti = TrainingConfig.preset("kitti")
    assert changed == replace(kitti, seed=3, network=replace(kitti.network, max_depth=10.0))
    assert isinstance(changed.network.max_depth, float)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"colour": 1}, "colour"),
        ({"network": {"pools": [3]}}, "pools"),
        ({"schedule": {"steps": "many"}}, "steps"),
        ({"schedule": {"decay": "linear"}}, "decay"),
        ({"batch_size": "8"}, "batch_size"),
        ({"losses": 3}, "losses"),
        ({"network": {"max_depth": "8"}}, "max_depth as a number, got '8'"),
        ({"gaps": 10}, r"gaps as a list, got 10; write \[10\]"),
        ({"sequences": "room"}, r"sequences as a list, got 'room'; write \['room'\]"),
        ({"batch_size": True}, "batch_size as a number or a text, got True"),
        ({"schedule": {"steps": True}}, "steps as a number"),
        ({"losses": {"colour": False}}, "colour as a number"),
        ({"gaps": [True]}, "gaps as a number"),
        ({"sparse_depth": []}, "at least one folder name in sparse_depth, got none"),
        ({"schedule": {"learning_rates": ["fast"]}}, "fast"),
        ({"augmentation": {"crop": [240]}}, "crop"),
        ({"augmentation": {"crop": [240.5, "a"]}}, "crop"),
    ],
)
def test_unknown_keys_and_wrong_kinds_are_named_in_one_line(table: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        from_table(table, TrainingConfig())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequences": (Path("a"), Path("b"), Path("c")), "gaps": (1, 2)}, "one for each of 3 sequences, got 2"),
        ({"batch_size": 0}, "batch_size of at least 1, got 0"),
        ({"processes": 0}, "processes of at least 1"),
        ({"log_steps": 0}, "log_steps of at least 1"),
        ({"average_decay": 1.0}, r"average_decay in 0\.\.1"),
        ({"gradient_clip": -1.0}, "gradient_clip"),
        ({"workers": -1}, "workers"),
        ({"sparse_depth": ()}, "at least one folder name in sparse_depth, got none"),
        ({"seed": -1}, "a seed of at least 0, got -1"),
    ],
)
def test_impossible_runs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every_steps": 0}, "every_steps of at least 1, got 0"),
        ({"every_frames": 0}, "every_frames of at least 1, got 0"),
        ({"limits": (5.0, 0.2)}, r"0 <= low < high as limits of validation in metres, got \(5\.0, 0\.2\)"),
        ({"limits": (-1.0, 5.0)}, "0 <= low < high"),
    ],
)
def test_impossible_validations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ValidationConfig(**changes)


@pytest.mark.parametrize(
    "config", [TrainingConfig, KBNetConfig, LossWeights, AugmentationConfig, ScheduleConfig, ValidationConfig]
)
def test_help_texts_are_one_line_since_the_help_keeps_line_breaks(config: type) -> None:
    (declared,) = ast.parse(inspect.getsource(config)).body
    assert isinstance(declared, ast.ClassDef)
    for node in declared.body[1:]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert "\n" not in node.value.value


def test_the_recipe_inside_weights_names_no_folder() -> None:
    config = TrainingConfig(
        sequences=(Path("/home/me/room"),),
        output=Path("/home/me/run"),
        initial_weights=Path("/home/me/first.safetensors"),
        validation=ValidationConfig(sequences=(Path("/home/me/other"),)),
    )
    assert "home" not in str(to_table(config.without_folders()))
    assert config.without_folders().sequences == (Path("room"),)
