"""What training, evaluation and completion read: frames of a sequence folder, a list, or a recording in place."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Indices
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, Frame, ImageArray, Triplet, warn_of_near_depth
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.prior_files import PriorFolder


class NamedFrames(Protocol):
    """Frames that are counted once and read one by one: any source of frames, or a single frame."""

    @property
    def name(self) -> str:
        """What tables and archives call it."""

    @property
    def folder(self) -> Path:
        """The folder or file; what messages point to."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the frames; output files are called after them."""

    def __len__(self) -> int:
        """Number of frames."""

    def frame(self, index: int) -> Frame:
        """Read one frame, with the ground truth and the prior that it has, and its pose if that is known and rigid."""


class FrameSource(NamedFrames, Protocol):
    """A sequence folder, a list, or a recording in place.

    Attributes:
        priors: where the priors of its frames are; None: they have none.
    """

    priors: PriorFolder | None

    @property
    def points_from(self) -> str:
        """Where the sparse depth comes from: a folder of the sequence, a column of the list, a topic or file."""

    @property
    def has_ground_truth(self) -> bool:
        """Whether there is ground truth at all; a frame may still have none."""

    @property
    def has_poses(self) -> bool:
        """Whether the camera's motion to both neighbours is known for every triplet."""

    def __getitem__(self, index: int) -> Frame:
        """Read one frame, as :meth:`frame`."""

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order."""

    def image(self, index: int) -> ImageArray:
        """Image of one frame: RGB, (H, W, 3), uint8."""

    def has_pose(self, index: int) -> bool:
        """Whether it is known where the camera was at one frame."""

    def pose(self, index: int) -> Float64Array:
        """Where the camera was: ``T_world_camera``, (4, 4), metres."""

    def triplet(self, index: int, gap: int) -> Triplet:
        """Read a frame with its two neighbours; a list names them, and does not look at ``gap``."""

    def triplet_indices(self, gap: int) -> Indices[int]:
        """Indices of the frames that have both neighbours."""


def check_source(source: object) -> None:
    """Check that something is a source of frames, without reading any.

    Raises:
        KBNetError: it is not.
    """
    if not callable(getattr(type(source), "frame", None)):
        raise KBNetError(f"expected frames of kbnet.open_frames, got a {type(source).__name__}")


class IndexedFrames:
    """Frames of a source by index, and in order."""

    def __len__(self: FrameSource) -> int:
        return len(self.names)

    def __getitem__(self: FrameSource, index: int) -> Frame:
        return self.frame(index)

    def __iter__(self: FrameSource) -> Iterator[Frame]:
        return map(self.frame, range(len(self)))


class ConsecutiveFrames(IndexedFrames):
    """A source whose neighbours are the frames before and after."""

    def triplet(self: FrameSource, index: int, gap: int) -> Triplet:
        """Read a frame with the images ``gap`` frames before and after it.

        The motion between them is filled in where all three poses are known:
        ``T_previous_current = inverse(T_world_previous) @ T_world_current``.

        Raises:
            FileNotFoundError, KBNetError: a file is missing, unreadable, or does not fit the others, or a neighbour
                lies outside the source.
        """
        if index not in self.triplet_indices(gap):
            raise KBNetError(
                f"frame {index} of {self.name} has no neighbours {gap} frames away among {len(self)} frames; "
                f"use one of {self.triplet_indices(gap)}"
            )
        previous, next_ = index - gap, index + gap
        around = (previous, index, next_)
        poses = relative_poses(*map(self.pose, around)) if all(map(self.has_pose, around)) else {}
        return Triplet(self.frame(index), self.image(previous), self.image(next_), **poses)

    def triplet_indices(self: FrameSource, gap: int) -> range:
        """Indices of the frames that have a neighbour ``gap`` frames before and after.

        Raises:
            KBNetError: the gap is not positive, or there are too few frames for it.
        """
        if gap < 1:
            raise KBNetError(f"expected a gap of at least 1 frame, got {gap}; choose a larger one")
        if len(self) < 2 * gap + 1:
            raise KBNetError(
                f"expected at least {2 * gap + 1} frames for a gap of {gap}, got {len(self)} in {self.folder}; "
                "choose a smaller gap or a longer sequence"
            )
        return range(gap, len(self) - gap)


LARGEST_DEPTHS = (np.float32(MAXIMUM_DEPTH), np.float32(65.535))
"""65535 as metres x 256 and as millimetres, metres; sensors write it where they measure nothing."""
NEAREST_LIMIT_M = 5.0
"""Whole metres from here on, as the largest ground truth of many pixels, are probably where a program cut off."""
MANY = 0.02
"""Share of the measured pixels that have such a depth."""
GAP = 0.9
"""Times such a depth: if no other is beyond, that one is apart from the scene, as a wall with a floor is not."""
OTHER_DEPTH = 0.01
"""Relative change of the median of the rest, between two frames: where the camera moved, a wall is no longer there."""

TILES, FLAT, FEWEST_FLAT = 8, 1e-3, 4
"""Along the longer side of dense depth; deviation of a flat one, relative; and how many tell of distances."""
FEWEST_PIXELS, MOST_PIXELS, SMALLER, FIRST = 20, 1000, 0.05, 3
"""Of a tile; the least share of its pixels, as of depth of a quarter of the image's size; and frames looked at."""


