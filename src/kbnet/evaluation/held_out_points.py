"""How far to trust completed depth where there is no ground truth: its error at sparse points that it did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from kbnet.errors import KBNetError
from kbnet.evaluation.methods import Method
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.points.hold_out import SHARE, HoldOut, hold_out_points

FAR_OFF = 0.1
"""Relative error from which a point counts as far off."""

BAND_EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, np.inf)
"""Bands of distance, metres."""

BAND_POINTS = 20
"""Held-out points from which a band has figures of its own."""

Expect = Callable[[Frame, FloatArray], tuple[FloatArray, NDArray[np.bool_]]]
"""From a frame with held-out points and its depth to the error to expect, metres, and which points to believe, (H, W);
see `kbnet.confidence`."""


@dataclass(frozen=True)
class PointErrors:
    """Errors of one method at held-out points.

    Attributes:
        points: how many.
        mae_mm, rmse_mm: millimetres. False ranges among the points count in full.
        median_percent: median error relative to the measured depth, which false ranges hardly move.
        off_percent: share of the points where the depth is more than ``FAR_OFF`` of the measured one off.
        mean_percent: mean error relative to the measured depth; false ranges count.
    """

    points: int
    mae_mm: float
    rmse_mm: float
    median_percent: float
    off_percent: float
    mean_percent: float

    @classmethod
    def of(cls, depth: FloatArray, measured: FloatArray) -> PointErrors:
        """Compare depth with what was measured at the same points, both (N,), metres, N > 0."""
        error = np.abs(depth.astype(np.float64) - measured)
        return cls(
            points=measured.size,
            mae_mm=1000 * float(error.mean()),
            rmse_mm=1000 * float(np.sqrt(np.square(error).mean())),
            median_percent=100 * float(np.median(error / measured)),
            off_percent=100 * float((error > FAR_OFF * measured).mean()),
            mean_percent=100 * float((error / measured).mean()),
        )

    @classmethod
    def mean(cls, frames: Sequence[PointErrors]) -> PointErrors:
        """The mean of the errors of several frames, every frame counting the same, and how many points they have."""
        _, *errors = np.array([astuple(frame) for frame in frames], np.float64).mean(axis=0).tolist()
        return cls(sum(frame.points for frame in frames), *errors)


@dataclass(frozen=True)
class CheckedFrame:
    """What every method says at the held-out points of one frame.

    Attributes:
        name, index: of the frame in its source.
        seen: how many points the methods had.
        measured: depth of the held-out points, (N,), metres.
        depths: what each method completes there, (N,), metres.
        errors: of each method.
        scale_mm: mean error of the first method at those held-out points that are believed; its mean expected error
            there, and at all pixels.
        distance_px: how far the nearest point is that the methods had, in the image, from the held-out points and from
            all pixels, medians.
    """

    name: str
    index: int
    seen: int
    measured: FloatArray
    depths: Mapping[str, FloatArray]
    errors: Mapping[str, PointErrors]
    scale_mm: tuple[float, float, float]
    distance_px: tuple[float, float]


@dataclass(frozen=True)
class Band:
    """Errors at the held-out points from ``low`` to ``high`` metres away, by method."""

    low: float
    high: float
    errors: Mapping[str, PointErrors]


@dataclass(frozen=True)
class Check:
    """What :func:`check` found.

    Attributes:
        frames: those that were checked, in order.
        unchecked: how many had too few points for that.
    """

    frames: tuple[CheckedFrame, ...]
    unchecked: int

    def overall(self) -> dict[str, PointErrors]:
        """Errors over the held-out points of all frames, by method; every point counts the same."""
        measured, depths = self._all()
        return {method: PointErrors.of(depth, measured) for method, depth in depths.items()}

    def bands(self) -> list[Band]:
        """The same by distance; bands with fewer than ``BAND_POINTS`` points are left out."""
        measured, depths = self._all()
        bands = []
        for low, high in pairwise(BAND_EDGES):
            within = (measured > low) & (measured <= high)
            if np.count_nonzero(within) >= BAND_POINTS:
                errors = {method: PointErrors.of(depth[within], measured[within]) for method, depth in depths.items()}
                bands.append(Band(low, high, errors))
        return bands

    def worst(self, method: str, count: int) -> list[CheckedFrame]:
        """The frames with most points far off, worst first: by share, so that one false range does not decide."""

        def badness(frame: CheckedFrame) -> tuple[float, float]:
            return frame.errors[method].off_percent, frame.errors[method].median_percent

        return sorted(self.frames, key=badness, reverse=True)[:count]

    def all_pixels_mm(self) -> float:
        """Estimate of the first method's MAE over all pixels, millimetres; mean over frames.

        Points lie where the image has texture and other points are near, so their error is less than that of other
        pixels. The expected error knows by how much, and the held-out points how good it is in scale, but for false
        ranges, of which there are none among the pixels.
        """
        found, at_points, at_pixels = np.array([frame.scale_mm for frame in self.frames]).mean(axis=0)
        return float(at_pixels * found / at_points)

    def distance_px(self) -> tuple[float, float]:
        """How far from the nearest point held-out points and all pixels are, in the image; means over frames.

        Where held-out points are nearer than pixels, pixels are worse; where they are farther, pixels are better.
        """
        at_points, at_pixels = np.array([frame.distance_px for frame in self.frames]).mean(axis=0).tolist()
        return at_points, at_pixels

    def _all(self) -> tuple[FloatArray, dict[str, FloatArray]]:
        measured = np.concatenate([frame.measured for frame in self.frames])
        methods = self.frames[0].depths
        return measured, {method: np.concatenate([frame.depths[method] for frame in self.frames]) for method in methods}


def check(
    source: FrameSource,
    methods: Iterable[Method],
    expect: Expect,
    *,
    share: float = SHARE,
    by: HoldOut = "points",
    every: int = 1,
    on_frame: Callable[[], None] = lambda: None,
) -> Check:
    """Hold out some points of every frame, complete it from the others, and compare at the held-out ones.

    Holds one frame at a time; of each it keeps four bytes a held-out point and method.

    Args:
        source: frames; ground truth is not looked at.
        methods: `kbnet.evaluation.methods.network_method`, `kbnet.evaluation.methods.baseline_methods`, or others.
        expect: what to expect of depth by the first method.
        share: fraction of a frame's points that is held out.
        every: check every Nth frame; 1 checks all.
        on_frame: called after each frame that was read.

    Raises:
        KBNetError: no frame has points enough, a number is out of range, or a file is not as it should be.
        FileNotFoundError: a file is missing.
    """
    if every < 1:
        raise KBNetError(f"expected a stride of at least 1 frame, got {every}; 1 checks every frame")
    methods, indices = list(methods), range(0, len(source), every)
    frames = []
    for index in indices:
        frame = hold_out_points(source.frame(index), index, share=share, by=by)
        if frame is not None:
            frames.append(_checked(frame, index, methods, expect))
        on_frame()
    if not frames:
        raise KBNetError(
            f"expected frames with at least a few sparse points, got none among {len(indices)} of {source.folder}; "
            "choose another --sparse-depth, or a larger share to hold out"
        )
    return Check(tuple(frames), len(indices) - len(frames))


def _checked(frame: Frame, index: int, methods: list[Method], expect: Expect) -> CheckedFrame:
    assert frame.ground_truth is not None
    points = frame.ground_truth > 0
    measured = frame.ground_truth[points]
    completed = {method.name: method.predict(frame) for method in methods}
    first = completed[methods[0].name]
    expected, believed = expect(frame, first)
    judged = points & believed if (points & believed).any() else points
    error = np.abs(first[judged] - frame.ground_truth[judged])
    depths = {name: depth[points] for name, depth in completed.items()}
    distance = distance_transform_edt(frame.sparse_depth == 0)
    return CheckedFrame(
        frame.name,
        index,
        int(np.count_nonzero(frame.sparse_depth)),
        measured,
        depths,
        {name: PointErrors.of(depth, measured) for name, depth in depths.items()},
        (1000 * float(error.mean()), 1000 * float(expected[judged].mean()), 1000 * float(expected.mean())),
        (float(np.median(distance[points])), float(np.median(distance))),
    )
