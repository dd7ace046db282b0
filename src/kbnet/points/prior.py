"""Scaffold from a dense prior: depth of another source, corrected by the sparse points.

The prior can come from a monocular network, stereo, a map, or the past of a video. It has details between the points
that interpolation lacks, but its scale can drift and parts of it can be wrong.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse

from kbnet.frame import BoolArray, Float64Array, FloatArray, IntArray, Prior, PriorKind
from kbnet.points.interpolation import linear
from kbnet.points.sparse_points import measured_pixels
from kbnet.points.triangulation import delaunay_triangles

LEAST_POINTS = 8
"""Fewer points with a known prior than this: the prior is ignored."""

FITTED_POINTS = 500
"""Largest number of points that scale and shift are fitted to; the fit takes all pairs of them."""

RANGE_FACTOR = 3.0
"""The fitted prior is limited to the depth of the points, divided and multiplied by this."""

SMOOTHING_STEPS = 3
"""How many times the errors of a point are averaged with those of its neighbours."""

LARGEST_CHANGE = 0.5
"""Upper limit of a difference of ln depth in these errors, so that one edge does not outweigh all other points."""

NOISE_VARIANCE = 1e-5
"""Added to both variances of ln depth; points that are noisier than 0.3 % decide."""


OUTPUT_POWER = 4
"""The output of a network is blended with the prior by the share to this power, so only where that explains nearly all.

