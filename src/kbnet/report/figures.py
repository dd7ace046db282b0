"""Figures of the charts of a page: errors by frame, over all frames, by distance, and by confidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kbnet.evaluation.methods import NETWORK
from kbnet.evaluation.metrics import RunningStatistics, depth_errors
from kbnet.evaluation.point_errors import (
    BandMeans,
    JudgedPixels,
    JudgedPoints,
    Judging,
    PointErrors,
    judge_pixels,
    verdict,
)
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.confidence import complete_with_confidence
from kbnet.points.hold_out import hold_out_points

SHARES = np.linspace(0.1, 1.0, 10)
"""Shares of the pixels, most confident first, of the confidence chart."""
LARGE = 95
"""Percentile of the errors at the end of the colour scale."""
LEAST_SCALE = 0.01
"""Least end of the colour scale of errors, metres."""


@dataclass(frozen=True)
class Measure:
    """Kind of error with its name in tables and axes."""

    label: str
    unit: str
    digits: int


TRUTH_MEASURES = (
    Measure("MAE", "mm", 1),
    Measure("RMSE", "mm", 1),
    Measure("iMAE", "1/km", 2),
    Measure("iRMSE", "1/km", 2),
)
POINT_MEASURES = (
    Measure("MAE", "mm", 1),
    Measure("RMSE", "mm", 1),
    Measure("median", "%", 2),
    Measure("> 10 % off", "% of points", 1),
)


class Figures:
    """Accumulation of the figures of frames; it stores a few numbers of each, and the held-out points.

    Args:
        held_out: whether the reference is held-out points instead of ground truth.
    """

    def __init__(self, *, held_out: bool) -> None:
        self.held_out = held_out
        self.frames: list[dict[str, Any]] = []
        self._depth_ends: list[tuple[float, float]] = []
        self._large_errors: list[float] = []
        self._held_out_points: list[JudgedPoints] = []
        self._errors: dict[str, RunningStatistics] = defaultdict(RunningStatistics)
        self._errors_of_frames: dict[str, list[PointErrors]] = defaultdict(list)
        self._bands = BandMeans()
        self._kept = RunningStatistics()

    def add(self, shown: ShownFrame) -> None:
        errors: dict[str, list[float]] = {}
        error = shown.expected_error
        if shown.judged is not None:
            error = np.abs(shown.judged.depths[NETWORK] - shown.judged.true)
            errors = self._errors_of(shown.judged, error)
        self._depth_ends.append((float(np.percentile(shown.depth, 1)), float(np.percentile(shown.depth, 99))))
        self._large_errors.append(float(np.percentile(error, LARGE)))
        self.frames.append({"name": shown.frame.name, "index": shown.index, "errors": errors})

    def content(self) -> dict[str, Any]:
        """Figures as plain values; charts without a figure are empty."""
        ends = np.array(self._depth_ends)
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        return {
            "measures": [asdict(measure) for measure in (POINT_MEASURES if self.held_out else TRUTH_MEASURES)],
            "frames": self.frames,
            "overall": self.overall(),
            "verdict": self.verdict(),
            "bands": [
                {"from_m": near, "to_m": far if np.isfinite(far) else None, "mae_mm": mae_mm}
                for near, far, mae_mm in self._bands.mae_mm()
            ],
            "kept": {"shares": SHARES.tolist(), "mae_mm": self._kept.mean.tolist() if self._kept.count else []},
            "scales": {
                "depth": [low, max(high, low + 0.05)],
                "error": [0.0, max(LEAST_SCALE, float(np.mean(self._large_errors)))],
            },
        }

    def overall(self) -> dict[str, list[float]]:
        """Every measure by method: mean over frames, or over all held-out points."""
        if not self.held_out:
            return {method: statistics.mean.tolist() for method, statistics in self._errors.items()}
        points = JudgedPoints.joined(self._held_out_points)
        return {method: _measures(errors) for method, errors in points.errors().items()}

    def verdict(self) -> str:
        """Sentence of `kbnet.evaluation.point_errors.verdict`; with ground truth of the means over frames."""
        if self.held_out:
            points = JudgedPoints.joined(self._held_out_points)
            return verdict(points.errors(), "point that it did not see")
        errors = {method: PointErrors.mean(frames) for method, frames in self._errors_of_frames.items()}
        return verdict(errors, "pixel with ground truth")

    def _errors_of(self, judged: JudgedPixels, error: FloatArray) -> dict[str, list[float]]:
        """Errors of the frame by method; ``error`` is the network's error at each pixel, metres."""
        order = np.argsort(judged.expected_error, kind="stable")
        means = np.cumsum(error[order], dtype=np.float64) / np.arange(1, error.size + 1)
        counts = np.maximum(1, np.rint(SHARES * error.size)).astype(int)
        self._kept.add(1000 * means[counts - 1])
        self._bands.add(judged)
        at_points = judged.errors()
        if self.held_out:
            self._held_out_points.append(JudgedPoints(judged.true, judged.depths))
            return {method: _measures(errors) for method, errors in at_points.items()}
        found = {}
        for method, depth in judged.depths.items():
            of_frame = depth_errors(depth, judged.true, min_depth=0, max_depth=np.inf).as_array()[:4]
            self._errors[method].add(of_frame)
            self._errors_of_frames[method].append(at_points[method])
            found[method] = of_frame.tolist()
        return found


def _measures(errors: PointErrors) -> list[float]:
    """Values in the order of ``POINT_MEASURES``."""
    return [errors.mae_mm, errors.rmse_mm, errors.median_percent, errors.off_percent]


@dataclass(frozen=True)
class ShownFrame:
    """Frame with depth completed from all points, and its comparison with the reference.

    Attributes:
        depth, expected_error: (H, W), metres.
        judged: depth at the pixels with a reference; None without any.
    """

    index: int
    frame: Frame
    depth: FloatArray
    expected_error: FloatArray
    judged: JudgedPixels | None


def shown_frames(
    source: FrameSource, indices: Iterable[int], completer: DepthCompleter, judging: Judging
) -> Iterator[ShownFrame]:
    """Complete and compare the frames of a source, one at a time; arguments and errors as in `show_frame`."""
    for index in indices:
        yield show_frame(source.frame(index), index, completer, judging)


def show_frame(frame: Frame, index: int, completer: DepthCompleter, judging: Judging) -> ShownFrame:
    """Complete one frame and compare it with the reference."""
    depth, expected_error = complete_with_confidence(completer, frame)
    if judging.limits is not None:
        judged = judge_pixels(frame, depth, expected_error, judging.limits)
        return ShownFrame(index, frame, depth, expected_error, judged)
    # Held-out points are the reference of depth completed from the other points.
    parted = hold_out_points(frame, index, share=judging.share, by=judging.by)
    if parted is None:
        return ShownFrame(index, frame, depth, expected_error, None)
    from_others = complete_with_confidence(completer, parted)
    return ShownFrame(index, frame, depth, expected_error, judge_pixels(parted, *from_others, (0.0, np.inf)))
