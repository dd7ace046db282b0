"""Writing the native layout: a sequence folder appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.files import atomic_folder, reading, resolved
from kbnet.frame import Float64Array, FloatArray, Frame, check_pose
from kbnet.frames.depth_png import write_depth_png


class PosedFrame(NamedTuple):
    """A frame to write.

    Attributes:
        frame: with the ground truth it has.
        T_world_camera: camera pose, (4, 4), metres; None = not known.
        sparse_depths: further sparse depth, (H, W), metres; 0 = unmeasured; by the name of its folder.
    """

    frame: Frame
    T_world_camera: Float64Array | None = None
    sparse_depths: Mapping[str, FloatArray] | None = None


@dataclass(frozen=True)
class WrittenFrames:
    """What was written.

    Attributes:
        size: (H, W) of the images, pixels.
        points: sparse points of a frame, the median.
        mean_points: the same, the mean.
    """

    frames: int
    posed: int
    size: tuple[int, int]
    points: int
    mean_points: float


def write_sequence(
    folder: str | Path,
    frames: Iterable[PosedFrame],
    *,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    texts: Callable[[], Mapping[str, str]] = dict,
    on_frame: Callable[[], None] = lambda: None,
) -> WrittenFrames:
    """Write frames to a sequence folder; it appears whole or not at all.

    Args:
        frames: of one camera; read one by one. The first decides K.
        overwrite: replace a sequence folder that is there, with everything in it.
        inputs: files and folders that the frames are made of, which are not to be lost.
        texts: contents of text files beside the frames by name; called after the last frame.

    Raises:
        KBNetError: there is no frame, frames differ in K, or ``folder`` holds something.
    """
    inputs = tuple(inputs)
    _check_free(resolved(Path(folder)), overwrite, inputs)
    coming = _read(frames, inputs)
    first = next(coming, None)
    if first is None:
        raise KBNetError(f"expected at least one frame to write to {folder}, got none")
    points: list[int] = []
    posed = 0
    with new_sequence(folder, first.frame.intrinsics, overwrite=overwrite, inputs=inputs) as sequence:
        for frame, T_world_camera, sparse_depths in chain([first], coming):
            sequence.add(frame, T_world_camera, sparse_depths=sparse_depths)
            points.append(int(np.count_nonzero(frame.sparse_depth)))
            posed += T_world_camera is not None
            on_frame()
        for name, text in texts().items():
            sequence.write_text(name, text)
    return WrittenFrames(len(points), posed, first.frame.size, int(np.median(points)), float(np.mean(points)))


def _read(frames: Iterable[PosedFrame], inputs: tuple[Path, ...]) -> Iterator[PosedFrame]:
    """The frames; an error of reading that names no file gets the name of the input, not of the folder to write."""
    with reading(inputs[0]) if inputs else nullcontext():
        yield from frames


class SequenceWriter:
    """Adds frames to a sequence folder; made by :func:`new_sequence`."""

    def __init__(self, folder: Path, intrinsics: FloatArray) -> None:
        self._folder = folder
        self._intrinsics = intrinsics
        (folder / "image").mkdir(parents=True)
        np.savetxt(folder / "K.txt", intrinsics, fmt="%.6f")

    def add(
        self,
        frame: Frame,
        T_world_camera: Float64Array | None = None,
        *,
        sparse_depths: Mapping[str, FloatArray] | None = None,
    ) -> None:
        """Write one frame under its name: image, sparse depth, and the ground truth and pose it has.

        Args:
            frame: what to write; depth is rounded to 1/256 m.
            T_world_camera: camera to world, (4, 4), metres; stored as 3x4.
            sparse_depths: further sparse depth of the frame, (H, W), metres, by the name of its folder.

        Raises:
            KBNetError: the pose is not rigid, a depth is more than 255.996 m, or K is not that of the sequence.
        """
        if not np.allclose(frame.intrinsics, self._intrinsics, rtol=1e-4, atol=1e-2):
            raise KBNetError(
                f"expected one K for the whole sequence, but fx, fy, cx, cy are {_pinhole_text(frame.intrinsics)} "
                f"in frame '{frame.name}' and {_pinhole_text(self._intrinsics)} before; "
                "make one sequence of each camera and zoom"
            )
        Image.fromarray(frame.image).save(self._folder / "image" / f"{frame.name}.png")
        for name, points in {"sparse_depth": frame.sparse_depth, **(sparse_depths or {})}.items():
            write_depth_png(self._folder / name / f"{frame.name}.png", points)
        if frame.ground_truth is not None:
            write_depth_png(self._folder / "ground_truth" / f"{frame.name}.png", frame.ground_truth)
        if T_world_camera is not None:
            check_pose(T_world_camera, "T_world_camera", where=f" (frame '{frame.name}')")
            path = self._folder / "absolute_pose" / f"{frame.name}.txt"
            path.parent.mkdir(exist_ok=True)
            np.savetxt(path, T_world_camera[:3], fmt="%.9f")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file beside the frames, such as credits."""
        (self._folder / name).write_text(text, encoding="utf-8")


def _pinhole_text(intrinsics: FloatArray) -> str:
    return ", ".join(f"{intrinsics[index]:.2f}" for index in ((0, 0), (1, 1), (0, 2), (1, 2)))


@contextmanager
def new_sequence(
    folder: str | Path, intrinsics: FloatArray, *, overwrite: bool = False, inputs: Iterable[Path] = ()
) -> Iterator[SequenceWriter]:
    """Collect frames in a hidden folder beside ``folder``; rename it when the block ends without an error.

    On any error, Ctrl-C too, the hidden folder goes, and what stood at ``folder`` stays as it was.

    Args:
        intrinsics: K of all its frames, (3, 3), pixels.
        overwrite: replace a sequence folder that is there, with everything in it.
        inputs: files and folders that the frames are made of, which are not to be lost.

    Yields:
        What takes the frames.

    Raises:
        KBNetError: ``folder`` is a file, or holds something and ``overwrite`` is not given, or holds something
            that is no sequence, or an input.
    """
    folder, inputs = resolved(Path(folder)), tuple(inputs)
    _check_free(folder, overwrite, inputs)
    with atomic_folder(folder) as partial:
        yield SequenceWriter(partial, intrinsics)
        _check_free(folder, overwrite, inputs)


def _check_free(folder: Path, overwrite: bool, inputs: tuple[Path, ...]) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise KBNetError(f"expected a folder to write a sequence to, but {folder} is a file; choose another name")
    if not any(folder.iterdir()):
        return
    if not overwrite:
        raise KBNetError(
            f"expected a new or empty folder, but {folder} holds files; choose another, or replace it (--overwrite)"
        )
    if not ((folder / "K.txt").is_file() and (folder / "image").is_dir()):
        raise KBNetError(
            f"expected a sequence (K.txt and image/) to replace, but {folder} holds something else; choose another"
        )
    for path in inputs:
        if resolved(path).is_relative_to(folder):
            raise KBNetError(
                f"{path} lies in {folder}, which --overwrite would remove with everything in it; choose another"
            )
