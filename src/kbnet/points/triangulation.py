"""Delaunay triangulation of measured pixels."""

from __future__ import annotations

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
