"""``kbnet prepare accumulated``: a list to train on, and one line of error else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.cli.prepare.accumulated import Command
from kbnet.frames.frame_list import FrameList
from kbnet.report.fusion.accumulation import REACH


@pytest.fixture
def words(posed_room: Path, tmp_path: Path) -> list[str]:
    return ["prepare", "accumulated", str(posed_room), str(tmp_path / "room_list.csv")]


def test_a_list_to_train_on(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "wrote 8 frames to" in capsys.readouterr().out
    assert FrameList(tmp_path / "room_list.csv").has_ground_truth


def test_it_is_replaced_on_demand_only(words: list[str], tmp_path: Path, one_line_error: Callable[[], str]) -> None:
    assert main(words) == 0
    assert main(words) == 2
    assert "room_list.csv is there already; choose another name, or replace it (--overwrite)" in one_line_error()
    assert main([*words, "--overwrite", "--gap", "2"]) == 0
    assert FrameList(tmp_path / "room_list.csv").triplet_indices(1) == (2, 3, 4, 5)


def test_as_many_neighbours_lend_as_for_adapt() -> None:
    """The command names the number itself: importing it would bring torch to --help."""
    assert {field.name: field.default for field in fields(Command)}["reach"] == REACH


def no_poses(words: list[str]) -> list[str]:
    for path in Path(words[2]).glob("absolute_pose/*.txt"):
        path.unlink()
    return words


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_poses, "expected poses (camera to world) in absolute_pose/"),
        (lambda words: [*words[:3], "wall"], "expected a .csv file to write, got wall; name it wall.csv"),
        (lambda words: [*words[:3], f"{words[2]}/sparse.csv", "--overwrite"], "sparse_depth is there already, of"),
        (lambda words: [*words, "--reach", "0"], "a gap and a reach of at least 1 frame"),
        (lambda words: [*words, "--sparse-depth", "lidar"], "choose sparse_depth with --sparse-depth"),
    ],
)
def test_what_does_not_fit_is_one_line(
    spoil: Callable[[list[str]], list[str]],
    message: str,
    words: list[str],
    tmp_path: Path,
    one_line_error: Callable[[], str],
) -> None:
    assert main(spoil(words)) == 2
    assert message in one_line_error()
    assert not list(tmp_path.glob("*_depth"))
    assert not (tmp_path / "room_list.csv").exists()