Of powers 1 to 4 on validation frames, this one harmed single frames least; the means were nearly equal."""


class CorrectedPrior(NamedTuple):
    """Prior that agrees with the points, of :func:`corrected_prior`.

    Attributes:
        log_depth: ln of depth in metres, (H, W).
        share: share of the local variance of ln depth that the prior explains, (H, W), 0 to 1; 0 where it is unknown.
    """

    log_depth: Float64Array
    share: FloatArray

    def blended(self, depth: FloatArray, power: int = 1) -> FloatArray:
        """Depth, (H, W), float32 metres, blended in ln depth with the prior by the weight ``share`` to a power."""
        weight = self.share**power
        blended: FloatArray = np.exp(weight * self.log_depth + (1 - weight) * np.log(depth))
        return blended.astype(np.float32, copy=False)


def corrected_prior(points: FloatArray, prior: Prior) -> CorrectedPrior | None:
    """Correct a prior by the points, and measure how much of their depth it explains.

    Let z be the depth of the points and p the prior after :func:`fitted_prior`. The ratio q = ln z - ln p is
    interpolated (as exp q) between the points, so the corrected prior p exp(q) agrees with every point. The share of
    the local variance of ln depth that it explains is::

        w = max(0, 1 - E[(q - mean of q at the neighbours)²] / E[(ln z - mean of ln z at the neighbours)²])

    Neighbours are those of the Delaunay triangulation; E is a mean over the neighbourhood. A prior that is noise
    explains nothing, so w = 0. For depth of the same network, w is multiplied by its ``own_weight``.

    Args:
        points: depth of the kept points, (H, W), metres; 0 = none.
        prior: of the same size.

    Returns:
        The corrected prior; None if it cannot be fitted.
    """
    rows, columns = measured_pixels(points)
    depth = fitted_prior(prior, points)
    known = depth[rows, columns] > 0
    if known.sum() < LEAST_POINTS:
        return None
    covered = depth > 0
    log_prior = np.log(np.where(covered, depth, 1))
    log_points = np.log(points[rows, columns].astype(np.float64))
    ratio = log_points - log_prior[rows, columns]
    weight = _explained_share(log_points, ratio, known, _neighbours(rows, columns))

    def between_points(values: Float64Array) -> FloatArray:
        at_points = np.zeros(points.shape, np.float32)
        at_points[rows[known], columns[known]] = values[known]
        return linear(at_points)

    correction = np.log(between_points(np.exp(ratio)))
    share = (between_points(weight + 1) - 1) * covered  # 0 means unmeasured to the interpolation
    return CorrectedPrior(log_prior + correction, share if prior.own_weight is None else prior.own_weight * share)


def fitted_prior(prior: Prior, points: FloatArray) -> FloatArray:
    """Metric depth of a prior: scale and shift fitted to the points in the space of the prior.

    The fit is Theil and Sen's: the median slope of all pairs of points. Up to 29 % of outliers do not change it much.

    Args:
        prior: of any kind; a metric one is not fitted.
        points: depth of the kept points, (H, W), metres; 0 = none.

    Returns:
        Depth, (H, W), float32 metres; 0 where the prior is unknown or its fit is not positive, and everywhere if there
        are too few points, or (with a warning) if it is constant, does not rise with the depth of the points, or is
        metric and far from them.
    """
    nothing = np.zeros(prior.values.shape, np.float32)
    values, finite = prior.values.astype(np.float64), np.isfinite(prior.values)
    if prior.kind == "metric":
        finite &= values > 0
    rows, columns = np.nonzero((points > 0) & finite)
    if rows.size < LEAST_POINTS:
        if np.count_nonzero(points) >= LEAST_POINTS and prior.kind != "metric":
            _warn_ignored(prior, "is unknown at nearly all points")
        return nothing
    depth = points[rows, columns].astype(np.float64)
    if prior.kind == "metric" and not 1 / RANGE_FACTOR < np.median(values[rows, columns] / depth) < RANGE_FACTOR:
        _warn_ignored(prior, "is far from the depth of the points; is it in metres?")
        return nothing
    if prior.kind != "metric":
        from scipy.stats import theilslopes  # the import takes a third of a second

        chosen = np.linspace(0, rows.size - 1, min(rows.size, FITTED_POINTS)).round().astype(np.intp)
        x, y = values[rows, columns][chosen], _in_space(depth[chosen], prior.kind)
        if np.ptp(x) == 0:
            _warn_ignored(prior, "is constant")
            return nothing
        slope, offset = theilslopes(y, x)[:2]
        if slope <= 0:
            other = "disparity" if prior.kind == "depth" else "depth"
            _warn_ignored(prior, f"does not rise with the depth of the points; is it {other}?")
            return nothing
        values = slope * values + offset
    with np.errstate(all="ignore"):
        fitted = np.exp(values) if prior.kind == "log" else 1 / values if prior.kind == "disparity" else values
        usable = finite & (values > 0) if prior.kind != "log" else finite
    limited = np.clip(np.where(usable, fitted, 1), depth.min() / RANGE_FACTOR, depth.max() * RANGE_FACTOR)
    return np.where(usable, limited, 0).astype(np.float32)


def _warn_ignored(prior: Prior, why: str) -> None:
    warnings.warn(f"the prior of kind {prior.kind} is ignored: it {why}", stacklevel=3)


def _in_space(depth: Float64Array, kind: PriorKind) -> Float64Array:
    return 1 / depth if kind == "disparity" else np.log(depth) if kind == "log" else depth


def _explained_share(
    log_points: Float64Array, ratio: Float64Array, known: BoolArray, neighbours: sparse.csr_matrix
) -> Float64Array:
    """Weight w of the prior at every point, 0 to 1; 0 where it is unknown."""
    interpolated = _squared_change(log_points, np.ones(known.size), neighbours)
    remaining = np.where(known, _squared_change(np.where(known, ratio, 0), known.astype(float), neighbours), 0.25)
    mean = neighbours.multiply(1 / np.maximum(neighbours.sum(axis=1), 1)).tocsr()
    for _ in range(SMOOTHING_STEPS):
        interpolated = (interpolated + mean @ interpolated) / 2
        remaining = (remaining + mean @ remaining) / 2
    share: Float64Array = np.clip(1 - (remaining + NOISE_VARIANCE) / (interpolated + NOISE_VARIANCE), 0, 1)
    return np.where(known, share, 0)


def _squared_change(values: Float64Array, used: Float64Array, neighbours: sparse.csr_matrix) -> Float64Array:
    """Squared difference of every point from the mean of its used neighbours, limited."""
    count = neighbours @ used
    mean = neighbours @ (values * used) / np.maximum(count, 1)
    change = np.where(count > 0, np.abs(values - mean), LARGEST_CHANGE)
    squared: Float64Array = np.minimum(change, LARGEST_CHANGE) ** 2
    return squared


def _neighbours(rows: IntArray, columns: IntArray) -> sparse.csr_matrix:
    """Adjacency of the Delaunay triangulation, (N, N), 1 for neighbours."""
    triangles = delaunay_triangles(rows, columns)
    pairs = triangles[:, [[0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2]]].reshape(-1, 2)
    matrix = sparse.csr_matrix((np.ones(len(pairs)), pairs.T), shape=(rows.size, rows.size))
    matrix.data[:] = 1
    return matrix
