"""Frames of a recording, made when they are asked for."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from kbnet.errors import KBNetError
from kbnet.files import resolved
from kbnet.frame import Float64Array, Frame, ImageArray, check_pose
from kbnet.frames.frame_files import check_name
from kbnet.frames.frame_source import ConsecutiveFrames, with_pose_and_prior
from kbnet.frames.prior_files import PriorFolder
from kbnet.frames.sequence_writer import PosedFrame, WrittenFrames

CACHED_FRAMES = 4
"""Frames kept in memory: a viewer, a report and held-out points ask for the same frame several times."""

T = TypeVar("T")
Self = TypeVar("Self", bound="Recording[Any]")


@dataclass(frozen=True)
class Moment(Generic[T]):
    """One frame before it is made.

    Attributes:
        T_world_camera: camera pose, (4, 4), float64, metres; None = not known.
        parts: what the frame is made of, such as file names or message times.
    """

    name: str
    T_world_camera: Float64Array | None
    parts: T


class Recording(ConsecutiveFrames, ABC, Generic[T]):
    """A recording read in place; a `kbnet.frames.frame_source.FrameSource`.

    A subclass gives :meth:`moments` and :meth:`make`. Moments are looked for one after another: reading the frames in
    order makes one pass over the recording, while ``len`` and ``names`` go through all of it first.

    Attributes:
        folder: file or folder of the recording; what messages point to.
        name: its name without suffix; what tables call it.
        inputs: files and folders that the frames are made of; a sequence may not be written over them.
        points_from: topic, file or folder that the sparse depth comes from.
        expected: number of frames at most, known without a pass over the recording; None = not known.
        left_out: names of what became no frame so far, by what it is, such as "frames without points".
        reopen: opens the same recording in another process; None = it cannot be sent there.
    """

    priors: PriorFolder | None = None
    says_points: ClassVar[bool] = False
    """Whether the summary says how many points a frame has and how far away they are."""

    def __init__(
        self, path: str | Path, points_from: str = "", *, expected: int | None = None, inputs: tuple[Path, ...] = ()
    ) -> None:
        self.folder = Path(path)
        self.name = resolved(self.folder).stem if self.folder.is_file() else resolved(self.folder).name
        self.inputs = inputs or (self.folder,)
        self.points_from, self.expected = points_from, expected
        self.left_out: dict[str, list[str]] = {}
        self.reopen: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        self._known: list[Moment[T]] = []
        self._coming: Iterator[Moment[T]] | None = None
        self._cache: OrderedDict[int, Frame] = OrderedDict()
        # The web viewer asks from several threads.
        self._lock = threading.RLock()

    @abstractmethod
    def moments(self) -> Iterator[Moment[T]]:
        """What frames can be made of, in order; for the others, call :meth:`leave_out`.

        Raises:
            KBNetError: after the last one, if none came (``_known`` is empty).
        """

    @abstractmethod
    def make(self, index: int, moment: Moment[T]) -> Frame:
        """Make one frame; the same index gives the same frame, in any order."""

    def leave_out(self, what: str, name: str) -> None:
        """Remember what became no frame; for :meth:`moments`."""
        self.left_out.setdefault(what, []).append(name)

    def assumptions(self) -> list[str]:
        """What is assumed that no file says, a line each; every command prints it before it reads a frame."""
        return []

    def notes(self) -> list[str]:
        """What ``kbnet prepare`` prints of the frames that were read, a line each."""
        return [f"left out: {len(names)} {what}, first {names[0]}" for what, names in self.left_out.items()]

    @property
    def lens(self) -> str:
        """What was done about the lens, for people."""
        return "images as recorded"

    def poses_text(self, written: WrittenFrames) -> str:
        """How many frames have a pose, for people."""
        return f"{written.posed} with a pose" if written.posed else "no poses"

    def summary(self, written: WrittenFrames, folder: Path) -> list[str]:
        """What ``kbnet prepare`` prints, a line each."""
        size = f"{written.size[1]}x{written.size[0]}"
        wrote = f"wrote {written.frames} frames of {size} pixels to {folder}"
        return [*self.assumptions(), *self.notes(), f"{wrote}: {self.poses_text(written)}, {self.lens}"]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(moment.name for moment in self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self.folder}')"

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; it is closed too when the recording is no longer used."""

    def __reduce__(self) -> tuple[Any, ...]:
        if self.reopen is None:
            raise TypeError(f"{self!r} cannot be pickled; open it with kbnet.open_frames")
        return (*self.reopen, {"priors": self.priors})

    @property
    def has_ground_truth(self) -> bool:
        """Whether any frame has ground truth; others may have none."""
        return False

    @property
    def has_poses(self) -> bool:
        """Whether the pose of every frame is known."""
        return all(moment.T_world_camera is not None for moment in self._all())

    def frame(self, index: int) -> Frame:
        """Read one frame, with its pose if that is known.

        Raises:
            IndexError: there is no such frame.
            KBNetError, OSError: something in the recording is missing or damaged.
        """
        with self._lock:
            moment = self._moment(index)
            index = index if index >= 0 else len(self) + index
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
            frame = self._cache[index] = with_pose_and_prior(self.make(index, moment), self, index)
            if len(self._cache) > CACHED_FRAMES:
                self._cache.popitem(last=False)
            return frame

    def image(self, index: int) -> ImageArray:
        """Image of one frame: RGB, (H, W, 3), uint8."""
        return self.frame(index).image

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order, in one pass."""
        for posed in self.posed_frames():
            yield posed.frame

    def posed_frames(self) -> Iterator[PosedFrame]:
        """Frames in order with their poses, in one pass."""
        index = 0
        while self._grow_to(index):
            yield PosedFrame(self.frame(index), self._known[index].T_world_camera)
            index += 1

    def has_pose(self, index: int) -> bool:
        """Whether it is known where the camera was at one frame."""
        return self._moment(index).T_world_camera is not None

    def pose(self, index: int) -> Float64Array:
        """Where the camera was: ``T_world_camera``, (4, 4), float64, metres.

        Raises:
            KBNetError: it is not known.
        """
        moment = self._moment(index)
        if moment.T_world_camera is None:
            raise KBNetError(
                f"expected a pose of frame '{moment.name}' in {self.folder}, got none; choose other frames"
            )
        check_pose(moment.T_world_camera, "T_world_camera", where=f" (frame '{moment.name}')")
        return moment.T_world_camera

    def _all(self) -> list[Moment[T]]:
        while self._grow_to(len(self._known)):
            pass
        return self._known

    def _moment(self, index: int) -> Moment[T]:
        if index < 0:
            return self._all()[index]
        if not self._grow_to(index):
            raise IndexError(f"expected a frame number below {len(self._known)} in {self.folder}, got {index}")
        return self._known[index]

    def _grow_to(self, index: int) -> bool:
        """Look for moments until there is one of this index; return whether there is."""
        with self._lock:
            if self._coming is None:
                self._coming = self._checked_moments()
            while index >= len(self._known):
                try:
                    moment = next(self._coming, None)
                except BaseException:  # a generator that raised looks as if it were at its end
                    self._coming, self._known = None, []
                    raise
                if moment is None:
                    return False
                self._known.append(moment)
            return True

    def _checked_moments(self) -> Iterator[Moment[T]]:
        """Moments whose names can be those of files, each another."""
        self.left_out.clear()
        numbers: dict[str, int] = {}
        for number, moment in enumerate(self.moments()):
            check_name(moment.name, f"in {self.folder}")
            if (first := numbers.setdefault(moment.name, number)) != number:
                raise KBNetError(
                    f"two frames of {self.folder} are called '{moment.name}': number {first} and number {number}, "
                    "counted from 0"
                )
            yield moment
