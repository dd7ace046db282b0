"""Points of a lidar from a file, whatever its format: KITTI's .bin, PLY, PCD, LAS and LAZ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.sources.pcd import read_pcd
from kbnet.sources.ply import read_ply
from kbnet.sources.scan_columns import Layout, find_layout, read_columns

Points = NDArray[np.float64]


def read_points(path: str | Path, layout: Layout | None = None) -> Points:
    """Read the positions in a point cloud; colours, normals and the like are left out.

    Args:
        path: ``.bin``, ``.ply``, ``.pcd``, ``.las`` or ``.laz``.
        layout: columns of a ``.bin``; None = told by its name, size and values.

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
    points = read_columns(path, layout or find_layout(path)) if reader is _read_bin else reader(path)
    points = points[np.isfinite(points).all(axis=1) & points.any(axis=1)]
    if not len(points):
        raise KBNetError(f"expected points in {path}, got none that are finite and not 0 0 0; check how it was written")
    return points


def _read_bin(path: Path) -> Points:
    return read_columns(path, find_layout(path))


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
