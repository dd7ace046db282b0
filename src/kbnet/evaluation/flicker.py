"""Flicker: change of depth, or of its relative error, from frame to frame at the same points of the scene."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from kbnet.frame import Float64Array, FloatArray, Frame, IntArray
from kbnet.points.past_points import in_space
from kbnet.points.projection import pixels_of_points

STRIDE = 2
"""Every so many rows and columns are compared."""

SAME_SURFACE = 0.05
"""Largest relative difference between projected and stored ground truth, for a pixel to show the same surface."""

LARGEST_CHANGE = 0.15
"""Without ground truth, a larger change of ln depth is taken for an occlusion."""


def covisible_pixels(previous: Frame, frame: Frame) -> tuple[IntArray, IntArray]:
    """Pixels of a frame and of the one before that show the same point, by ground truth and poses.

    Every pixel with ground truth is projected into the frame before. It shows the same point if ground truth there
    differs by less than `SAME_SURFACE`; otherwise it is occluded or outside.

    Args:
        previous, frame: with ground truth and ``T_world_camera``.

    Returns:
        Rows and columns in ``frame`` and in ``previous``, (2, N) each.
    """
    assert previous.ground_truth is not None
    assert previous.T_world_camera is not None
    assert frame.ground_truth is not None
    assert frame.T_world_camera is not None
    rows, columns = (x * STRIDE for x in np.nonzero(frame.ground_truth[::STRIDE, ::STRIDE]))
    pixels, z, inside = _seen_in(previous, frame, frame.ground_truth, rows, columns)
    rows, columns = rows[inside], columns[inside]
    x, y = np.rint(pixels).astype(np.int64).T
    same = np.abs(previous.ground_truth[y, x] / z - 1) < SAME_SURFACE
    return np.stack([rows, columns])[:, same], np.stack([y, x])[:, same]


def flicker_percent(
    previous_depth: FloatArray,
    depth: FloatArray,
    previous: Frame,
    frame: Frame,
    covisible: tuple[IntArray, IntArray],
) -> float | None:
    """Mean change of ln(depth / ground truth) at covisible pixels, per cent.

    It is 0 if depth is true, or wrong by the same factor in both frames.

    Args:
        previous_depth, depth: completed depth of both frames, (H, W), metres, positive.
        previous, frame: with ground truth.
        covisible: of :func:`covisible_pixels`.

    Returns:
        Per cent of depth; None if no pixel is covisible.
    """
    assert previous.ground_truth is not None
    assert frame.ground_truth is not None
    here, there = (tuple(pixels) for pixels in covisible)
    if not here[0].size:
        return None
    change = np.log(depth[here] / frame.ground_truth[here]) - np.log(
        previous_depth[there] / previous.ground_truth[there]
    )
    return float(100 * np.abs(change).mean())


def change_percent(previous_depth: FloatArray, depth: FloatArray, previous: Frame, frame: Frame) -> float | None:
    """Mean change of ln depth since the frame before, per cent; without ground truth.

    Depth of the frame is projected into the frame before, and compared with its depth there (bilinear). Differences
    above `LARGEST_CHANGE` are left out: there, a surface is occluded. A constant error of depth, and a small error of
    the poses, count little.

    Args:
        previous_depth, depth: completed depth of both frames, (H, W), metres, positive.
        previous, frame: with ``T_world_camera``.

    Returns:
        Per cent of depth; None if no pixel is visible in both.
    """
    rows, columns = (x.ravel() * STRIDE for x in np.indices(depth[::STRIDE, ::STRIDE].shape))
    pixels, z, _ = _seen_in(previous, frame, depth, rows, columns)
    there = map_coordinates(previous_depth.astype(np.float64), pixels[:, ::-1].T, order=1)
    change = np.abs(np.log(there / z))
    visible = change < LARGEST_CHANGE
    return float(100 * change[visible].mean()) if visible.any() else None


def _seen_in(
    previous: Frame, frame: Frame, depth: FloatArray, rows: IntArray, columns: IntArray
) -> tuple[Float64Array, Float64Array, IntArray]:
    """Of those pixels that the frame before shows: place there, (M, 2), x and y; depth there, (M,); indices, (M,)."""
    assert previous.T_world_camera is not None
    assert frame.T_world_camera is not None
    at = depth[rows, columns].astype(np.float64)
    world = in_space(rows, columns, at, frame.intrinsics, frame.T_world_camera)
    pixels, z = pixels_of_points(world, previous.intrinsics, np.linalg.inv(previous.T_world_camera))
    height, width = previous.size
    inside = np.flatnonzero(((pixels >= 0) & (pixels <= [width - 1, height - 1])).all(axis=1))  # without NaN
    return pixels[inside], z[inside], inside
