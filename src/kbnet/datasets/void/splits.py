"""VOID: 56 indoor sequences in three densities of sparse points; which files make the frames of its splits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frames.frame_files import PresentFiles
from kbnet.frames.frame_list import FrameFiles

Split = Literal["train", "test"]

PUBLISHED_SEQUENCES: dict[Split, int] = {"train": 48, "test": 8}
PUBLISHED_TEST_FRAMES = 800

SKIPPED = 30
"""Frames at each end of a training sequence that are not trained on."""
GAP = 10
"""Frames from a training frame to its neighbours."""


@dataclass(frozen=True)
class SplitFrames:
    """What one split of one density holds.

    Attributes:
        frames: the frames, by absolute paths.
        listed: how many the published list names, with those at the ends of the training sequences.
        sequences: how many sequences these are of.
    """

    frames: tuple[FrameFiles, ...]
    listed: int
    sequences: int


@dataclass(frozen=True)
class _Line:
    number: int
    sequence: str
    image: str
    """File name, ``<timestamp>.png``."""

    def file(self, kind: str, suffix: str = ".png") -> str:
        """Path of a file of this frame, from the folder ``void_<n>`` on."""
        # Timestamps have a dot in them.
        return f"data/{self.sequence}/{kind}/{self.image.rpartition('.')[0]}{suffix}"

    @property
    def image_file(self) -> str:
        return f"data/{self.sequence}/image/{self.image}"

    @property
    def intrinsics_file(self) -> str:
        return f"data/{self.sequence}/K.txt"


def index_split(root: Path, split: Split) -> SplitFrames:
    """Name the files of every frame of a split.

    The test split is the frames of ``test_image.txt``. The training split is those of ``train_image.txt`` without the
    first and last ``SKIPPED`` of each sequence; their neighbours are ``GAP`` away among the sequence's listed images.
    Ground truth and poses are named where there are files of them; without its ground truth a test frame is gone.

    Args:
        root: the folder ``void_<n>`` with ``data/`` and the lists.

    Raises:
        FileNotFoundError: the list, or a file that a frame of it cannot do without, is gone.
        KBNetError: the list holds no frames, or a line that names no image of a sequence, or one twice.
    """
    root = Path(os.path.abspath(root))
    path = root / f"{split}_image.txt"
    lines = _read_lines(path)
    present = PresentFiles(root)
    _check_files(path, lines, present, ("sparse_depth", "ground_truth") if split == "test" else ("sparse_depth",))
    sequences: dict[str, list[_Line]] = {}
    for line in lines:
        sequences.setdefault(line.sequence, []).append(line)
    if split == "test":
        frames = [_frame(root, present, line) for line in lines]
    else:
        frames = []
        for listed in sequences.values():
            listed.sort(key=lambda line: line.image)
            frames += [
                _frame(root, present, listed[index], (listed[index - GAP], listed[index + GAP]))
                for index in range(SKIPPED, len(listed) - SKIPPED)
            ]
    return SplitFrames(tuple(frames), len(lines), len(sequences))


def _frame(root: Path, present: PresentFiles, line: _Line, neighbours: tuple[_Line, ...] = ()) -> FrameFiles:
    def known(file: str) -> str:
        return str(root / file) if file in present else ""

    images = [str(root / neighbour.image_file) for neighbour in neighbours] or ["", ""]
    poses = [known(neighbour.file("absolute_pose", ".txt")) for neighbour in neighbours] or ["", ""]
    return FrameFiles(
        name=f"{line.sequence}/{line.image.rpartition('.')[0]}",
        image=str(root / line.image_file),
        intrinsics=str(root / line.intrinsics_file),
        sparse_depth=str(root / line.file("sparse_depth")),
        ground_truth=known(line.file("ground_truth")),
        previous=images[0],
        next=images[1],
        pose=known(line.file("absolute_pose", ".txt")),
        previous_pose=poses[0],
        next_pose=poses[1],
    )


def _read_lines(path: Path) -> list[_Line]:
    """Read a published list of images."""
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the published list {path}, but there is no such file; take it from the archive of this density"
        )
    lines: dict[str, _Line] = {}
    for number, text in enumerate(read_text(path, errors="replace").splitlines(), start=1):
        if not text.strip():
            continue
        parts = PurePosixPath(text.strip()).parts
        if len(parts) < 3 or parts[-2] != "image" or ".." in parts or not PurePosixPath(parts[-1]).suffix:
            raise KBNetError(
                f"expected void_<n>/data/<sequence>/image/<timestamp>.png, got '{text.strip()[:80]}' in line {number} "
                f"of {path}; take the list from the archive again"
            )
        line = _Line(number, parts[-3], parts[-1])
        if line.image_file in lines:
            raise KBNetError(
                f"expected every image once, got {text.strip()} in lines {lines[line.image_file].number} and {number} "
                f"of {path}; take the list from the archive again"
            )
        lines[line.image_file] = line
    if not lines:
        raise KBNetError(f"expected a list of images, got an empty file {path}; take it from the archive again")
    return list(lines.values())


def _check_files(path: Path, lines: list[_Line], present: PresentFiles, kinds: tuple[str, ...]) -> None:
    gone: list[tuple[int, str]] = []
    for line in lines:
        needed = (line.intrinsics_file, line.image_file, *(line.file(kind) for kind in kinds))
        missing = next((file for file in needed if file not in present), None)
        if missing:
            gone.append((line.number, missing))
    if gone:
        number, file = gone[0]
        raise FileNotFoundError(
            f"expected the files of all {len(lines)} frames in {path}, but {len(gone)} frames lack some, first "
            f"line {number}: there is no {path.parent / file}; copy it there, or move {path.parent} away and "
            "prepare it again from the archive"
        )
