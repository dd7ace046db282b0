"""Recipes based on one another, changed from the command line; and those in benchmarks/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from studies.recipe import read_changes, read_recipe

from kbnet.network.config import KBNetConfig
from kbnet.training.presets import training_preset
from kbnet.weights.depth_network import load_network


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_recipe_names_what_differs_from_its_base(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", 'preset = "kitti"\nbatch_size = 3\n[losses]\ncolour = 0.5\nstructure = 0.25\n')
    write(tmp_path / "studies" / "middle.toml", 'base = "../base.toml"\n[losses]\ncolour = 0.75\n')
    last = write(tmp_path / "studies" / "last.toml", 'base = "middle.toml"\nbatch_size = 5\n')
    kitti = training_preset("kitti")
    assert read_recipe(last, {"seed": 4}) == replace(
        kitti, batch_size=5, seed=4, losses=replace(kitti.losses, colour=0.75, structure=0.25)
    )


def test_recipe_says_where_a_key_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "wrong.toml", "losses = 3\n")
    write(tmp_path / "above.toml", 'base = "wrong.toml"\n')
    with pytest.raises(ValueError, match=r"wrong\.toml"):
        read_recipe(tmp_path / "above.toml", {})
    with pytest.raises(FileNotFoundError, match=r"nowhere\.toml"):
        read_recipe(tmp_path / "nowhere.toml", {})
    with pytest.raises(ValueError, match="in --set"):
        read_recipe(write(tmp_path / "empty.toml", ""), {"colour": 1})


def test_initial_weights_bring_their_network(tmp_path: Path) -> None:
    path = write(tmp_path / "recipe.toml", 'initial_weights = "indoor"\n')
    assert read_recipe(path, {}).network == load_network("indoor").config


def test_changes_are_typed_as_toml_types_them_and_refused_without_a_value() -> None:
    assert read_changes(
        ['sparse_depth=["a", "b"]', "losses.colour=1", "schedule.steps = 7", "initial_weights=a/b.pt"]
    ) == {
        "sparse_depth": ["a", "b"],
        "losses": {"colour": 1},
        "schedule": {"steps": 7},
        "initial_weights": "a/b.pt",
    }
    with pytest.raises(ValueError, match="KEY=VALUE"):
        read_changes(["losses.colour"])
    with pytest.raises(ValueError, match=r"cannot read --set"):
        read_changes(["seed=1", "seed=2"])


@pytest.fixture
def convergence(repository: Path) -> Path:
    return repository / "benchmarks" / "convergence"


def test_every_recipe_to_compare_is_sound_and_another_one(convergence: Path, repository: Path) -> None:
    paths = [*convergence.glob("*.toml")]
    paths += convergence.with_name("options").glob("*.toml")
    assert len(paths) == 20
    configs = [read_recipe(path, {}) for path in paths]
    assert all(one != other for index, one in enumerate(configs) for other in configs[:index])


def test_published_rungs_hold_the_published_network_and_recipe(convergence: Path) -> None:
    assert read_recipe(convergence / "published_network.toml", {}).network == KBNetConfig()
    recipe, preset = read_recipe(convergence / "published_recipe.toml", {}), training_preset("void")
    assert recipe == replace(
        preset,
        batch_size=recipe.batch_size,
        gaps=recipe.gaps,
        precision=recipe.precision,
        augmentation=replace(preset.augmentation, crop=recipe.augmentation.crop),
    )


def test_the_ladder_ends_at_the_recipe_that_the_others_vary(convergence: Path, repository: Path) -> None:
    last = read_recipe(convergence / "continued.toml", {})
    halved = read_recipe(convergence / "full_resolution.toml", {})
    filters = {name: getattr(halved.network, name) for name in ("image_filters", "depth_filters", "decoder_filters")}
    assert replace(last, network=replace(last.network, **filters)) == halved
    reference = read_recipe(convergence / "residual.toml", {})
    assert replace(halved, network=replace(halved.network, resolution="half")) == reference
