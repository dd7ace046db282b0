"""Frames that lie anywhere, listed in one CSV file: how published data sets are read, without copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, Frame, ImageArray, Triplet
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.frame_files import (
    COLUMNS,
    PATHS,
    FrameFiles,
    PresentFiles,
    read_frame_list,
    window_numbers,
    write_frame_list,
)
from kbnet.frames.frame_source import IndexedFrames, PoseMemory, relative_poses, with_pose_and_prior
from kbnet.frames.image_file import read_image, read_intrinsics
from kbnet.frames.prior_files import PriorFolder
from kbnet.frames.sequence import read_pose, with_depth
from kbnet.frames.window import crop_frame, crop_triplet

__all__ = ["FrameFiles", "FrameList", "write_frame_list"]


class FrameList(IndexedFrames):
    """The frames of a ``.csv`` list, checked once and read one by one; a `kbnet.frames.frame_source.FrameSource`.

    The first line names the columns, which are the attributes of `FrameFiles`; each further line is a frame.

    Attributes:
        folder: the list file.
        has_ground_truth: whether any frame has ground truth.
        has_poses: whether all three poses of every frame with both neighbours are known.
    """

    priors: PriorFolder | None = None

    def __init__(self, path: str | Path, *, sparse_depth: str = "sparse_depth") -> None:
        """Read the list and look whether all files are there.

        Args:
            sparse_depth: the column of sparse depth, such as ``sparse_depth_500``.

        Raises:
            FileNotFoundError: the list, or a file it names, is missing.
            KBNetError: the list is not as it should be.
        """
        self.folder = Path(path)
        self.name, self.points_from = self.folder.stem, sparse_depth
        self.has_ground_truth, self.has_poses = False, True
        names: dict[str, int] = {}
        lines: list[bytes] = []
        triplets: list[int] = []
        missing = _MissingFiles(self.folder)
        for line, files in read_frame_list(self.folder, sparse_depth):
            if files.name in names:
                raise KBNetError(
                    f"expected another name for every frame, but lines {names[files.name]} and {line} of {path} "
                    f"are both named '{files.name}'; rename one"
                )
            names[files.name] = line
            missing.look(line, files)
            if _has_neighbours(files):
                triplets.append(len(lines))
                self.has_poses &= _has_poses(files)
            self.has_ground_truth |= bool(files.ground_truth)
            lines.append("\0".join(getattr(files, column) for column in COLUMNS).encode())
        if not names:
            raise KBNetError(f"expected at least one frame in {path}, got none; prepare the data set again")
        missing.check()
        self.has_poses &= bool(triplets)
        self.names = tuple(names)
        # One block for all lines: a published list has 86,000, and every data worker holds its own.
        self._lines = b"".join(lines)
        self._ends = np.cumsum([0, *map(len, lines)])
        self._triplets = tuple(triplets)
        self._poses = PoseMemory(len(self.names), self._read_pose)

    def __repr__(self) -> str:
        return f"FrameList('{self.folder}', {len(self)} frames)"

    def files(self, index: int) -> FrameFiles:
        """One line of the list, with the column of sparse depth that was asked for as ``sparse_depth``."""
        index = range(len(self))[index]
        cells: list[Any] = self._lines[self._ends[index] : self._ends[index + 1]].decode().split("\0")
        return FrameFiles(*cells)

    def image(self, index: int) -> ImageArray:
        """Image of one frame: RGB, (H, W, 3), uint8."""
        files = self.files(index)
        image = self._images(files)[1]
        top, left, height, width = self._window(files, image)
        return image[top : top + height, left : left + width]

    def frame(self, index: int) -> Frame:
        """Read one frame, with its ground truth and pose if the list names files of them."""
        files = self.files(index)
        image = self._images(files)[1]
        return with_pose_and_prior(crop_frame(self._frame(files, image), *self._window(files, image)), self, index)

    def has_pose(self, index: int) -> bool:
        """Whether the list names a file of where the camera was."""
        return bool(self.files(index).pose)

    def pose(self, index: int) -> Float64Array:
        """Read where the camera was: ``T_world_camera``, (4, 4), metres, as :func:`kbnet.frames.sequence.read_pose`."""
        return self._poses.pose(index)

    def triplet(self, index: int, gap: int) -> Triplet:
        """Read a frame with the neighbours that the list names, whatever ``gap`` is.

        The motion between them is filled in where the list names all three poses.

        Raises:
            FileNotFoundError, KBNetError: a file is missing, unreadable, or does not fit the others, or
                the list names no neighbours.
        """
        files = self.files(index)
        if not _has_neighbours(files):
            raise KBNetError(f"frame '{files.name}' of {self.folder} has no neighbours; use one of triplet_indices")
        previous, image, next_ = self._images(files, neighbours=True)
        poses = {}
        if _has_poses(files):
            previous_pose, next_pose = (read_pose(self._path(path)) for path in (files.previous_pose, files.next_pose))
            poses = relative_poses(previous_pose, self.pose(index), next_pose)
        return crop_triplet(Triplet(self._frame(files, image), previous, next_, **poses), *self._window(files, image))

    def triplet_indices(self, gap: int) -> tuple[int, ...]:
        """Indices of the frames with both neighbours, whatever ``gap`` is.

        Raises:
            KBNetError: there are none.
        """
        if not self._triplets:
            raise KBNetError(
                f"expected frames with previous and next image in {self.folder}, got none; "
                "this list is for evaluation, train on another"
            )
        return self._triplets

    def _read_pose(self, index: int) -> Float64Array:
        files = self.files(index)
        if not files.pose:
            raise FileNotFoundError(f"expected a pose of frame '{files.name}' in {self.folder}, got none; add it")
        return read_pose(self._path(files.pose))

    def _path(self, text: str) -> Path:
        return self.folder.parent / text

    def _images(self, files: FrameFiles, *, neighbours: bool = False) -> tuple[ImageArray, ImageArray, ImageArray]:
        """Images at t-1, t, t+1; without ``neighbours``, those are images at t too."""
        image = read_image(self._path(files.image))
        if files.side_by_side == "1":
            if image.shape[1] % 3:
                raise KBNetError(
                    f"expected three images side by side, so a width divisible by 3, got {image.shape[1]} in "
                    f"{self._path(files.image)}; correct the column side_by_side of {self.folder}"
                )
            previous, image, next_ = np.split(image, 3, axis=1)
            return previous, image, next_
        if not neighbours:
            return image, image, image
        return read_image(self._path(files.previous)), image, read_image(self._path(files.next))

    def _frame(self, files: FrameFiles, image: ImageArray) -> Frame:
        K = read_intrinsics(self._path(files.intrinsics))
        truth = self._path(files.ground_truth) if files.ground_truth else None
        warn_of_far_centre(K, (image.shape[0], image.shape[1]), of=files.intrinsics)
        return with_depth(image, self._path(files.sparse_depth), K, truth, files.name, of=f" of {self.folder}")

    def _window(self, files: FrameFiles, image: ImageArray) -> tuple[int, int, int, int]:
        """Top, left, height and width of what is to be read of an image, pixels."""
        size = image.shape[:2]
        top, left, height, width = window_numbers(files.window) if files.window else (0, 0, *size)
        if top + height > size[0] or left + width > size[1]:
            raise KBNetError(
                f"expected a window (top left height width) inside {size[1]}x{size[0]} pixels (width x height), got "
                f"'{files.window}' (frame '{files.name}' of {self.folder}); correct the list"
            )
        return top, left, height, width


class _MissingFiles:
    """Counts the files of a list that are not there, and remembers the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._present = PresentFiles(path.parent)
        self._first = ""
        self._missing = 0

    def look(self, line: int, files: FrameFiles) -> None:
        for column in PATHS:
            text = getattr(files, column)
            if text and text not in self._present:
                self._missing += 1
                self._first = self._first or f"{self._path.parent / text} ({column}, line {line})"

    def check(self) -> None:
        if self._missing:
            raise FileNotFoundError(
                f"expected all files that {self._path} names, but {self._missing} are missing, first {self._first}; "
                "prepare the data set again, or correct the list"
            )


def _has_neighbours(files: FrameFiles) -> bool:
    return files.side_by_side == "1" or bool(files.previous and files.next)


def _has_poses(files: FrameFiles) -> bool:
    return bool(files.pose and files.previous_pose and files.next_pose)
