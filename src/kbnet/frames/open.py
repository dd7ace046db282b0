"""A path to the frames that lie there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kbnet.frames.frame_files import PATHS, FrameFiles
from kbnet.frames.frame_list import FrameList
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.sequence import Sequence


def open_frames(path: str | Path, *, sparse_depth: str = "sparse_depth") -> FrameSource:
    """Open a sequence folder, or a ``.csv`` list of frames.

    Args:
        path: the folder or the list.
        sparse_depth: the folder of sparse depth inside a sequence, or the column of a list.

    Raises:
        FileNotFoundError: the path, or something it needs, is missing.
        ValueError: something in it is not as it should be.
    """
    path = Path(path)
    if path.suffix == ".csv":
        return FrameList(path, sparse_depth=sparse_depth)
    return Sequence(path, sparse_depth=sparse_depth)


def absolute_files(source: FrameSource, index: int) -> FrameFiles:
    """Where the files of a frame lie, absolute, without ground truth; a sequence names no neighbours here."""
    if isinstance(source, FrameList):
        files = source.files(index)
        here = source.folder.absolute().parent
        absolute: dict[str, Any] = {name: getattr(files, name) and str(here / getattr(files, name)) for name in PATHS}
        return replace(files, **absolute | {"ground_truth": ""})
    assert isinstance(source, Sequence)
    return source.files(index)
