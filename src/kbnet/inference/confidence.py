"""Expected absolute error of every pixel of completed depth.

Networks with ``network.error = "predicted"`` predict it. For others it is a weighted sum of three cues, each a relative
error or an angle, with weights fitted on frames with ground truth:

- *disagreement*: change of interpolated depth when a quarter of the points is removed, mean over the quarters;
- *spread*: local range of completed depth, because depth near an edge can be that of the wrong side;
- *distance* to the nearest inlier point.

The network runs once. Repeated runs without each quarter of the points are five times as slow and order the pixels no
better: docs/accuracy.md.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

from kbnet.frame import BoolArray, FloatArray, Frame
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.video import VideoCompleter
from kbnet.network.inputs import kept_depth
from kbnet.network.working_size import reduced_intrinsics, reduced_points, values_at_cells, working_factor
from kbnet.points.interpolation import linear

CUE_WEIGHTS = (1.28, 0.083, 0.6)
"""Weights of disagreement, spread and distance; fitted by ``python benchmarks/confidence.py --fit``."""

LEAST_ERROR = 0.005
"""Least expected relative error."""

PARTS = 4
"""Number of parts of the points; one at a time is removed."""

SPREAD_WINDOW_RAD = 0.06
"""Window of the spread, radians."""

FARTHEST_RAD = 1.0
"""Upper limit of the distance, radians."""


def complete_with_confidence(completer: DepthCompleter | VideoCompleter, frame: Frame) -> tuple[FloatArray, FloatArray]:
    """Complete depth with its expected error, predicted by the network or by :func:`expected_error`.

    Returns:
        Depth and its expected absolute error, both (H, W), float32 metres.
    """
    if completer.config.predicts_error:
        return completer(frame, return_error=True)
    depth = completer(frame)
    inliers = inlier_depth(completer, frame.sparse_depth, frame.intrinsics)
    return depth, expected_error(depth, inliers, frame.intrinsics, working_side=completer.config.working_side)


def inlier_depth(
    completer: DepthCompleter | VideoCompleter, sparse_depth: FloatArray, intrinsics: FloatArray
) -> FloatArray:
    """Sparse depth, (H, W), metres, after the completer's outlier rejection; 0 = unmeasured or rejected.

    For a frame that the completer reduces, only the points of the reduced frame remain.
    """
    height, width = sparse_depth.shape
    inliers = kept_depth(sparse_depth, intrinsics, completer.config)
    factor = working_factor((height, width), completer.config.working_side)
    if factor == 1:
        return inliers
    of_cell = inliers.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width]
    return np.where(sparse_depth.astype(np.float32, copy=False) == of_cell, of_cell, np.float32(0))


def expected_error(
    depth: FloatArray, inliers: FloatArray, intrinsics: FloatArray, *, working_side: int = 0
) -> FloatArray:
    """Expected absolute error of every pixel, by the three cues.

    Args:
        depth: completed depth, (H, W), metres, positive.
        inliers: sparse depth from :func:`inlier_depth`, (H, W), metres; 0 = unmeasured.
        intrinsics: K, (3, 3), pixels.
        working_side: as in the completer's config: the relative error of a large frame is computed at the reduced size
            and enlarged bilinearly.

    Returns:
        Expected error, (H, W), float32 metres, positive and at most the depth; equal to it without any point.
    """
    if not inliers.any():
        return depth.astype(np.float32)
    height, width = depth.shape
    factor = working_factor((height, width), working_side)
    if factor == 1:
        relative = _relative_error(depth, inliers, intrinsics)
    else:
        points = reduced_points(inliers, factor, whole_cells=False)
        reduced = _relative_error(values_at_cells(depth, factor), points, reduced_intrinsics(intrinsics, factor))
        enlarged = F.interpolate(torch.from_numpy(reduced)[None, None], scale_factor=factor, mode="bilinear")
        relative = enlarged[0, 0, :height, :width].numpy()
    error: FloatArray = depth * relative
    return error.astype(np.float32, copy=False)


def _relative_error(depth: FloatArray, inliers: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Expected error relative to depth, (H, W), LEAST_ERROR to 1."""
    relative = np.tensordot(np.array(CUE_WEIGHTS, np.float32), error_cues(depth, inliers, intrinsics), axes=1)
    clipped: FloatArray = relative.clip(LEAST_ERROR, 1).astype(np.float32, copy=False)
    return clipped


def error_cues(depth: FloatArray, inliers: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Cues of a frame with at least one point, (3, H, W): disagreement and spread of ln depth, distance in radians."""
    fx_px = float(intrinsics[0, 0])
    window = 2 * max(1, round(SPREAD_WINDOW_RAD * fx_px / 2)) + 1
    log_depth = np.log(depth)
    distance_px = distance_transform_edt(inliers == 0)
    return np.stack(
        [
            _disagreement(inliers),
            maximum_filter(log_depth, window) - minimum_filter(log_depth, window),
            np.minimum(distance_px / fx_px, FARTHEST_RAD).astype(np.float32),
        ]
    )


def _disagreement(inliers: FloatArray) -> FloatArray:
    """Mean over the parts of |ln(interpolation without the part) - ln(interpolation of all points)|, (H, W)."""
    points = np.flatnonzero(inliers)
    parts = min(PARTS, points.size)
    changes = np.zeros(inliers.shape, np.float32)
    if parts < 2:
        return changes
    reference = linear(inliers)
    shuffled = np.random.default_rng(0).permutation(points)
    for part in range(parts):
        others = inliers.copy()
        others.flat[shuffled[part::parts]] = 0
        changes += np.abs(np.log(linear(others) / reference)) / parts
    return changes


def most_confident(uncertainty: NDArray[np.floating], share: float) -> BoolArray:
    """Mask of the ``share`` of the pixels with the least uncertainty, in the shape of ``uncertainty``."""
    chosen = np.zeros(uncertainty.shape, np.bool_)
    chosen.flat[np.argsort(uncertainty, axis=None, kind="stable")[: round(share * uncertainty.size)]] = True
    return chosen
