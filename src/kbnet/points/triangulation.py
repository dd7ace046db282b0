"""Delaunay triangulation of measured pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

_QHULL_OPTIONS = "Qbb Qc Qz Q12 Q5"
"""Those scipy takes by default, and Q5: outer planes are not corrected at the end. Same triangles, a tenth sooner."""


def delaunay_triangles(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Corners of the triangles by number of the point, (M, 3); some may be flat.

    Args:
        rows, columns: of the points, (N,).

    Returns:
        None, (0, 3), for fewer than three points and for points on one line.
    """
    nothing = np.zeros((0, 3), np.int64)
    if rows.size < 3:
        return nothing
    try:
        triangulation = Delaunay(np.stack([columns, rows], axis=1), qhull_options=_QHULL_OPTIONS)
    except QhullError:
        return nothing
    triangles: NDArray[np.int64] = triangulation.simplices
    return triangles
