"""What the charts of a page show: errors frame by frame, over all, by distance, and by confidence."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.evaluation.held_out_points import BAND_EDGES, BAND_POINTS, PointErrors
from kbnet.evaluation.metrics import RunningStatistics, depth_errors
from kbnet.frame import FloatArray
from kbnet.report.survey import NETWORK, Comparison, ShownFrame

YARDSTICK = "linear"
SHARES = np.linspace(0.1, 1.0, 10)
"""Shares of the pixels, most confident first, whose error is drawn."""
LARGE = 95
"""Percentile of the errors that the colours reach to."""
LEAST_SCALE = 0.01
"""Colours of errors reach at least this far, metres."""


@dataclass(frozen=True)
class Measure:
    """A kind of error, as tables and axes call it."""

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
    """Adds up frames: holds a few numbers of each, and those points that were held out.

    Args:
        held_out: whether frames are judged by held-out points instead of ground truth.
    """

    def __init__(self, *, held_out: bool) -> None:
        self.held_out = held_out
        self.frames: list[dict[str, Any]] = []
        self._depth_ends: list[tuple[float, float]] = []
        self._large_errors: list[float] = []
        self._true: list[FloatArray] = []
        self._depths: dict[str, list[FloatArray]] = defaultdict(list)
        self._errors: dict[str, RunningStatistics] = defaultdict(RunningStatistics)
        self._band_sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros((2, len(BAND_EDGES) + 1)))
        self._kept = RunningStatistics()

    def add(self, shown: ShownFrame) -> None:
        """Take in one frame."""
        errors: dict[str, list[float]] = {}
        error = shown.expected_error
        if shown.comparison is not None:
            error = np.abs(shown.comparison.depths[NETWORK] - shown.comparison.true)
            errors = self._compare(shown.comparison, error)
        self._depth_ends.append((float(np.percentile(shown.depth, 1)), float(np.percentile(shown.depth, 99))))
        self._large_errors.append(float(np.percentile(error, LARGE)))
        self.frames.append({"name": shown.frame.name, "index": shown.index, "errors": errors})

    def content(self) -> dict[str, Any]:
        """All of it as plain values; charts without a figure are empty."""
        ends = np.array(self._depth_ends)
        low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
        return {
            "measures": [asdict(measure) for measure in (POINT_MEASURES if self.held_out else TRUTH_MEASURES)],
            "frames": self.frames,
            "overall": self.overall(),
            "verdict": self.verdict(),
            "bands": self._bands(),
            "kept": {"shares": SHARES.tolist(), "mae_mm": self._kept.mean.tolist() if self._kept.count else []},
            "scales": {
                "depth": [low, max(high, low + 0.05)],
                "error": [0.0, max(LEAST_SCALE, float(np.mean(self._large_errors)))],
            },
        }

    def overall(self) -> dict[str, list[float]]:
        """Each measure by method: means over frames, or over all points that were held out."""
        if not self.held_out:
            return {method: statistics.mean.tolist() for method, statistics in self._errors.items()}
        true = np.concatenate(self._true) if self._true else np.zeros(0, np.float32)
        return {method: _point_errors(np.concatenate(depths), true) for method, depths in self._depths.items()}

    def verdict(self) -> str:
        """One sentence: how far off, and whether the network is worth its time here; empty if nothing was judged."""
        overall = self.overall()
        if NETWORK not in overall:
            return ""
        network, linear = overall[NETWORK], overall.get(YARDSTICK)
        sentence = f"Depth is {network[0]:.0f} mm off on average"
        if self.held_out:
            sentence += f" (at the median {network[2]:.1f} %) at {sum(map(len, self._true))} points that it did not see"
        if linear is None:
            return f"{sentence}."
        better = "" if network[0] < linear[0] else ": these weights do not help here"
        return f"{sentence}, linear interpolation {linear[0]:.0f} mm{better}."

    def _compare(self, compared: Comparison, error: FloatArray) -> dict[str, list[float]]:
        """Errors of the frame by method; ``error`` is that of the network at each pixel, metres."""
        order = np.argsort(compared.expected_error, kind="stable")
        means = np.cumsum(error[order], dtype=np.float64) / np.arange(1, error.size + 1)
        counts = np.maximum(1, np.rint(SHARES * error.size)).astype(int)
        self._kept.add(1000 * means[counts - 1])
        if self.held_out:
            self._true.append(compared.true)
        band = np.digitize(compared.true, BAND_EDGES, right=True)
        errors = {}
        for method, depth in compared.depths.items():
            off = np.abs(depth - compared.true)
            self._band_sums[method] += [
                np.bincount(band, weights, minlength=len(BAND_EDGES) + 1) for weights in (None, off)
            ]
            if self.held_out:
                self._depths[method].append(depth)
                errors[method] = _point_errors(depth, compared.true)
            else:
                found = depth_errors(depth, compared.true, min_depth=0, max_depth=np.inf).as_array()
                self._errors[method].add(found)
                errors[method] = found.tolist()
        return errors

    def _bands(self) -> list[dict[str, Any]]:
        rows = []
        for band in range(1, len(BAND_EDGES)):
            counts = {method: sums[0, band] for method, sums in self._band_sums.items()}
            if counts and min(counts.values()) >= BAND_POINTS:
                high = BAND_EDGES[band]
                rows.append(
                    {
                        "from_m": BAND_EDGES[band - 1],
                        "to_m": high if np.isfinite(high) else None,
                        "mae_mm": {m: 1000 * float(sums[1, band] / counts[m]) for m, sums in self._band_sums.items()},
                    }
                )
        return rows


def _point_errors(depth: FloatArray, true: FloatArray) -> list[float]:
    """In the order of ``POINT_MEASURES``."""
    errors = PointErrors.of(depth, true)
    return [errors.mae_mm, errors.rmse_mm, errors.median_percent, errors.off_percent]