class PoseMemory:
    """Poses of a source. Each is read and checked once.

    Args:
        read: reads ``T_world_camera`` of a frame, (4, 4), float64, metres; its errors are those of :meth:`pose`.
    """

    def __init__(self, count: int, read: Callable[[int], Float64Array]) -> None:
        self._count, self._read = count, read
        self._poses: Float64Array | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_poses": None}  # Ray would hand over an array that is read-only

    def pose(self, index: int) -> Float64Array:
        """``T_world_camera`` of a frame, (4, 4), float64, metres."""
        if self._poses is None:
            self._poses = np.full((self._count, 4, 4), np.nan)
        if np.isnan(self._poses[index, 3, 3]):
            self._poses[index] = self._read(index)
        pose: Float64Array = self._poses[index].copy()
        return pose


def relative_poses(previous: Float64Array, current: Float64Array, next_: Float64Array) -> dict[str, FloatArray]:
    """The motion to both neighbours from three poses ``T_world_camera``, as the arguments of `kbnet.frame.Triplet`.

    ``T_previous_current = inverse(T_world_previous) @ T_world_current``, and likewise ``T_next_current``: (4, 4),
    float32, metres.
    """
    sources = {"T_previous_current": previous, "T_next_current": next_}
    return {key: np.linalg.solve(pose, current).astype(np.float32) for key, pose in sources.items()}


def with_pose_and_prior(frame: Frame, source: FrameSource, index: int) -> Frame:
    """Add to a frame what its source knows of it besides, and warn of depth that can hardly be in metres.

    Most callers need no pose, so one that is not rigid is left out here, with one warning for the source.
    """
    warn_of_near_depth(frame.sparse_depth)
    _warn_of_largest_depth(frame, source)
    if index < FIRST:
        _warn_of_distances(frame, source)
    T_world_camera, prior = None, None
    if source.has_pose(index):
        try:
            T_world_camera = source.pose(index)
        except KBNetError as error:
            _warn_of_poses(source, error)
    if source.priors is not None:
        prior = source.priors.prior(frame.name)
    if T_world_camera is None and prior is None:
        return frame
    return replace(frame, T_world_camera=T_world_camera, prior=prior)


