"""Points in space to a sparse depth map: projection into a camera, and removal of occluded points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, check_depth, check_intrinsics, check_pose
from kbnet.points.sparse_points import points_to_map

NEARER = 0.9
"""Only what has less than this share of a point's depth can hide it."""
LARGEST_GAP_PX = 64
"""Between two scan lines; four beams over a whole image are farther apart, and hide nothing behind them."""


def project_points(
    points: NDArray[np.floating], intrinsics: FloatArray, T_camera_lidar: NDArray[np.floating], size: tuple[int, int]
) -> FloatArray:
    """Project points to the nearest pixel; where several fall on one, the nearest point stays.

    Points behind the camera, outside the image or not finite are dropped. Of a KITTI projection ``P = K [I | t]`` with
    ``Tr`` from lidar to camera 0, ``K = P[:, :3]`` and ``T_camera_lidar = [I | K⁻¹ P[:, 3]] @ Tr``.

    Args:
        points: in the lidar, (N, 3) or (N, 4) with reflectance, metres.
        intrinsics: K, (3, 3), pixels; pixel centres on whole numbers.
        T_camera_lidar: (4, 4), metres: a point x in the lidar is ``T_camera_lidar @ x`` in the camera.
        size: (H, W) of the image, pixels.

    Returns:
        Sparse depth along z, (H, W), float32 metres; 0 = unmeasured.

    Raises:
        KBNetError: an array is not of these shapes, K is no pinhole matrix, or the transform is not rigid.

    Example:
        >>> K = np.array([[2, 0, 1], [0, 2, 0], [0, 0, 1]], np.float32)
        >>> project_points(np.array([[0, 0, 4.0], [1, 0, 2], [0, 0, 3], [0, 0, -1]]), K, np.eye(4), (1, 3))
        array([[0., 3., 2.]], dtype=float32)
    """
    if points.ndim != 2 or points.shape[1] not in (3, 4):
        raise KBNetError(f"expected points as (N, 3) or (N, 4), got shape {points.shape}; one row a point")
    check_intrinsics(intrinsics)
    check_pose(T_camera_lidar, "T_camera_lidar")
    xyz = points[np.isfinite(points[:, :3]).all(axis=1), :3].astype(np.float64)
    return points_to_map(*pixels_of_points(xyz, intrinsics, T_camera_lidar), size)


def pixels_of_points(
    points: Float64Array, intrinsics: FloatArray, T_camera_points: NDArray[np.floating]
) -> tuple[Float64Array, Float64Array]:
    """Pixels of points in a camera; nothing is checked or dropped.

    Args:
        points: (N, 3), metres.
        intrinsics: K, (3, 3), pixels; pixel centres on whole numbers.
        T_camera_points: (4, 4), metres: a point x is ``T_camera_points @ x`` in the camera.

    Returns:
        x, y of each point, (N, 2), pixels, NaN behind the camera; and its depth along z, (N,), metres.
    """
    xyz = points @ T_camera_points[:3, :3].T + T_camera_points[:3, 3]
    projected = xyz @ intrinsics.T.astype(np.float64)
    pixels = np.full((len(points), 2), np.nan)
    with np.errstate(over="ignore"):
        np.divide(projected[:, :2], projected[:, 2:], out=pixels, where=xyz[:, 2:] > 0)
    return pixels, xyz[:, 2]


def drop_hidden_points(sparse_depth: FloatArray, radius: int | None = None) -> FloatArray:
    """Drop far points seen through a near surface: the lidar sees past its edge, the camera beside it does not.

    A point is hidden if there are nearer points (by more than 1 - `NEARER`) in all four quadrants around it, so that
    it lies inside their hull. Of a plane, however slanted, the nearer part is on one side of any line; so no point of
    it is lost. What hides behind the rim of a surface, outside its outermost points, stays.

    Args:
        sparse_depth: along z, (H, W), metres; 0 = unmeasured.
        radius: how far to look for nearer points, to either side, pixels: a little more than the gap between two scan
            lines. None = one more than :func:`scan_line_gap`; 0 = keep all.

    Returns:
        Sparse depth without the hidden points, (H, W), float32 metres; 0 = unmeasured.

    Raises:
        KBNetError: the radius is negative, or what is given is no depth map.

    Example:
        >>> lines = np.array([[2, 2, 2, 2], [0, 9, 0, 0], [2, 2, 2, 2], [0, 9, 0, 0]], np.float32)
        >>> drop_hidden_points(lines, radius=1)[:, 1]
        array([2., 0., 2., 9.], dtype=float32)
    """
    depth = check_depth(sparse_depth, "sparse_depth", np.shape(sparse_depth)[:2])
    radius = scan_line_gap(depth) + 1 if radius is None else radius
    if radius < 0:
        raise KBNetError(f"expected a radius of at least 0 pixels, got {radius}; 0 keeps all points")
    if radius == 0:
        return depth
    surface = np.where(depth > 0, depth, np.float32(np.inf))
    # The four quadrants are one, turned: each has one of the half-axes, so together they leave out only the point.
    around = [np.rot90(_quadrant_minimum(np.rot90(surface, turns), radius), -turns) for turns in range(4)]
    hidden = np.maximum.reduce(around) < NEARER * depth
    return np.where(hidden, np.float32(0), depth)


def scan_line_gap(sparse_depth: FloatArray) -> int:
    """Rows from a point to the nearest one above it, at most 45° aside: the median of all points that have one.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.

    Returns:
        Pixels, at least 1, at most `LARGEST_GAP_PX`; 1 where there is nothing to measure.
    """
    rows, columns = np.nonzero(sparse_depth)
    reach = LARGEST_GAP_PX
    measured = np.pad(sparse_depth > 0, reach)
    counts = np.cumsum(np.pad(measured, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    gaps = np.zeros(rows.size, np.intp)
    for gap in range(1, reach + 1):
        above = rows + reach - gap
        found = counts[above, columns + reach + gap + 1] > counts[above, columns + reach - gap]
        gaps[found & (gaps == 0)] = gap
        if gaps.all():
            break
    return int(np.median(gaps[gaps > 0])) if gaps.any() else 1


def _quadrant_minimum(depth: FloatArray, radius: int) -> FloatArray:
    """The least depth 1 to ``radius`` rows below and 0 to ``radius`` columns right of each pixel."""
    right = minimum_filter1d(depth, radius + 1, axis=1, mode="constant", cval=np.inf, origin=-((radius + 1) // 2))
    below = minimum_filter1d(right, radius, axis=0, mode="constant", cval=np.inf, origin=-(radius // 2))
    return np.pad(below[1:], ((0, 1), (0, 0)), constant_values=np.inf)
