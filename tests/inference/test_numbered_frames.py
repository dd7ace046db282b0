"""Frames of many sources are numbered through, and found again; which have all files is read off the folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kbnet.inference.numbered_frames import NumberedFrames
from kbnet.inference.output_files import DEPTH
from kbnet.inference.output_folder import OutputFolder

NAMES = ["hall/a", "hall/a.partial", "room/a", "drives/one/a", "drives/two/a"]


class Source:
    def __init__(self, name: str) -> None:
        self.name, self.folder = name, Path(name)
        self.names = tuple(frame.partition("/")[2] for frame in NAMES if frame.startswith(f"{name}/"))

    def __len__(self) -> int:
        return len(self.names)


@pytest.fixture
def frames(tmp_path: Path) -> NumberedFrames:
    sources: list[Any] = [Source("hall"), Source("room"), Source("drives")]
    return NumberedFrames([OutputFolder(tmp_path / source.name, source) for source in sources])


def test_frames_are_numbered_through(frames: NumberedFrames) -> None:
    assert [frames.name(number) for number in range(len(frames))] == NAMES
    output, index = frames[4]
    assert (output.frames.name, index) == ("drives", 1)


def test_frames_with_all_files_are_done_and_others_pending(frames: NumberedFrames, tmp_path: Path) -> None:
    assert frames.pending() == [0, 1, 2, 3, 4]
    for number in (1, 4):  # one named like a temporary file, but not hidden
        output, index = frames[number]
        path = output.path(DEPTH, index)
        assert not frames.is_done(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert frames.is_done(number)
    half_written = tmp_path / "hall" / "depth" / ".a.0123456789ab.partial.png"
    half_written.touch()
    assert frames.pending() == [0, 2, 3]
    frames.remove_half_written()
    assert not half_written.exists()
    assert frames.pending() == [0, 2, 3]
