"""What training, evaluation and completion read: frames of a sequence folder, a list, or a recording in place."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Indices
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import Frame, ImageArray, Triplet


class FrameSource(Protocol):
    """Frames that are counted once and read one by one: a sequence folder, a list, or a recording in place."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def folder(self) -> Path:
        """The folder or file; what messages point to."""
        ...

    @property
    def points_from(self) -> str:
        """Where the sparse depth comes from: a folder of the sequence, a column of the list, a topic or file."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the frames; output files are called after them."""
        ...

    @property
    def has_ground_truth(self) -> bool:
        """Whether there is ground truth at all; a frame may still have none."""
        ...

    @property
    def has_poses(self) -> bool:
        """Whether the camera's motion to both neighbours is known for every triplet."""
        ...

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def __getitem__(self, index: int) -> Frame:
        """Read one frame, as :meth:`frame`."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order."""
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
