"""Lidar points to a sparse depth map: read a KITTI scan, project it into a camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, check_intrinsics, check_pose

_BYTES_PER_POINT = 16


def read_velodyne(path: str | Path) -> FloatArray:
    """Read a scan of KITTI's Velodyne (``.bin``; A. Geiger et al., "Vision meets robotics", IJRR 2013).

    Args:
        path: four little-endian float32 a point.

    Returns:
        Points, (N, 4), float32: x forward, y left, z up in metres, and reflectance 0..1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: its size is not that of a whole number of points.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"expected a lidar scan in {path}, but there is no such file; check the path") from None
    if len(content) % _BYTES_PER_POINT:
        raise ValueError(
            f"expected a lidar scan of {_BYTES_PER_POINT} bytes a point (x y z reflectance, float32), "
            f"got {len(content)} bytes in {path}; copy the file again"
        )
    return np.frombuffer(content, "<f4").reshape(-1, 4).astype(np.float32)


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
        ValueError: an array is not of these shapes, K is no pinhole matrix, or the transform is not rigid.

    Example:
        >>> K = np.array([[2, 0, 1], [0, 2, 0], [0, 0, 1]], np.float32)
        >>> project_points(np.array([[0, 0, 4.0], [1, 0, 2], [0, 0, 3], [0, 0, -1]]), K, np.eye(4), (1, 3))
        array([[0., 3., 2.]], dtype=float32)
    """
    if points.ndim != 2 or points.shape[1] not in (3, 4):
        raise ValueError(f"expected points as (N, 3) or (N, 4), got shape {points.shape}; one row a point")
    check_intrinsics(intrinsics)
    check_pose(T_camera_lidar, "T_camera_lidar")
    height, width = size
    xyz = points[np.isfinite(points[:, :3]).all(axis=1), :3].astype(np.float64)
    xyz = xyz @ T_camera_lidar[:3, :3].T + T_camera_lidar[:3, 3]
    xyz = xyz[xyz[:, 2] > 0]
    columns, rows, z = (xyz @ intrinsics.T.astype(np.float64)).T
    columns, rows = np.rint(columns / z), np.rint(rows / z)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    depth = np.full(size, np.inf, np.float32)
    np.minimum.at(depth, (rows[inside].astype(np.intp), columns[inside].astype(np.intp)), z[inside].astype(np.float32))
    depth[np.isinf(depth)] = 0
    return depth
