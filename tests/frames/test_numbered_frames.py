"""Frames of many sources are numbered through, and found again; which of them have depth is read off their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kbnet.frames.numbered_frames import NumberedFrames

NAMES = ["hall/a", "hall/b.c", "room/a", "drives/one/a", "drives/two/a"]


class Source:
    def __init__(self, name: str) -> None:
        self.name = name
        self.names = tuple(frame.partition("/")[2] for frame in NAMES if frame.startswith(f"{name}/"))

    def __len__(self) -> int:
        return len(self.names)


@pytest.fixture
def frames(tmp_path: Path) -> NumberedFrames:
    sources: list[Any] = [Source("hall"), Source("room"), Source("drives")]
    return NumberedFrames(sources, tmp_path)


def test_frames_are_numbered_through(frames: NumberedFrames) -> None:
    assert [frames.name(number) for number in range(len(frames))] == NAMES
    source, index = frames[4]
    assert (source.name, index) == ("drives", 1)


def test_frames_with_depth_are_done_and_others_pending(frames: NumberedFrames, tmp_path: Path) -> None:
    assert frames.without_depth() == [0, 1, 2, 3, 4]
    for number in (1, 4):
        path = frames.depth_file(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    half_written = tmp_path / "hall" / "depth" / ".a.0123456789ab.partial.png"
    half_written.touch()
    assert frames.without_depth() == [0, 2, 3]
    frames.remove_half_written()
    assert not half_written.exists()
    assert frames.without_depth() == [0, 2, 3]
