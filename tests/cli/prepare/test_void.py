"""kbnet prepare void: lists from archives or folders by hand; what is missing is named, what is there is used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from kbnet.cli.main import main
from kbnet.datasets import download
from kbnet.frames.frame_list import FrameList


def prepare(folder: Path, *words: object) -> int:
    return main(["prepare", "void", str(folder), *map(str, words)])


@pytest.fixture
def released(void_archives: Path, tmp_path: Path) -> Path:
    with ZipFile(void_archives / "void_release.zip") as archive:
        archive.filelist.pop()  # the entry that overlaps
        archive.extractall(tmp_path / "mine")
    return tmp_path / "mine" / "void_release"


def test_prepare_void_makes_lists_from_archives(
    void_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archives = [void_archives / f"void_{density}.zip" for density in (150, 500, 1500)]
    assert prepare(tmp_path / "void", "--from", *archives) == 0
    table = capsys.readouterr().out
    for density in (150, 500, 1500):
        train, test = (FrameList(tmp_path / "void" / f"void_{density}_{split}.csv") for split in ("train", "test"))
        assert (len(train), len(test)) == (24, 4)
        assert f"void_{density} test" in table
        assert train.files(0).image.startswith(f"void_release/void_{density}/data/corridor0/image/")
        assert test.frame(0).size == (80, 112)
    assert "800" in table
    assert "1 of 48 sequences, 84 of about 47,000 frames less 30 at both ends of each" in table


def test_prepare_void_does_nothing_when_run_again(
    void_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(download.MIRROR, "http://127.0.0.1:9")
    assert prepare(tmp_path, "--densities", 150, "--from", void_archives) == 0
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "void_release").rglob("*")}
    assert "everything was there already" not in capsys.readouterr().out
    assert prepare(tmp_path, "--densities", 150) == 0
    assert "everything was there already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "void_release").rglob("*")} == files


def test_prepare_void_uses_an_unpacked_folder_where_it_lies(released: Path, tmp_path: Path) -> None:
    assert prepare(tmp_path / "void", "--from", released) == 0
    assert sorted(path.suffix for path in (tmp_path / "void").iterdir()) == [".csv"] * 6
    frames = FrameList(tmp_path / "void" / "void_500_test.csv")
    assert Path(frames.files(0).image).parent == released / "void_500" / "data" / "lobby1" / "image"
    assert prepare(tmp_path / "one", "--from", released / "void_500", "--densities", 500) == 0


def test_prepare_void_makes_what_it_can_and_names_the_rest(
    void_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path, "--from", void_archives / "void_150.zip", "--densities", 150, 500) == 2
    written = capsys.readouterr()
    *begun, error = written.err.splitlines()
    assert begun == [f"unpacking void_150-{number}.zip" for number in range(3)]
    assert error.startswith("kbnet: error: void_500_train.csv, void_500_test.csv could not be made: expected void")
    assert "drive.google.com/file/d/1c3PxnOE0N8tgkvTgPbnUZXS6ekv7pd80" in error
    assert "void_150 train" in written.out
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["void_150_test.csv", "void_150_train.csv"]


def test_prepare_void_names_every_reason(
    void_archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path, "--from", void_archives / "void_150.zip") == 2
    written = capsys.readouterr()
    assert written.out.count("could not be made: expected void_") == 2
    assert written.err.endswith("could not be made, for the 2 reasons above\n")


def test_prepare_void_makes_the_other_split_where_a_list_is_missing(
    released: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    (released / "void_150" / "train_image.txt").unlink()
    assert prepare(tmp_path / "void", "--from", released, "--densities", 150) == 2
    assert "void_150_train.csv could not be made: expected the published list" in one_line_error()
    assert len(FrameList(tmp_path / "void" / "void_150_test.csv")) == 4


def test_prepare_void_refuses_a_list_with_a_path_that_is_gone(
    released: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    shutil.rmtree(released / "void_150" / "data" / "lobby1")
    assert prepare(tmp_path / "void", "--from", released, "--densities", 150) == 2
    message = one_line_error()
    assert "test_image.txt, but 4 frames lack some, first line 1: there is no " in message
    assert not (tmp_path / "void" / "void_150_test.csv").exists()
    assert len(FrameList(tmp_path / "void" / "void_150_train.csv")) == 24


def test_prepare_void_names_the_way_by_hand_when_there_is_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_line_error: Callable[[], str]
) -> None:
    monkeypatch.setenv(download.MIRROR, "http://127.0.0.1:9")
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    assert prepare(tmp_path, "--densities", 150) == 2
    message = one_line_error()
    assert "https://drive.google.com/file/d/1GGov8MaBKCEcJEXxY8qrh8Ldt2mErtWs" in message
    assert "--from" in message


def test_prepare_void_refuses_a_path_that_is_not_there(tmp_path: Path, one_line_error: Callable[[], str]) -> None:
    assert prepare(tmp_path, "--from", tmp_path / "nowhere") == 2
    assert "nothing is there; check the path after --from" in one_line_error()
