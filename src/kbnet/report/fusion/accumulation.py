"""Accumulation: sparse points of neighbouring frames projected into one view, as training labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from kbnet.errors import KBNetError
from kbnet.files import atomic_folder
from kbnet.frame import FloatArray
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_files import FrameFiles, read_frame_list, with_kinds, write_frame_list
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.sequence import Sequence
from kbnet.points.outlier_rejection import supported_points
from kbnet.points.projection import drop_hidden_points, project_points
from kbnet.report.fusion.view import DepthView

REACH = 3
"""Number of neighbours on either side, a gap apart. More neighbours give more points, and more hidden points."""

HIDDEN_RADIUS_PX = 48
"""Search radius of the occlusion test, about the distance between sparse points, pixels."""


class Accumulator:
    """Accumulator of the sparse points of a frame and its neighbours.

    Outliers are rejected in their own frame (`kbnet.points.outlier_rejection.supported_points`). Hidden points of
    neighbours are dropped (`kbnet.points.projection.drop_hidden_points`). Points on moving objects are wrong. Points
    are cached, so frames in order are read at most twice.
    """

    def __init__(self, source: FrameSource, gap: int = 1, reach: int = REACH) -> None:
        """Store the source; nothing is read yet.

        Args:
            gap: frames from one neighbour to the next.
            reach: number of neighbours on either side.

        Raises:
            KBNetError: ``gap`` or ``reach`` is not positive.
        """
        if min(gap, reach) < 1:
            raise KBNetError(f"expected a gap and a reach of at least 1 frame, got {gap} and {reach}")
        self._source = source
        self._offsets = range(-gap * reach, gap * reach + 1, gap)
        self._world_points = lru_cache(maxsize=2 * gap * reach + 1)(lambda index: self._view(index).points()[0])

    def depth(self, index: int) -> FloatArray:
        """Accumulated depth of one frame, (H, W), float32 metres; 0 = unmeasured.

        A frame without a pose has only its own points, and is not used as a neighbour.
        """
        own = self._view(index)
        if not self._source.has_pose(index):
            return own.depth
        neighbours = [other for other in (index + offset for offset in self._offsets) if 0 <= other < len(self._source)]
        points = np.concatenate([self._world_points(other) for other in neighbours if self._source.has_pose(other)])
        seen = project_points(points, own.intrinsics, np.linalg.inv(own.T_world_camera), own.depth.shape)
        return np.where(own.depth > 0, own.depth, drop_hidden_points(seen, HIDDEN_RADIUS_PX))

    def _view(self, index: int) -> DepthView:
        frame = self._source.frame(index)
        pose = self._source.pose(index) if self._source.has_pose(index) else np.eye(4)
        tensors = (torch.from_numpy(array)[None] for array in (frame.sparse_depth[None], frame.intrinsics))
        supported = supported_points(*tensors)[0, 0].numpy() > 0
        return DepthView(frame.image, np.where(supported, frame.sparse_depth, np.float32(0)), frame.intrinsics, pose)


def write_accumulated(
    kinds: Mapping[str, Sequence],
    path: Path,
    *,
    gap: int,
    reach: int = REACH,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> float:
    """Write a list of a sequence's frames whose ``ground_truth`` is accumulated depth, in a folder beside the list.

    Images and sparse depth are not copied.

    Args:
        kinds: the sequence with each kind of sparse depth, by the name of the kind; the first is accumulated.
        gap: frames from one neighbour to the next, and to the neighbours in the list.
        reach: number of neighbours on either side.

    Returns:
        Mean number of points per frame.

    Raises:
        KBNetError: the list exists with its folder, one of them is of something else, or the sequence has no poses.
        FileNotFoundError: a file is missing.
    """
    first = next(iter(kinds.values()))
    depths = path.with_name(f"{path.stem}_depth")
    ours = _names_as_truth(path, depths)
    if not overwrite and path.exists() and (depths.exists() or not ours):  # else a killed run wrote it
        raise KBNetError(f"{path} is there already; choose another name, or replace it (--overwrite)")
    if depths.exists() and not ours:  # such as sparse_depth of a sequence, for sparse.csv
        raise KBNetError(f"{depths} is there already, of something else than {path}; choose another name")
    if not any(map(first.has_pose, range(len(first)))):
        raise KBNetError(
            f"expected poses (camera to world) in absolute_pose/ of {first.folder}, got none; points "
            "of other frames can only be projected with poses"
        )
    accumulator = Accumulator(first, gap, reach)
    lines: list[FrameFiles] = []
    points = 0
    with atomic_folder(depths) as partial:
        for index, name in enumerate(first.names):
            depth = accumulator.depth(index)
            write_depth_png(partial / f"{name}.png", depth)
            points += int(np.count_nonzero(depth))
            neighbours = gap if gap <= index < len(first) - gap else None
            files = with_kinds({kind: sequence.files(index, neighbours) for kind, sequence in kinds.items()})
            lines.append(replace(files, ground_truth=str(depths.absolute() / f"{name}.png")))
            on_frame()
        write_frame_list(path, lines)  # before the folder appears, which would refuse a second try
    return points / len(first)


def _names_as_truth(path: Path, folder: Path) -> bool:
    """Whether a list of frames has true depth in the folder."""
    with suppress(FileNotFoundError, KBNetError):
        return any(files.ground_truth.startswith(f"{folder.name}/") for _, files in read_frame_list(path))
    return False
