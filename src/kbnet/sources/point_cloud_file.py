"""Points of a lidar from a file, whatever its format: KITTI's .bin, PLY, PCD, LAS and LAZ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray
from kbnet.sources.pcd import read_pcd
from kbnet.sources.ply import read_ply

Points = NDArray[np.float64]

_BYTES_PER_VELODYNE_POINT = 16


def read_points(path: str | Path) -> Points:
    """Read the positions in a point cloud; colours, normals and the like are left out.

    Args:
        path: ``.bin``, ``.ply``, ``.pcd``, ``.las`` or ``.laz``.

    Returns:
        Points, (N, 3), float64, in the unit and the axes of the file; without those that are not finite, or 0 0 0, as
        drivers write where nothing came back. Float64, since the coordinates of a survey are large.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the suffix is not known, or the file is damaged or holds no points.
        ModuleNotFoundError: laspy is not installed, which reads LAS and LAZ.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise KBNetError(f"expected a point cloud of {', '.join(READERS)}, got {path}; convert it to one of these")
    if not path.is_file():
        raise FileNotFoundError(f"expected a point cloud in {path}, but there is no such file; check the path")
    points = reader(path)
    points = points[np.isfinite(points).all(axis=1) & points.any(axis=1)]
    if not len(points):
        raise KBNetError(f"expected points in {path}, got none that are finite and not 0 0 0; check how it was written")
    return points


def read_velodyne(path: str | Path) -> FloatArray:
    """Read a scan of KITTI's Velodyne (``.bin``; A. Geiger et al., "Vision meets robotics", IJRR 2013).

    Args:
        path: four little-endian float32 a point.

    Returns:
        Points, (N, 4), float32: x forward, y left, z up in metres, and reflectance 0..1.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: its size is not that of a whole number of points.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"expected a lidar scan in {path}, but there is no such file; check the path") from None
    if len(content) % _BYTES_PER_VELODYNE_POINT:
        raise KBNetError(
            f"expected a lidar scan of {_BYTES_PER_VELODYNE_POINT} bytes a point (x y z reflectance, float32), "
            f"got {len(content)} bytes in {path}; copy the file again"
        )
    return np.frombuffer(content, "<f4").reshape(-1, 4).astype(np.float32)


def _read_bin(path: Path) -> Points:
    return read_velodyne(path)[:, :3].astype(np.float64)


def _read_las(path: Path) -> Points:
    import laspy

    try:
        cloud = laspy.read(path)
    except (laspy.LaspyException, ValueError, OSError, RuntimeError) as error:
        raise KBNetError(
            f"expected a LAS or LAZ point cloud, but {path} cannot be read ({error}); copy it again"
        ) from None
    return np.asarray(cloud.xyz, np.float64)


READERS: dict[str, Callable[[Path], Points]] = {
    ".bin": _read_bin,
    ".ply": read_ply,
    ".pcd": read_pcd,
    ".las": _read_las,
    ".laz": _read_las,
}
"""By suffix."""
