"""Recipes based on one another: what they resolve to, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit

from kbnet.cli.main import main
from kbnet.cli.train import parse
from kbnet.errors import KBNetError
from kbnet.training.presets import training_preset
from kbnet.training.recipe import read_recipe_layers
from kbnet.weights.depth_network import load_network


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_config_names_what_differs_from_its_base_and_flags_win(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", 'preset = "kitti"\nbatch_size = 3\n[losses]\ncolour = 0.5\nstructure = 0.25\n')
    write(tmp_path / "studies" / "middle.toml", 'base = "../base.toml"\n[losses]\ncolour = 0.75\n')
    last = write(tmp_path / "studies" / "last.toml", 'base = "middle.toml"\nbatch_size = 5\n')
    kitti = training_preset("kitti")
    assert parse(["--config", str(last), "--seed", "4"]).training == replace(
        kitti, batch_size=5, seed=4, losses=replace(kitti.losses, colour=0.75, structure=0.25)
    )


def test_initial_weights_bring_their_network_in_place_of_that_of_the_base(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", "[network]\nmax_depth = 7.0\n")
    path = write(tmp_path / "recipe.toml", 'base = "base.toml"\ninitial_weights = "indoor"\n')
    assert parse(["--config", str(path)]).training.network == load_network("indoor").config


@pytest.mark.parametrize(
    ("base", "other", "message"),
    [
        ('"other.toml"', 'base = "recipe.toml"', "recipe.toml is based on itself, by way of"),
        ('"other.toml"', 'base = "300.toml"', "281.toml is based on itself, by way of"),
        ('"a\\u0000.toml"', "", r"expected names of files without NUL (embedded null byte)"),
        ('"missing.toml"', "", "missing.toml, the base of"),
        ('"other.toml"', "losses = 3", "other.toml: "),
        ('"other.toml"', "=", "other.toml is not TOML"),
        ("3", "", 'expected base as a path, got 3; write base = "other.toml"'),
    ],
)
def test_wrong_bases_are_refused_in_one_line(
    tmp_path: Path, base: str, other: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "other.toml", other)
    for number in range(1, 301):
        write(tmp_path / f"{number}.toml", f'base = "{number - 1}.toml"')
    path = write(tmp_path / "recipe.toml", f"base = {base}")
    assert main(["train", "room", "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n" * 30_000, "at most 10,000 lines, commas"),
        ("".join(f"{'a.' * 40}k{number} = 1\n" for number in range(50)), "nested more than 3 levels"),
    ],
)
def test_a_recipe_that_is_read_for_minutes_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(KBNetError, match=said):
        read_recipe_layers(tmp_path / "a.toml")


def test_a_recipe_of_many_sequences_is_read(tmp_path: Path) -> None:
    paths = [f"rooms.2/a.b/{number:05}" for number in range(9000)]
    (tmp_path / "a.toml").write_text(tomlkit.dumps({"sequences": paths}))
    (layer,) = read_recipe_layers(tmp_path / "a.toml")
    assert layer.table["sequences"] == paths
