"""kbnet prepare nyu-v2: lists from an archive or a folder by hand, raw parts to sequences, one line for what fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.frames.frame_list import FrameList
from kbnet.frames.sequence import Sequence

pytest.importorskip("sklearn")


def prepare(folder: Path, *words: object) -> int:
    return main(["prepare", "nyu-v2", str(folder), "--points", "20", *map(str, words)])


@pytest.mark.filterwarnings("ignore:expected 654 test frames")
def test_prepare_nyu_v2_makes_both_lists_and_does_nothing_the_second_time(
    nyu_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path, "--from", nyu_archives) == 0
    written = capsys.readouterr()
    assert "654" in written.out
    assert "depth in metres x 256" in written.out
    assert "expected 654 test frames" in written.err
    train, test = FrameList(tmp_path / "train.csv"), FrameList(tmp_path / "test.csv")
    assert (len(train), len(test)) == (2, 3)
    assert test.has_ground_truth
    images = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert prepare(tmp_path, "--from", nyu_archives) == 0
    assert "everything was there already" in capsys.readouterr().out
    assert images == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}


@pytest.mark.filterwarnings("ignore:expected 654 test frames")
def test_prepare_nyu_v2_makes_other_kinds_for_training_when_told(nyu_archives: Path, tmp_path: Path) -> None:
    def columns(split: str) -> list[str]:
        header = (tmp_path / f"{split}.csv").read_text().splitlines()[0].split(",")
        return [column for column in header if column.startswith("sparse_depth")]

    assert prepare(tmp_path, "--from", nyu_archives) == 0
    assert columns("train") == ["sparse_depth"]
    assert columns("test") == ["sparse_depth", "sparse_depth_corners", "sparse_depth_uniform"]
    assert prepare(tmp_path, "--from", nyu_archives, "--splits", "train", "--training-kinds", "corners") == 0
    assert columns("train") == ["sparse_depth", "sparse_depth_corners"]


def test_prepare_nyu_v2_makes_what_it_can_and_names_the_rest(
    write_nyu: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked = write_nyu(testing=1)
    shutil.rmtree(unpacked / "training")
    assert prepare(tmp_path / "out", "--from", unpacked) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("kbnet: error")]
    assert len(errors) == 1
    assert "train.csv could not be made: expected nyu_v2.zip" in errors[0]
    assert "drive.google.com" in errors[0]
    assert FrameList(tmp_path / "out" / "test.csv").frame(0).size == (416, 576)


def test_prepare_nyu_v2_says_once_what_both_splits_lack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one_line_error: Callable[[], str]
) -> None:
    assert prepare(tmp_path / "out", "--from", tmp_path) == 2
    assert one_line_error().startswith("kbnet: error: train.csv, test.csv could not be made: expected nyu_v2.zip")


def test_prepare_nyu_v2_makes_sequences_of_raw_parts(
    nyu_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--raw", nyu_archives / "kitchens_part9.zip"]
    assert prepare(tmp_path, *command) == 0
    folder = tmp_path / "raw" / "kitchen_0021a"
    assert capsys.readouterr().out == f"{folder}: 3 frames, 0 left out\n"
    assert len(Sequence(folder)) == 3
    assert not (tmp_path / "test.csv").exists()
    assert prepare(tmp_path, *command) == 0
    assert "was there already" in capsys.readouterr().out


def test_prepare_nyu_v2_refuses_zero_points(tmp_path: Path, one_line_error: Callable[[], str]) -> None:
    assert main(["prepare", "nyu-v2", str(tmp_path), "--points", "0"]) == 2
    assert "--points 1500" in one_line_error()
