"""Expected absolute error of completed depth, pixel by pixel.

Weights with ``network.error = "predicted"`` give it themselves. For others it is computed from three cues, each a
relative error or an angle, with weights fitted on frames with ground truth:

- *disagreement*: how much interpolated depth changes if a quarter of the points is taken away, each quarter in turn;
- *spread*: how much completed depth changes around the pixel, since near an edge it may be on the wrong side;
- *distance* to the nearest point that is believed.

The network runs once. Running it anew for every quarter of the points, or on the mirrored frame, orders the pixels no
better and takes five times as long: docs/accuracy.md.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

from kbnet.frame import FloatArray, ImageArray
from kbnet.inference.completer import DepthCompleter
from kbnet.network.inputs import kept_depth
from kbnet.network.working_size import reduced_intrinsics, reduced_points, working_factor
from kbnet.points.interpolation import linear

CUE_WEIGHTS = (1.28, 0.083, 0.6)
"""Of disagreement, spread and distance; fitted by ``python benchmarks/confidence.py --fit``."""

LEAST_ERROR = 0.005
"""Relative error that depth is never expected to be below."""

PARTS = 4
"""Parts of the points, of which one at a time is taken away."""

SPREAD_WINDOW_RAD = 0.06
"""Window over which the spread is taken."""

FARTHEST_RAD = 1.0
"""Larger distances count as this, radians."""


def complete_with_confidence(
    completer: DepthCompleter, image: ImageArray, sparse_depth: FloatArray, intrinsics: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Complete depth and its expected error: as the network predicts it, else by :func:`expected_error`.

    Args:
        completer: what completes.
        image, sparse_depth, intrinsics: of one frame, as :class:`kbnet.DepthCompleter` takes them.

    Returns:
        Depth as the completer gives it, and its expected absolute error; both (H, W), float32 metres.

    Raises:
        KBNetError: shapes, types or values are not as above.
    """
    if completer.config.predicts_error:
        return completer(image, sparse_depth, intrinsics, return_error=True)
    depth = completer(image, sparse_depth, intrinsics)
    believed = believed_depth(completer, sparse_depth, intrinsics)
    return depth, expected_error(depth, believed, intrinsics, working_side=completer.config.working_side)


def believed_depth(completer: DepthCompleter, sparse_depth: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Sparse depth, (H, W), metres, without the points that the completer takes for outliers; 0 = unmeasured.

    Of a frame that the completer reduces, only points that the network is given are left.
    """
    height, width = sparse_depth.shape
    believed = kept_depth(sparse_depth, intrinsics, completer.config)
    factor = working_factor((height, width), completer.config.working_side)
    if factor == 1:
        return believed
    of_cell = believed.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width]
    return np.where(sparse_depth.astype(np.float32, copy=False) == of_cell, of_cell, np.float32(0))


def expected_error(
    depth: FloatArray, believed: FloatArray, intrinsics: FloatArray, *, working_side: int = 0
) -> FloatArray:
    """Mean absolute error to expect at each pixel.

    Args:
        depth: completed depth, (H, W), metres, positive.
        believed: sparse depth as of :func:`believed_depth`, (H, W), metres; 0 = unmeasured.
        intrinsics: K, (3, 3), pixels.
        working_side: as in the completer's config: the relative error of a large frame is computed at the reduced size
            and enlarged bilinearly.

    Returns:
        Metres, (H, W), float32, positive; nowhere above the depth itself, and equal to it where there is no point.
    """
    if not believed.any():
        return depth.astype(np.float32)
    height, width = depth.shape
    factor = working_factor((height, width), working_side)
    if factor == 1:
        relative = _relative_error(depth, believed, intrinsics)
    else:
        rows, columns = (np.minimum(np.arange(factor // 2, n + factor // 2, factor), n - 1) for n in (height, width))
        points = reduced_points(believed, factor, whole_cells=False)
        reduced = _relative_error(depth[np.ix_(rows, columns)], points, reduced_intrinsics(intrinsics, factor))
        enlarged = F.interpolate(torch.from_numpy(reduced)[None, None], scale_factor=factor, mode="bilinear")
        relative = enlarged[0, 0, :height, :width].numpy()
    error: FloatArray = depth * relative
    return error.astype(np.float32, copy=False)


def _relative_error(depth: FloatArray, believed: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Expected error as a share of depth, (H, W), LEAST_ERROR to 1."""
    relative = np.tensordot(np.array(CUE_WEIGHTS, np.float32), error_cues(depth, believed, intrinsics), axes=1)
    clipped: FloatArray = relative.clip(LEAST_ERROR, 1).astype(np.float32, copy=False)
    return clipped


def error_cues(depth: FloatArray, believed: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Disagreement, spread (both of ln depth) and distance (radians), (3, H, W), of a frame with at least one point."""
    fx_px = float(intrinsics[0, 0])
    window = 2 * max(1, round(SPREAD_WINDOW_RAD * fx_px / 2)) + 1
    log_depth = np.log(depth)
    distance_px = distance_transform_edt(believed == 0)
    return np.stack(
        [
            _disagreement(believed),
            maximum_filter(log_depth, window) - minimum_filter(log_depth, window),
            np.minimum(distance_px / fx_px, FARTHEST_RAD).astype(np.float32),
        ]
    )


def _disagreement(believed: FloatArray) -> FloatArray:
    """Mean over the parts of |ln of interpolated depth without the part - with all points|, (H, W)."""
    points = np.flatnonzero(believed)
    parts = min(PARTS, points.size)
    changes = np.zeros(believed.shape, np.float32)
    if parts < 2:
        return changes
    reference = linear(believed)
    shuffled = np.random.default_rng(0).permutation(points)
    for part in range(parts):
        others = believed.copy()
        others.flat[shuffled[part::parts]] = 0
        changes += np.abs(np.log(linear(others) / reference)) / parts
    return changes


def most_confident(uncertainty: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """The pixels of least uncertainty, as many as ``share`` of them says, of the shape given."""
    chosen = np.zeros(uncertainty.shape, np.bool_)
    chosen.flat[np.argsort(uncertainty, axis=None, kind="stable")[: round(share * uncertainty.size)]] = True
    return chosen
