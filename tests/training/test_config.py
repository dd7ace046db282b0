"""Presets, checks, and the way through TOML."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig, ValidationConfig
from kbnet.training.presets import training_preset
from kbnet.training.recipe import apply_layers, from_table, read_recipe_layers, to_table


def through_toml(config: TrainingConfig, base: TrainingConfig) -> TrainingConfig:
    return from_table(tomlkit.parse(tomlkit.dumps(to_table(config))).unwrap(), base)


# The columns of the table in section 6 of the published system, by row.
PUBLISHED: dict[str, dict[str, Any]] = {
    "void": {
        "batch, crop": (8, (480, 640)),
        "learning rate until epoch": {10: 1e-4, 15: 5e-5},
        "augmentation probability until epoch": {15: 1.0},
        "crop": ("anchored", "anchored"),
        "point removal": ((0.3, 0.6), 0.5),
        "checkpoint, summary every": (1000, 1000),
        "validation from step, every": (5000, 1000),
        "evaluated depth": (0.2, 5.0),
        "weights colour, structure, sparse, smooth": (0.15, 0.95, 2.0, 2.0),
        "neighbours": (10,),
        "depth": (0.1, 8.0),
        "pools": ((15, 17), (23, 27, 29)),
    },
    "kitti": {
        "batch, crop": (8, (320, 768)),
        "learning rate until epoch": {2: 5e-5, 8: 1e-4, 20: 1.5e-4, 30: 1e-4, 45: 5e-5, 60: 2e-5},
        "augmentation probability until epoch": {50: 1.0, 55: 0.5, 60: 0.25},
        "crop": ("anchored", "bottom"),
        "point removal": ((0.6, 0.7), 0.5),
        "checkpoint, summary every": (5000, 5000),
        "validation from step, every": (300_000, 5000),
        "evaluated depth": (0.0, 100.0),
        "weights colour, structure, sparse, smooth": (0.15, 0.95, 0.60, 0.04),
        "neighbours": (1,),
        "depth": (1.5, 100.0),
        "pools": ((5, 7, 9, 11, 13), (15, 17)),
    },
}


@pytest.mark.parametrize("preset", ["void", "kitti"])
def test_presets_are_the_published_ones_row_by_row(preset: str) -> None:
    config = training_preset(preset)
    augmentation, schedule, losses, network = config.augmentation, config.schedule, config.losses, config.network
    assert {
        "batch, crop": (config.batch_size, augmentation.crop),
        "learning rate until epoch": dict(zip(schedule.learning_rate_epochs, schedule.learning_rates, strict=True)),
        "augmentation probability until epoch": dict(
            zip(schedule.augmentation_epochs, schedule.augmentation_probabilities, strict=True)
        ),
        "crop": (augmentation.crop_horizontal, augmentation.crop_vertical),
        "point removal": (augmentation.point_removal, augmentation.point_removal_probability),
        "checkpoint, summary every": (config.checkpoint_steps, config.summary_steps),
        "validation from step, every": (config.validation.from_step, config.validation.every_steps),
        "evaluated depth": config.validation.limits,
        "weights colour, structure, sparse, smooth": (
            *(losses.colour, losses.structure, losses.sparse_depth, losses.smoothness),
        ),
        "neighbours": config.gaps,
        "depth": (network.min_depth, network.max_depth),
        "pools": (network.min_pool_sizes, network.max_pool_sizes),
    } == PUBLISHED[preset]


@pytest.mark.parametrize("preset", ["void", "kitti"])
def test_presets_have_nothing_that_was_not_published(preset: str) -> None:
    config = training_preset(preset)
    plain = TrainingConfig()
    assert (config.losses.supervised, config.losses.pose_consistency, config.losses.prior) == (0, 0, 0)
    assert config.adaptive_weighting == "none"
    assert (config.poses, config.pose_encoder, config.precision) == ("network", "resnet18", "float32")
    assert (config.gradient_clip, config.average_decay) == (0, 0)
    assert config.normalisation_statistics == "batch"
    assert (config.initial_weights, config.initial_pose_weights) == (None, None)
    assert (config.schedule.steps, config.schedule.warmup_steps, config.schedule.decay) == (None, 0, "steps")
    assert replace(
        config.augmentation,
        crop=plain.augmentation.crop,
        crop_vertical=plain.augmentation.crop_vertical,
        point_removal=plain.augmentation.point_removal,
    ) == AugmentationConfig(
        flip_horizontal=0,
        flip_vertical=0,
        point_removal_patch=0,
        noise="none",
        noise_spread=0,
        colour_jitter=0,
    )


@pytest.mark.parametrize(
    ("recipe", "preset", "train", "judge"),
    [
        ("kitti", "kitti", "data/kitti/train.csv", "data/kitti/validation.csv"),
        *(
            (f"void{points}", "void", f"data/void/void_{points}_train.csv", f"data/void/void_{points}_test.csv")
            for points in (1500, 500, 150)
        ),
        *(
            (f"{system}_void1500", f"{system}-void", "data/void/void_1500_train.csv", "data/void/void_1500_test.csv")
            for system in ("voiced", "fusionnet")
        ),
        *(
            (f"{system}_kitti", f"{system}-kitti", "data/kitti/train.csv", "data/kitti/validation.csv")
            for system in ("voiced", "fusionnet")
        ),
    ],
)
def test_published_recipes_name_lists_and_change_nothing_else(
    recipe: str, preset: str, train: str, judge: str, repository: Path
) -> None:
    text = (repository / "recipes" / "published" / f"{recipe}.toml").read_text(encoding="utf-8")
    base = training_preset(preset)
    assert from_table(tomlkit.parse(text).unwrap(), base) == replace(
        base,
        sequences=(Path(train),),
        output=Path("runs") / recipe,
        validation=replace(base.validation, sequences=(Path(judge),)),
    )


def test_every_recipe_is_a_config(repository: Path) -> None:
    for path in (repository / "recipes").rglob("*.toml"):
        apply_layers(TrainingConfig(), read_recipe_layers(path))


# Section 5 of the facts of the siblings.
SIBLINGS: dict[str, tuple[Any, ...]] = {
    "voiced-void": (12, (480, 640), {1e-4: 10, 5e-5: 20}, (0.2, 0.8, 0.5, 2.0), 0.1, None, (1000, 1000), (0.2, 5.0)),
    "voiced-kitti": (
        *(8, (320, 768), {1.2e-4: 18, 6e-5: 24, 3e-5: 30}, (0.2, 0.8, 0.2, 0.01), 0.1, None),
        *((5000, 10_000), (0.001, 100.0)),
    ),
    "scaffnet-scenenet": (12, (192, 256), {1e-4: 4, 5e-5: 10}, (0, 0, 0, 0), 0, None, (5000, 15_000), (0.2, 5.0)),
    "scaffnet-vkitti": (12, (320, 768), {1e-4: 4, 5e-5: 10}, (0, 0, 0, 0), 0, None, (5000, 15_000), (0.001, 100.0)),
    "fusionnet-void": (
        *(12, (416, 512), {1e-4: 10, 5e-5: 20}, (0.2, 0.8, 1.0, 1.0), 0.1, "scaffnet-scenenet"),
        *((1000, 5000), (0.2, 5.0)),
    ),
    "fusionnet-kitti": (
        *(8, (320, 768), {2e-4: 18, 1e-4: 24, 5e-5: 30}, (0.2, 0.8, 0.1, 0.01), 0.1, "scaffnet-vkitti"),
        *((5000, 15_000), (0.001, 100.0)),
    ),
}


@pytest.mark.parametrize("preset", list(SIBLINGS))
def test_presets_of_the_siblings_are_the_published_ones(preset: str) -> None:
    config = training_preset(preset)
    losses, schedule = config.losses, config.schedule
    assert (
        config.batch_size,
        config.augmentation.crop,
        dict(zip(schedule.learning_rates, schedule.learning_rate_epochs, strict=True)),
        (losses.colour, losses.structure, losses.sparse_depth, losses.smoothness),
        16 * losses.pose_consistency + losses.prior,
        config.initial_weights,
        (config.checkpoint_steps, config.validation.from_step),
        config.validation.limits,
    ) == SIBLINGS[preset]
    assert losses.supervised == (1.0 if preset.startswith("scaffnet") else 0.0)
    assert config.augmentation.flip_horizontal == (0.0 if preset.startswith("voiced") else 0.5)
    assert config.augmentation.point_removal_probability == config.weight_decay == 0
    assert config.pose_rotation == ("exponential" if preset.startswith("voiced") else "axis-angle")
    assert through_toml(config, TrainingConfig()) == config


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"void, kitti, voiced-void, .*, got 'indoor'"):
        training_preset("indoor")


UNUSUAL = TrainingConfig(
    sequences=(Path("a"), Path("b c")),
    output=Path("runs/ä"),
    sparse_depth=("sparse_depth", "sparse_depth_150"),
    gaps=(1, 5),
    network=KBNetConfig(
        scaffold="linear",
        max_depth=12.5,
        outlier_rule="support",
        normalisation="batch",
        head="propagation",
        error="predicted",
    ),
    losses=LossWeights(supervised=1.5, prior=0.1),
    adaptive_weighting="residual",
    augmentation=AugmentationConfig(crop=(240, 320), noise="uniform", noise_spread=0.02),
    schedule=ScheduleConfig(learning_rates=(1e-3,), learning_rate_epochs=(7,), steps=1234, decay="cosine"),
    validation=ValidationConfig(sequences=(Path("c"),), limits=(0.0, 9.0)),
    initial_weights="start.safetensors",
    poses="known",
    pose_encoder="resnet34",
    initial_pose_weights="posenet-void1500",
    average_decay=0.999,
    precision="bfloat16",
)


@pytest.mark.parametrize("config", [UNUSUAL, TrainingConfig(), training_preset("void"), training_preset("kitti")])
def test_config_survives_toml_over_the_defaults(config: TrainingConfig) -> None:
    assert through_toml(config, TrainingConfig()) == config


def test_a_table_changes_only_what_it_names() -> None:
    changed = from_table({"network": {"max_depth": 10}, "seed": 3}, training_preset("kitti"))
    kitti = training_preset("kitti")
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
        (
            {"losses": LossWeights(prior=0.1)},
            "a network with a scaffold for losses.prior, got none; set network.scaffold",
        ),
        ({"losses": LossWeights(gradient=0.1)}, "a network with a scaffold for losses.gradient, got none; set"),
        ({"frames": "reduced"}, "frames full for losses that compare images, got frames reduced"),
        (
            {"frames": "reduced", "losses": LossWeights(0, 0, 1, 0), "sparse_depth": ("a", "b")},
            "one folder name in sparse_depth for frames reduced, got a, b; name one",
        ),
        (
            {"augmentation": AugmentationConfig(cut_and_paste=0.5)},
            "cut_and_paste of 0 for losses that compare images, .* got 0.5",
        ),
        ({"augmentation": AugmentationConfig(image_attack=0.5)}, "image_attack with losses.supervised above 0"),
        ({"weight_decay": -1.0}, "weight_decay of at least 0"),
        ({"second_moment_decay": 1.0}, r"second_moment_decay in 0\.\.1"),
        ({"normalisation_statistics": "frozen"}, "initial weights whose statistics can be frozen, got none"),
        ({"seed": -1}, r"a seed of at least 0 and below 2\^32, got -1"),
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
    "config",
    [TrainingConfig, KBNetConfig, LossWeights, AugmentationConfig, ScheduleConfig, ValidationConfig],
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
        initial_weights="/home/me/first.safetensors",
        initial_pose_weights="/home/me/run/pose.safetensors",
        validation=ValidationConfig(sequences=(Path("/home/me/other"),)),
    )
    assert "home" not in str(to_table(config.without_folders()))
    named = config.without_folders()
    assert named.sequences == (Path("room"),)
    assert (named.initial_weights, named.initial_pose_weights) == ("first.safetensors", "pose.safetensors")
