"""kbnet prepare lists: the published text lists become a list that the other commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main

KINDS = {"image": "image/{}.png", "sparse-depth": "sparse_depth/{}.png", "intrinsics": "K.txt"}


@pytest.fixture
def text_lists(write_sequence: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lists of the frames of a sequence, with paths relative to the current folder; the flags that name them."""
    room = write_sequence()
    monkeypatch.chdir(tmp_path)
    flags = []
    for kind, file in KINDS.items():
        (tmp_path / f"{kind}.txt").write_text("".join(f"{room.name}/{file.format(f'{i:04}')}\n" for i in range(3)))
        flags += [f"--{kind}", f"{kind}.txt"]
    return flags


def test_prepare_lists_writes_a_list_that_complete_takes(
    text_lists: list[str], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["prepare", "lists", "out/room.csv", *text_lists]) == 0
        assert capsys.readouterr().out == "wrote 3 frames, of one image each, to out/room.csv\n"
    assert main(["complete", "out/room.csv", "--output", "done", "--engine", "torch"]) == 0
    assert sorted(path.name for path in (tmp_path / "done" / "depth").iterdir()) == [f"{i:04}.png" for i in range(3)]


def test_prepare_lists_takes_paths_from_their_root(
    text_lists: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_line_error: Callable[[], str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    flags = [f"../{word}" if word.endswith(".txt") else word for word in text_lists]
    assert main(["prepare", "lists", "room.csv", *flags]) == 2
    assert "3 of 3 are missing, first room/image/0000.png (line 1); name the folder" in one_line_error()
    assert not list(Path.cwd().iterdir())
    assert main(["prepare", "lists", "room.csv", *flags, "--root", ".."]) == 0


def test_prepare_lists_writes_nothing_but_csv(
    text_lists: list[str], tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    before = (tmp_path / "image.txt").read_text()
    assert main(["prepare", "lists", "image.txt", *text_lists]) == 2
    assert "expected a .csv file to write, got image.txt; name it image.csv" in one_line_error()
    assert (tmp_path / "image.txt").read_text() == before
