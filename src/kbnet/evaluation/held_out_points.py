"""How far to trust completed depth where there is no ground truth: its error at sparse points that it did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from kbnet.errors import KBNetError
from kbnet.evaluation.methods import Method
from kbnet.evaluation.point_errors import Band, JudgedPoints, PointErrors
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.points.hold_out import SHARE, HoldOut, hold_out_points

Expect = Callable[[Frame, FloatArray], tuple[FloatArray, NDArray[np.bool_]]]
"""From a frame with held-out points and its depth to the error to expect, metres, and which points to believe, (H, W);
see `kbnet.inference.confidence`."""


@dataclass(frozen=True)
class CheckedFrame:
    """What every method says at the held-out points of one frame.

    Attributes:
        name, index: of the frame in its source.
        seen: how many points the methods had.
        points: the held-out ones: what was measured there, and what each method completes.
        errors: of each method there.
        scale_mm: mean error of the first method at those held-out points that are believed; its mean expected error
            there, and at all pixels.
        distance_px: how far the nearest point is that the methods had, in the image, from the held-out points and from
            all pixels, medians.
    """

    name: str
    index: int
    seen: int
    points: JudgedPoints
    errors: Mapping[str, PointErrors]
    scale_mm: tuple[float, float, float]
    distance_px: tuple[float, float]


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
        return self._all().errors()

    def bands(self) -> list[Band]:
        """The same by distance; bands with fewer than ``BAND_POINTS`` points are left out."""
        return self._all().bands()

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

    def _all(self) -> JudgedPoints:
        return JudgedPoints.joined([frame.points for frame in self.frames])


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
    completed = {method.name: method.predict(frame) for method in methods}
    first = completed[methods[0].name]
    expected, believed = expect(frame, first)
    judged = points & believed if (points & believed).any() else points
    error = np.abs(first[judged] - frame.ground_truth[judged])
    held_out = JudgedPoints(frame.ground_truth[points], {name: depth[points] for name, depth in completed.items()})
    distance = distance_transform_edt(frame.sparse_depth == 0)
    return CheckedFrame(
        frame.name,
        index,
        int(np.count_nonzero(frame.sparse_depth)),
        held_out,
        held_out.errors(),
        (1000 * float(error.mean()), 1000 * float(expected[judged].mean()), 1000 * float(expected.mean())),
        (float(np.median(distance[points])), float(np.median(distance))),
    )