def _warn_of_largest_depth(frame: Frame, source: FrameSource) -> None:
    for what, depth in (("sparse depth", frame.sparse_depth), ("ground truth", frame.ground_truth)):
        largest = np.float32(0) if depth is None else depth.max()
        is_limit = depth is frame.ground_truth and largest >= NEAREST_LIMIT_M and largest % 1 == 0
        if depth is None or not (is_limit or largest in LARGEST_DEPTHS) or (is_limit and _is_plane(depth)):
            continue
        many = np.count_nonzero(depth == largest) > MANY * np.count_nonzero(depth)
        if many and (not is_limit or _is_cut_off(depth, source)):
            kind = "its largest value, as where depth is cut off" if is_limit else "which is 65535 in 16 bits"
            warnings.warn(
                f"{what} of {source.folder} is {largest:.3f} m at many pixels, {kind}; if that means no depth, write 0",
                stacklevel=4,
            )


_REST: WeakKeyDictionary[FrameSource, dict[float, float]] = WeakKeyDictionary()
"""Of the first frame with such a largest depth: the median of the rest, metres."""


def _is_cut_off(depth: FloatArray, source: FrameSource) -> bool:
    """Whether the largest depth is apart from the rest, or stays while the rest changes: a wall would not."""
    largest, rest = float(depth.max()), depth[(depth > 0) & (depth < depth.max())]
    median = float(np.median(rest))
    first = _REST.setdefault(source, {}).setdefault(largest, median)
    return abs(first / median - 1) > OTHER_DEPTH or float(rest.max()) < GAP * largest


def _is_plane(depth: FloatArray) -> bool:
    """Whether all depth is one, as of a wall that faces the camera."""
    return bool(depth[depth > 0].min() == depth.max())


def _warn_of_distances(frame: Frame, source: FrameSource) -> None:
    """Warn of dense depth of which walls are flat only as distances from the camera: some renderers write those."""
    depth = frame.sparse_depth if frame.ground_truth is None else frame.ground_truth
    back = np.linalg.inv(frame.intrinsics.astype(np.float64))
    side = max(depth.shape) // TILES
    flat = [0, 0]
    for corner in np.ndindex(*(length // side for length in depth.shape)):
        top, left = (side * at for at in corner)
        v, u = np.nonzero(depth[top : top + side, left : left + side])
        if v.size >= FEWEST_PIXELS and v.size > SMALLER * side**2:
            v, u = (place[:: 1 + v.size // MOST_PIXELS] for place in (v + top, u + left))
            rays, inverse = np.stack([u, v, np.ones(v.size)], axis=1) @ back.T, 1 / depth[v, u].astype(np.float64)
            bent = np.array([_bend(inverse, rays), _bend(inverse * np.linalg.norm(rays, axis=1), rays)])
            flat[bent.argmin()] += bool(bent.min() < min(FLAT, bent.max() / 2))
    if flat[0] == 0 and flat[1] >= FEWEST_FLAT:
        warnings.warn(
            f"depth of {source.folder} seems to be the distance from the camera, not along z: walls are flat only so; "
            "divide it by sqrt(1 + ((u - cx) / fx)^2 + ((v - cy) / fy)^2)",
            stacklevel=4,
        )


def _bend(inverse: Float64Array, rays: Float64Array) -> float:
    """How far inverse depth, (N,), is from that of a plane, relative."""
    plane = rays @ np.linalg.lstsq(rays, inverse, rcond=None)[0]
    return float(np.sqrt(np.mean((inverse - plane) ** 2)) / inverse.mean())


_WARNED: WeakSet[FrameSource] = WeakSet()
"""Sources whose wrong poses were warned of."""


def _warn_of_poses(source: FrameSource, error: KBNetError) -> None:
    if source in _WARNED:
        return
    _WARNED.add(source)
    wrong = sum(_is_wrong(source, index) for index in range(len(source)) if source.has_pose(index))
    warnings.warn(f"left out: the poses of {wrong} of {len(source)} frames of {source.folder}; {error}", stacklevel=4)


def _is_wrong(source: FrameSource, index: int) -> bool:
    try:
        source.pose(index)
    except KBNetError:
        return True
    return False
