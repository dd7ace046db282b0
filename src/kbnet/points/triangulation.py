"""Delaunay triangulation of measured pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

from kbnet.points.tiled_triangulation import tiled_delaunay_triangles

_QHULL_OPTIONS = "Qbb Qc Qz Q12 Q5"
"""scipy's defaults and Q5, which skips the final correction of outer planes: equal triangles in 10 % less time."""
MOST_AT_ONCE = 60_000
"""Largest number of points that are triangulated as a whole; more are triangulated in tiles."""


def delaunay_triangles(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Delaunay triangulation: indices of the corners of every triangle, (M, 3). Triangles can be degenerate.

    Above 60,000 points, :func:`kbnet.points.tiled_triangulation.tiled_delaunay_triangles` is used. Where four points
    lie on one circle, two triangulations are right, and it can choose the other one.

    Args:
        rows, columns: coordinates of the points, (N,), pixels; row by row.

    Returns:
        Corner indices, (M, 3); (0, 3) for fewer than three points and for points on one line.
    """
    if rows.size > MOST_AT_ONCE:
        return _of_points(rows, columns)
    return _of_bytes(rows.astype(np.int64).tobytes(), columns.astype(np.int64).tobytes())


@lru_cache(maxsize=2)
def _of_bytes(rows: bytes, columns: bytes) -> NDArray[np.int64]:
    """The triangles of points that were triangulated just before, as scaffold and prior do, are used again."""
    triangles = _of_points(np.frombuffer(rows, np.int64), np.frombuffer(columns, np.int64))
    triangles.flags.writeable = False
    return triangles


def _of_points(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    nothing = np.zeros((0, 3), np.int64)
    if rows.size < 3:
        return nothing
    try:
        if rows.size > MOST_AT_ONCE:
            return tiled_delaunay_triangles(rows, columns)
        triangulation = Delaunay(np.stack([columns, rows], axis=1), qhull_options=_QHULL_OPTIONS)
    except QhullError:
        return nothing
    triangles: NDArray[np.int64] = triangulation.simplices
    return triangles
