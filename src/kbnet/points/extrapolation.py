"""Extrapolation of sparse depth to the border of the image."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from kbnet.frame import Float64Array, FloatArray, IntArray
from kbnet.points.sparse_points import measured_pixels

BORDER_SPACING_PX = 60
"""Distance between neighbouring points on the border, about, pixels."""
PLANE_NEIGHBOUR_COUNT = 12
"""Number of nearest measured points that a plane is fitted to."""
SLOPE_DEVIATION = 0.3
"""Prior standard deviation of the slope of inverse depth: a share of it over the longer side of the image."""
LEAST_POINT_DEVIATION = 0.01
"""Least standard deviation of a point from the plane, as a share of its inverse depth."""
INVERSE_DEPTH_RANGE = (0.4, 2.0)
"""Limits of an extrapolated inverse depth, as multiples of its neighbours' mean."""
DISTANCE_OFFSET = 0.02
"""Added to distances (shares of the longer side) in the weights 1 / distance."""


def extrapolated_to_border(sparse_depth: FloatArray) -> FloatArray:
    """Extrapolation: add points on the border of the image, so that the whole image lies in the hull of the points.

    The inverse depth of a plane is linear in the pixel of a pinhole camera. For each place on the border, a plane is
    fitted to the nearest points by Bayesian linear regression. The prior is a slope of 0; the noise is that of the
    residuals. The plane extends the depth of the nearest point to the border. If the points lie on no plane, the slope
    stays near 0, and the border gets the depth of the nearest point.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.

    Returns:
        Sparse depth with further points, (H, W), float32 metres; 0 = unmeasured. Fewer than four measured pixels:
        unchanged.
    """
    rows, columns = measured_pixels(sparse_depth)
    if rows.size < 4:
        return sparse_depth
    places = _border(*sparse_depth.shape)
    count, scale = min(PLANE_NEIGHBOUR_COUNT, rows.size), max(sparse_depth.shape)
    points = np.stack([columns, rows], axis=1)
    distance, nearest = cKDTree(points).query(places, k=count)
    offset = (points[nearest] - places[:, None]) / scale
    inverse = 1 / sparse_depth[rows, columns].astype(np.float64)[nearest]
    mean = inverse.mean(axis=1)
    weight = 1 / (distance / scale + DISTANCE_OFFSET)
    slope = _slopes(offset, inverse / mean[:, None], weight / weight.sum(axis=1, keepdims=True))
    there = inverse[:, 0] / mean - (slope * offset[:, 0]).sum(axis=1)
    continued = sparse_depth.astype(np.float32)
    depth = 1 / (mean * np.clip(there, *INVERSE_DEPTH_RANGE))
    x, y = places.T
    continued[y, x] = np.where(sparse_depth[y, x] > 0, sparse_depth[y, x], depth)
    return continued


def _border(height: int, width: int) -> IntArray:
    """Pixels (x, y) along the border with its corners, (N, 2)."""
    x, y = (
        np.linspace(0, length - 1, 1 + -(-length // BORDER_SPACING_PX)).round().astype(int)
        for length in (width, height)
    )
    level = [np.stack([x, np.full_like(x, row)], axis=1) for row in (0, height - 1)]
    upright = [np.stack([np.full_like(y, column), y], axis=1) for column in (0, width - 1)]
    return np.unique(np.concatenate(level + upright), axis=0)


def _slopes(x: Float64Array, y: Float64Array, weight: Float64Array) -> Float64Array:
    """Slopes (N, 2) of y (N, k) over x (N, k, 2) with the prior 0 ± SLOPE_DEVIATION; weights (N, k) sum to 1."""
    count = y.shape[1]
    x = x - (weight[..., None] * x).sum(axis=1, keepdims=True)
    y = y - (weight * y).sum(axis=1, keepdims=True)
    scatter = np.einsum("nk,nki,nkj->nij", weight, x, x)
    along = np.einsum("nk,nki,nk->ni", weight, x, y)[..., None]
    fitted = np.linalg.solve(scatter + 1e-6 * np.eye(2), along)
    left = y - (x @ fitted)[..., 0]
    noise = (weight * left**2).sum(axis=1) * count / max(count - 3, 1) + LEAST_POINT_DEVIATION**2
    level: Float64Array = np.linalg.solve(
        scatter + (noise / SLOPE_DEVIATION**2 / count)[:, None, None] * np.eye(2), along
    )
    return level[..., 0]
