"""What training, evaluation and completion read: a sequence folder, or a list of frames that lie anywhere."""

from __future__ import annotations

from collections.abc import Sequence as Indices
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kbnet.data.frame_files import PATHS, FrameFiles
from kbnet.data.frame_list import FrameList
from kbnet.data.sequence import Sequence
from kbnet.frame import Frame, ImageArray, Triplet


class FrameSource(Protocol):
    """Frames that are counted once and read one by one; `Sequence` and `FrameList` are both.

    Attributes:
        name: what tables call it.
        folder: the sequence folder, or the list file; what messages point to.
        names: of the frames; output files are called after them.
        has_ground_truth: whether there is ground truth at all; a frame may still have none.
        has_poses: whether the camera's motion to both neighbours is known for every triplet.
    """

    name: str
    folder: Path
    names: tuple[str, ...]
    has_ground_truth: bool
    has_poses: bool

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def image(self, index: int) -> ImageArray:
        """Image of one frame: RGB, (H, W, 3), uint8."""
        ...

    def frame(self, index: int) -> Frame:
        """Read one frame, with its ground truth if there is a file of it."""
        ...

    def has_pose(self, index: int) -> bool:
        """Whether it is known where the camera was at one frame."""
        ...

    def pose(self, index: int) -> NDArray[np.float64]:
        """Where the camera was: ``T_world_camera``, (4, 4), metres."""
        ...

    def triplet(self, index: int, gap: int) -> Triplet:
        """Read a frame with its two neighbours; a list names them, and does not look at ``gap``."""
        ...

    def triplet_indices(self, gap: int) -> Indices[int]:
        """Indices of the frames that have both neighbours."""
        ...


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
