"""Extrapolation of sparse depth to the border of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from kbnet.frame import FloatArray
from kbnet.points.sparse_points import measured_pixels

SPACING = 60
"""Points are put on the border about so many pixels apart."""
NEIGHBOURS = 12
"""A plane is laid through so many of the nearest measured points ..."""
SLOPE = 0.3
"""... whose inverse depth is expected to change by about this share of itself over the longer side of the image ..."""
ROUGHNESS = 0.01
"""... and of which each point is expected to be off by at least this share."""
INVERSE_DEPTH_RANGE = (0.4, 2.0)
"""A continued inverse depth stays within these multiples of its neighbours' mean."""
SOFTENING = 0.02
"""Added to distances (shares of the longer side) where points are weighted by them."""


def extrapolated_to_border(sparse_depth: FloatArray) -> FloatArray:
    """Add points on the border of the image, so that it lies within the hull of all points.

    A plane seen by a pinhole camera has an inverse depth that is linear in the pixel. Through the nearest points to
    each place on the border such a plane is laid by least squares, level but for what the points say against it
    (Bayesian linear regression, with the noise that the fit leaves); from the nearest point it leads to the border.
    Points that lie on no plane leave it level: the depth of the nearest, as where nothing is continued.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.

    Returns:
        The same with further points, (H, W), float32 metres; as it was where fewer than four pixels are measured.
    """
    rows, columns = measured_pixels(sparse_depth)
    if rows.size < 4:
        return sparse_depth
    places = _border(*sparse_depth.shape)
    count, scale = min(NEIGHBOURS, rows.size), max(sparse_depth.shape)
    points = np.stack([columns, rows], axis=1)
    distance, nearest = cKDTree(points).query(places, k=count)
    offset = (points[nearest] - places[:, None]) / scale
    inverse = 1 / sparse_depth[rows, columns].astype(np.float64)[nearest]
    mean = inverse.mean(axis=1)
    weight = 1 / (distance / scale + SOFTENING)
    slope = _slopes(offset, inverse / mean[:, None], weight / weight.sum(axis=1, keepdims=True))
    there = inverse[:, 0] / mean - (slope * offset[:, 0]).sum(axis=1)
    continued = sparse_depth.astype(np.float32)
    depth = 1 / (mean * np.clip(there, *INVERSE_DEPTH_RANGE))
    x, y = places.T
    continued[y, x] = np.where(sparse_depth[y, x] > 0, sparse_depth[y, x], depth)
    return continued


def _border(height: int, width: int) -> NDArray[np.int64]:
    """Pixels (x, y) along the border, corners among them, (N, 2)."""
    x, y = (np.linspace(0, length - 1, 1 + -(-length // SPACING)).round().astype(int) for length in (width, height))
    level = [np.stack([x, np.full_like(x, row)], axis=1) for row in (0, height - 1)]
    upright = [np.stack([np.full_like(y, column), y], axis=1) for column in (0, width - 1)]
    return np.unique(np.concatenate(level + upright), axis=0)


def _slopes(x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes (N, 2) of y (N, k) over x (N, k, 2), expected to be 0 ± SLOPE; weights (N, k) sum to 1."""
    count = y.shape[1]
    x = x - (weight[..., None] * x).sum(axis=1, keepdims=True)
    y = y - (weight * y).sum(axis=1, keepdims=True)
    scatter = np.einsum("nk,nki,nkj->nij", weight, x, x)
    along = np.einsum("nk,nki,nk->ni", weight, x, y)[..., None]
    fitted = np.linalg.solve(scatter + 1e-6 * np.eye(2), along)
    left = y - (x @ fitted)[..., 0]
    noise = (weight * left**2).sum(axis=1) * count / max(count - 3, 1) + ROUGHNESS**2
    level: NDArray[np.float64] = np.linalg.solve(scatter + (noise / SLOPE**2 / count)[:, None, None] * np.eye(2), along)
    return level[..., 0]
