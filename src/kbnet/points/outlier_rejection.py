"""Outlier rejection of sparse points: occlusion in a window, or support by Delaunay neighbours."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from kbnet.frame import FloatArray, IntArray
from kbnet.points.sparse_points import measured_pixels
from kbnet.points.triangulation import delaunay_triangles

OutlierRule = Literal["none", "window", "support"]

SUPPORT_TOLERANCE = 0.05
"""Largest difference of ln depth between two points that support each other, at an angle of 0 ..."""
SUPPORT_SLOPE_PER_RAD = 1.5
"""... plus this times the angle between them: a plane seen at 56° from its normal has tan 56° = 1.5 per radian."""


def kept_points(
    sparse_depth: Tensor, intrinsics: Tensor, *, rule: OutlierRule = "window", window: int = 7, threshold: float = 1.5
) -> Tensor:
    """Outlier rejection by :func:`unoccluded_points` (rule ``window``) or :func:`supported_points` (rule ``support``).

    Args:
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        intrinsics: K, (B, 3, 3), pixels.
        rule: ``window`` as published, ``support``, or ``none``, which keeps every point.
        window: window size of the rule ``window``, odd, pixels.
        threshold: largest depth difference of the rule ``window``, metres.

    Returns:
        Validity, (B, 1, H, W), float: 1 where a point is kept, 0 where it is an outlier or unmeasured.
    """
    if rule == "none":
        return (sparse_depth > 0).to(sparse_depth.dtype)
    if rule == "support":
        return supported_points(sparse_depth, intrinsics)
    return unoccluded_points(sparse_depth, window, threshold)


def unoccluded_points(sparse_depth: Tensor, window: int = 7, threshold: float = 1.5) -> Tensor:
    """Occlusion test: reject points far behind the nearest point of their window (published system, section 2).

    A point is an outlier if the minimum of its window is nearer by more than ``threshold``. Unmeasured pixels and the
    border have 10 times the largest depth of the sample.

    Args:
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        window: odd window size, pixels.
        threshold: metres.

    Returns:
        Validity, (B, 1, H, W), float: 1 where a point is kept, 0 where it is an outlier or unmeasured.
    """
    measured = sparse_depth > 0
    far = 10 * sparse_depth.amax(dim=(1, 2, 3), keepdim=True)
    # max_pool2d pads with -infinity; after the change of sign the border is never the minimum, as with `far`.
    # Separable window: rows, then columns; the same result with a third of the comparisons.
    column = F.max_pool2d(-sparse_depth.where(measured, far), (window, 1), stride=1, padding=(window // 2, 0))
    nearest = -F.max_pool2d(column, (1, window), stride=1, padding=(0, window // 2))
    return (measured & (nearest >= sparse_depth - threshold)).to(sparse_depth.dtype)


def supported_points(sparse_depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Support test: keep points that agree with at least one neighbour in their Delaunay triangulation.

    Two neighbours agree if |ln z₁ - ln z₂| < 0.05 + 1.5 · angle between them in radians: they can lie on one surface.
    An outlier rarely has such a neighbour; an inlier nearly always has one. This rule is ours, not published. With
    fewer than four points, or points on one line, all are kept. Computed on the CPU, sample by sample.

    Args:
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        intrinsics: K, (B, 3, 3), pixels.

    Returns:
        Validity, (B, 1, H, W), float: 1 where a point is kept, 0 where it is an outlier or unmeasured.
    """
    kept = (sparse_depth > 0).to(sparse_depth.dtype)
    samples = sparse_depth[:, 0].float().cpu().numpy()
    for sample, depth, fx_px in zip(kept[:, 0], samples, intrinsics[:, 0, 0].tolist(), strict=True):
        sample[_unsupported(depth, fx_px)] = 0
    return kept


def _unsupported(sparse_depth: FloatArray, fx_px: float) -> tuple[IntArray, IntArray]:
    """Rows and columns of the points without an agreeing neighbour."""
    rows, columns = measured_pixels(sparse_depth)
    triangles = delaunay_triangles(rows, columns)
    pairs = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    rise, run, change = (np.diff(value[pairs])[:, 0] for value in (rows, columns, np.log(sparse_depth[rows, columns])))
    angle_rad = np.hypot(rise, run) / fx_px
    agree = np.abs(change) < SUPPORT_TOLERANCE + SUPPORT_SLOPE_PER_RAD * angle_rad
    alone = np.ones(rows.size, bool)
    alone[pairs[agree]] = False
    if rows.size < 4 or alone.all():  # if no two points agree, no outlier can be named
        alone[:] = False
    return rows[alone], columns[alone]
