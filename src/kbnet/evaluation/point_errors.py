"""Errors at points or pixels with known depth: overall, by distance, and as a verdict sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kbnet.evaluation.methods import LINEAR, NETWORK, baseline_methods
from kbnet.evaluation.metrics import judged_pixels
from kbnet.frame import Float64Array, FloatArray, Frame
from kbnet.points.hold_out import HELD_OUT_SHARE, HoldOut

FAR_OFF = 0.1
"""Relative error above which a point is far off."""
ROBUST_SCALE = 0.02
"""c of the robust mean: relative errors count in proportion below it, and by their logarithm above."""
BAND_EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, np.inf)
"""Edges of the distance bands, metres; a band includes its far edge."""
BAND_POINTS = 20
"""Least number of points of a band that is reported."""
_BANDS = tuple(pairwise(BAND_EDGES))


@dataclass(frozen=True)
class PointErrors:
    """Errors of one method at held-out points.

    Attributes:
        mae_mm, rmse_mm: millimetres, with outliers among the points.
        median_percent: median error relative to the measured depth; robust to outliers.
        off_percent: share of points with a relative error above ``FAR_OFF``.
        robust_percent: mean of the relative error e with little influence of outliers: c (exp(mean ln(1 + e / c)) - 1).
    """

    points: int
    mae_mm: float
    rmse_mm: float
    median_percent: float
    off_percent: float
    robust_percent: float

    @classmethod
    def of(cls, depth: FloatArray, measured: FloatArray) -> PointErrors:
        """Errors of depth against measured depth at the same points, both (N,), metres, N > 0."""
        error = np.abs(depth.astype(np.float64) - measured)
        return cls(
            points=measured.size,
            mae_mm=1000 * float(error.mean()),
            rmse_mm=1000 * float(np.sqrt(np.square(error).mean())),
            median_percent=100 * float(np.median(error / measured)),
            off_percent=100 * float((error > FAR_OFF * measured).mean()),
            robust_percent=100 * ROBUST_SCALE * float(np.expm1(np.log1p(error / measured / ROBUST_SCALE).mean())),
        )

    @classmethod
    def mean(cls, frames: Sequence[PointErrors]) -> PointErrors:
        """Mean of the errors of several frames with equal weight, and the total number of points."""
        _, *errors = np.array([astuple(frame) for frame in frames], np.float64).mean(axis=0).tolist()
        return cls(sum(frame.points for frame in frames), *errors)


@dataclass(frozen=True)
class Band:
    """Errors by method at points with a depth from ``low`` to ``high``, metres."""

    low: float
    high: float
    errors: Mapping[str, PointErrors]


@dataclass(frozen=True)
class JudgedPoints:
    """Depth of every method at points with known depth.

    Attributes:
        true: depth at held-out points, or ground truth, (N,), metres, above 0.
        depths: depth by method, (N,), metres.
    """

    true: FloatArray
    depths: Mapping[str, FloatArray]

    @classmethod
    def joined(cls, frames: Sequence[JudgedPoints]) -> JudgedPoints:
        """Join the points of several frames with the same methods."""
        if not frames:
            return JudgedPoints(np.zeros(0, np.float32), {})
        depths = {name: np.concatenate([frame.depths[name] for frame in frames]) for name in frames[0].depths}
        return JudgedPoints(np.concatenate([frame.true for frame in frames]), depths)

    def errors(self) -> dict[str, PointErrors]:
        """Errors by method; all points have equal weight. With a method, at least one point is required."""
        return {method: PointErrors.of(depth, self.true) for method, depth in self.depths.items()}

    def bands(self) -> list[Band]:
        """Errors by distance; bands with fewer than ``BAND_POINTS`` points are omitted."""
        band = _band_of(self.true)
        found = []
        for index, (low, high) in _filled(_counts(band)):
            within = band == index
            depths = {method: depth[within] for method, depth in self.depths.items()}
            found.append(Band(low, high, JudgedPoints(self.true[within], depths).errors()))
        return found


class BandMeans:
    """Mean error by distance over many frames; only sums are stored."""

    def __init__(self) -> None:
        self._sums: dict[str, Float64Array] = defaultdict(lambda: np.zeros((2, len(_BANDS))))

    def add(self, points: JudgedPoints) -> None:
        """Add the points or pixels of one frame."""
        band = _band_of(points.true)
        for method, depth in points.depths.items():
            self._sums[method] += [_counts(band), _counts(band, np.abs(depth - points.true))]

    def mae_mm(self) -> list[tuple[float, float, dict[str, float]]]:
        """Near end and far end of each band, metres, and MAE by method, millimetres.

        Bands where a method has fewer than ``BAND_POINTS`` points are omitted.
        """
        if not self._sums:
            return []
        least = np.min([counts for counts, _ in self._sums.values()], axis=0)
        return [
            (low, high, {m: 1000 * float(sums[band] / counts[band]) for m, (counts, sums) in self._sums.items()})
            for band, (low, high) in _filled(least)
        ]


def verdict(errors: Mapping[str, PointErrors], where: str) -> str:
    """Verdict sentence: error of the network, and its gain over interpolation.

    Args:
        where: name of what was evaluated, such as "pixel with ground truth".

    Returns:
        The sentence; empty without errors of the network.
    """
    if NETWORK not in errors:
        return ""
    network, linear = errors[NETWORK], errors.get(LINEAR.name)
    sentence = (
        f"depth is {network.median_percent:.1f} % off at the median {where}, "
        f"more than {100 * FAR_OFF:g} % off at {network.off_percent:.0f} % of them"
    )
    if linear is not None and network.mae_mm >= linear.mae_mm:
        sentence += "; linear interpolation is no worse there"
    return sentence


def _band_of(true: FloatArray) -> NDArray[np.intp]:
    return np.digitize(true, BAND_EDGES[1:], right=True)


def _counts(band: NDArray[np.intp], weights: FloatArray | None = None) -> Float64Array:
    return np.bincount(band, weights, minlength=len(_BANDS)).astype(np.float64)


def _filled(counts: Float64Array) -> Iterable[tuple[int, tuple[float, float]]]:
    """Index, near edge and far edge of the bands with enough points."""
    return [(index, ends) for index, ends in enumerate(_BANDS) if counts[index] >= BAND_POINTS]


@dataclass(frozen=True)
class Judging:
    """Reference of an evaluation: ground truth, or held-out points.

    Attributes:
        limits: evaluate pixels with min < ground truth < max, metres; None: hold out points.
        share: fraction of the pixels whose points are held out.
    """

    limits: tuple[float, float] | None
    share: float = HELD_OUT_SHARE
    by: HoldOut = "points"

    @property
    def held_out(self) -> bool:
        """Whether the reference is held-out points."""
        return self.limits is None

    def __str__(self) -> str:
        if self.limits is not None:
            return f"ground truth between {self.limits[0]:g} and {self.limits[1]:g} m"
        where = "held out one by one" if self.by == "points" else "held out by patches"
        return f"{self.share:.0%} of the points, {where}"


@dataclass(frozen=True)
class JudgedPixels(JudgedPoints):
    """Depth of every method at the N > 0 pixels of a frame with a reference; the network is first.

    Attributes:
        pixels: rows and columns, (2, N).
        expected_error: expected error of the network, (N,), metres.
    """

    pixels: NDArray[np.intp]
    expected_error: FloatArray


def judge_pixels(
    frame: Frame, depth: FloatArray, expected_error: FloatArray, limits: tuple[float, float]
) -> JudgedPixels | None:
    """Collect the depth of network and baselines where min < ground truth < max.

    Args:
        frame: frame with ground truth, which can be held-out points.
        depth, expected_error: result of the network, (H, W), metres.

    Returns:
        The pixels; None if no pixel has ground truth within the limits.
    """
    if frame.ground_truth is None:
        return None
    at = judged_pixels(frame.ground_truth, min_depth=limits[0], max_depth=limits[1])
    if not at.any():
        return None
    depths = {NETWORK: depth[at]}
    if frame.sparse_depth.any():
        depths |= {method.name: method.predict(frame)[at] for method in baseline_methods()}
    return JudgedPixels(frame.ground_truth[at], depths, np.array(np.nonzero(at)), expected_error[at])
