"""kbnet prepare kitti: counts against the published ones, what is missing with its links, one line of error."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main
from kbnet.datasets.download import Progress
from kbnet.frames.open import open_frames


def prepare(folder: Path, *words: object) -> int:
    return main(["prepare", "kitti", str(folder / "kitti"), *map(str, words)])


def test_prepare_kitti_downloads_and_lists_all_splits(
    kitti_archives: Path, tmp_path: Path, archive_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(kitti_archives, archive_server.folder, dirs_exist_ok=True)
    assert prepare(tmp_path) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in (
        "validation 3 1,000",
        "test 3 1,000",
        "train 16 77,855",
        "of 20 annotated (85,898 published) in 2 of 2 drives",
    ):
        assert words in printed
    for words in ("4 of a standing car (8,043 published)", "10 of the val drives (6,852 published)"):
        assert words in printed
    for split, frames in (("train", 16), ("validation", 3), ("test", 3)):
        assert len(open_frames(tmp_path / "kitti" / f"{split}.csv")) == frames
    moved = shutil.move(tmp_path / "kitti", tmp_path / "moved")
    assert open_frames(Path(moved) / "train.csv").triplet(0, 1).frame.ground_truth is not None

    count = len(archive_server.requests)
    before = {path: path.read_bytes() for path in Path(moved).rglob("*") if path.is_file()}
    assert main(["prepare", "kitti", str(moved)]) == 0
    assert "everything was there already" in capsys.readouterr().out
    assert len(archive_server.requests) == count
    assert {path: path.read_bytes() for path in Path(moved).rglob("*") if path.is_file()} == before


def test_prepare_kitti_needs_one_archive_to_evaluate(kitti_archives: Path, tmp_path: Path) -> None:
    selection = kitti_archives / "data_depth_selection.zip"
    assert prepare(tmp_path, "--from", selection, "--splits", "validation", "test") == 0
    assert {path.name for path in (tmp_path / "kitti").glob("*.csv")} == {"validation.csv", "test.csv"}
    assert open_frames(tmp_path / "kitti" / "validation.csv").frame(0).ground_truth is not None
    assert open_frames(tmp_path / "kitti" / "test.csv").frame(0).ground_truth is None


def test_prepare_kitti_makes_what_it_can_and_says_what_is_missing(
    kitti_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path, "--from", kitti_archives / "data_depth_selection.zip") == 2
    printed = capsys.readouterr()
    bucket = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
    for name in ("data_depth_annotated.zip", "data_depth_velodyne.zip"):
        assert f"missing: {bucket}/{name}\n" in printed.out
    begun, error = printed.err.splitlines()
    assert begun == "unpacking data_depth_selection.zip"
    assert error.startswith("kbnet: error: train.csv could not be made: expected data_depth_annotated.zip and 1 ")
    assert "(--from has data_depth_selection.zip; if that is it, rename it)" in error
    assert len(open_frames(tmp_path / "kitti" / "validation.csv")) == 3


def test_prepare_kitti_lists_the_drives_that_are_there_and_names_the_others(
    kitti_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    shutil.copytree(kitti_archives, given)
    drive = "2011_10_03_drive_0042_sync.zip"
    (given / drive).unlink()
    assert prepare(tmp_path, "--from", given, "--splits", "train") == 2
    printed = capsys.readouterr()
    assert "of 10 annotated (85,898 published) in 1 of 2 drives" in " ".join(printed.out.split())
    assert f"missing: https://s3.eu-central-1.amazonaws.com/avg-kitti/raw_data/{drive[:21]}/{drive}\n" in printed.out
    error = printed.err.splitlines()[-1]
    assert error.startswith(f"kbnet: error: the rest of train.csv could not be made: expected {drive}, but")
    assert printed.err.count("kbnet: ") == 1
    assert len(open_frames(tmp_path / "kitti" / "train.csv")) == 10
    shutil.copy(kitti_archives / drive, given)
    assert prepare(tmp_path, "--from", given, "--splits", "train") == 0
    assert len(open_frames(tmp_path / "kitti" / "train.csv")) == 16


def test_prepare_kitti_gives_a_remedy_that_helps_where_a_file_was_lost(
    kitti_archives: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    command = ("--from", kitti_archives, "--splits", "validation")
    assert prepare(tmp_path, *command) == 0
    validation = tmp_path / "kitti" / "kitti_depth_completion" / "validation"
    sorted((validation / "ground_truth").iterdir())[0].unlink()
    assert prepare(tmp_path, *command) == 2
    assert f"or move {validation} away and prepare it again from the archive" in one_line_error()
    validation.rename(tmp_path / "away")
    assert prepare(tmp_path, *command) == 0


def test_prepare_kitti_names_splits_that_fail_for_one_reason_together(
    tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert prepare(tmp_path, "--from", tmp_path / "empty", "--splits", "validation", "test") == 2
    message = one_line_error()
    assert message.count("data_depth_selection.zip, but") == 1
    assert "validation.csv, test.csv could not be made" in message


def test_prepare_kitti_keeps_or_drops_standing_frames_as_told(
    kitti_archives: Path, tmp_path: Path, one_line_error: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("--from", kitti_archives, "--splits", "train")
    path = tmp_path / "kitti" / "train.csv"
    assert prepare(tmp_path, *command, "--standing", "keep") == 0
    assert len(open_frames(path)) == 20
    assert "85,898" in capsys.readouterr().out
    (tmp_path / "standing.txt").write_text("2011_09_26_drive_0001_sync/image_02/0000000005.png\n")
    assert prepare(tmp_path, *command, "--standing-list", tmp_path / "standing.txt") == 0
    assert len(open_frames(path)) == 19
    capsys.readouterr()
    assert prepare(tmp_path, *command, "--standing", "keep", "--standing-list", tmp_path / "standing.txt") == 2
    assert "leave one out" in one_line_error()


def test_prepare_kitti_goes_on_after_ctrl_c(
    kitti_archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def interrupted() -> Iterator[Progress]:
        def report(what: str, done: int, total: int) -> None:
            if "velodyne" in what and done > total / 2:
                raise KeyboardInterrupt

        yield report

    with monkeypatch.context() as patch:
        patch.setattr("kbnet.cli.prepare.kitti.transfer_progress", interrupted)
        assert prepare(tmp_path, "--from", kitti_archives) == 130
    assert not (tmp_path / "kitti" / "train.csv").exists()
    assert len(open_frames(tmp_path / "kitti" / "test.csv")) == 3
    assert prepare(tmp_path, "--from", kitti_archives) == 0
    assert len(open_frames(tmp_path / "kitti" / "train.csv")) == 16
    assert not list(tmp_path.rglob("*.partial*"))


def test_prepare_kitti_reports_a_truncated_archive_in_one_line(
    kitti_archives: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    given = tmp_path / "given"
    shutil.copytree(kitti_archives, given)
    drive = given / "2011_10_03_drive_0042_sync.zip"
    drive.write_bytes(drive.read_bytes()[:-100])
    assert prepare(tmp_path, "--from", given, "--splits", "train") == 2
    assert str(drive) in one_line_error()
    shutil.copy(kitti_archives / drive.name, drive)
    assert prepare(tmp_path, "--from", given, "--splits", "train") == 0
