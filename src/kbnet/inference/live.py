"""Live completion: frames of a sequence folder that another program writes, completed as they appear."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep, time
from typing import Generic, NamedTuple, TypeVar

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.image_file import read_intrinsics
from kbnet.frames.kinds import IMAGE_SUFFIXES
from kbnet.frames.natural_order import in_order
from kbnet.frames.sequence import depth_path, pose_path, read_frame, read_pose

T = TypeVar("T")

POLL_S = 0.02
"""Time between two looks at the folder."""

POSE_WAIT_S = 1.0
"""If a frame is without its pose for longer, the poses have stopped."""

READ_WAIT_S = 2.0
"""If a frame cannot be read for longer, a warning says why."""


@dataclass(frozen=True)
class LiveFrame(Generic[T]):
    """Completed frame of a folder that grows.

    Attributes:
        frame: the frame, with ``T_world_camera`` if it has a pose.
        latency_s: from the last file of the frame to the result; of a frame that was there at the start, from then.
        dropped: frames that were left out since the frame before.
    """

    frame: Frame
    result: T
    latency_s: float
    dropped: int
    used_past: bool


def complete_live(
    folder: str | Path,
    alone: Callable[[Frame], T],
    with_past: Callable[[Frame], T] | None = None,
    *,
    sparse_depth: str = "sparse_depth",
) -> Iterator[LiveFrame[T]]:
    """Complete the newest frame of a sequence folder, again and again, without end.

    Frames come in the order of their names. A frame that appears while another is completed is dropped if there is a
    newer one. Half-written files are waited for.

    Args:
        folder: sequence folder in the native layout; it may still be empty.
        alone: completes a frame by itself.
        with_past: completes a frame with earlier ones, such as :class:`kbnet.VideoCompleter`. It is used as long as
            every frame has a pose; after the first frame without, ``alone`` is used for good.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    watched = _GrowingSequence(Path(folder), sparse_depth, posed=with_past is not None)
    while True:
        found = watched.newest()
        if found is None:
            sleep(POLL_S)
            continue
        used = with_past if watched.posed else None
        result = (used or alone)(found.frame)
        yield LiveFrame(found.frame, result, max(0, time() - found.appeared), found.dropped, used is not None)


class _Found(NamedTuple):
    frame: Frame
    appeared: float
    dropped: int


class _GrowingSequence:
    """Sequence folder to which frames are added."""

    def __init__(self, folder: Path, sparse_depth: str, *, posed: bool) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"expected a sequence folder, but there is no folder {folder}; make it first")
        self.folder, self.posed = folder, posed
        self._sparse_depth, self._started = folder / sparse_depth, time()
        self._intrinsics: FloatArray | None = None
        self._passed: set[Path] = set()
        self._last: Path | None = None
        self._unposed: dict[Path, float] = {}
        self._unreadable: dict[Path, float] = {}
        self._told = False

    def newest(self) -> _Found | None:
        """The newest complete frame after the last one, if there is any."""
        new = self._new_images()
        after = new if self._last is None else in_order([*new, self._last], lambda path: path.stem)
        if self._last is not None:
            after = after[after.index(self._last) + 1 :]
        if after and self._last is None and not pose_path(self.folder, "").parent.is_dir():
            self.posed = False
        image, frame = self._newest_readable(after)
        if frame is None and any(monotonic() - since > POSE_WAIT_S for since in self._unposed.values()):
            self.posed = False
            warnings.warn(
                f"frame '{next(iter(self._unposed)).stem}' of {self.folder} has no pose; from here on, frames are "
                "completed one by one",
                stacklevel=3,
            )
            self._unposed.clear()
            image, frame = self._newest_readable(after)
        if frame is None:
            return None
        # Names before this one are late, and count too. What was there before the first frame was not dropped.
        passed = set(new) - set(after[after.index(image) + 1 :])
        dropped = 0 if self._last is None else len(passed) - 1
        self._passed |= passed
        self._last = image
        self._unposed.clear()
        self._unreadable.clear()
        return _Found(frame, self._appeared(image), dropped)

    def _new_images(self) -> list[Path]:
        """Images that were neither taken nor dropped, in order."""
        try:
            there = set((self.folder / "image").iterdir()) - self._passed
        except FileNotFoundError:
            return []
        images = (path for path in there if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))
        return in_order(images, lambda path: path.stem)

    def _newest_readable(self, images: list[Path]) -> tuple[Path, Frame | None]:
        for image in reversed(images):
            frame = self._read(image)
            if frame is not None:
                return image, frame
        return self.folder, None

    def _read(self, image: Path) -> Frame | None:
        """The frame of an image, if all of its files are there and whole."""
        sparse_depth = self._depth_path(image)
        try:
            if self._intrinsics is None:
                self._intrinsics = read_intrinsics(self.folder / "K.txt")
            if not sparse_depth.is_file():
                raise FileNotFoundError(f"expected sparse depth in {sparse_depth}, but there is no such file")
            path = pose_path(self.folder, image.stem)
            try:
                pose = read_pose(path)
            except (OSError, KBNetError):
                pose = None
            if pose is None and self.posed:
                self._unposed.setdefault(image, monotonic())
                return None
            return replace(read_frame(self.folder, image, sparse_depth, self._intrinsics), T_world_camera=pose)
        except (OSError, KBNetError) as error:
            since = self._unreadable.setdefault(image, monotonic())
            if monotonic() - since > READ_WAIT_S and not self._told:
                self._told = True
                warnings.warn(f"{error}; frame '{image.stem}' is waited for (said once)", stacklevel=4)
            return None

    def _appeared(self, image: Path) -> float:
        """When the last file of a frame was written or moved here, seconds; not before the start."""
        files = (image, self._depth_path(image), pose_path(self.folder, image.stem))
        return max(self._started, *(path.stat().st_ctime for path in files if path.is_file()))

    def _depth_path(self, image: Path) -> Path:
        return depth_path(self._sparse_depth, image.stem)
