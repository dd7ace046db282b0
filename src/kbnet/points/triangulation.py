"""Delaunay triangulation of measured pixels, of many in tiles: Qhull takes 1.5 µs for each of 1,000, 8 µs of 500,000.

The method is that of Funke and Sanders (Parallel d-D Delaunay Triangulations, ALENEX 2017). A triangle of a tile is
right if no point of another tile can lie in its circumcircle. A point is complete if all triangles around it are right.
Triangles without a complete corner are those of the triangulation of the incomplete points alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay, QhullError

from kbnet.frame import BoolArray, Float64Array, IntArray

_QHULL_OPTIONS = "Qbb Qc Qz Q12 Q5"
"""scipy's defaults and Q5, which skips the final correction of outer planes: equal triangles in 10 % less time."""
MOST_AT_ONCE = 60_000
"""Largest number of points that are triangulated as a whole; more are triangulated in tiles."""
_POINTS_PER_TILE = 800
"""Mean number of points of a tile, without its margin."""
_MARGIN = 0.053
"""Width of the margin around a tile, as a share of its side: 1.5 times the mean distance between points."""
_JOGGLE_PX = 1e-6
"""Largest shift of a point, so that no four points lie on one circle, and all tiles agree on the triangles."""


def delaunay_triangles(rows: IntArray, columns: IntArray) -> IntArray:
    """Delaunay triangulation: indices of the corners of every triangle, (M, 3). Triangles can be degenerate.

    Above 60,000 points, :func:`tiled_delaunay_triangles` is used. Where four points
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
def _of_bytes(rows: bytes, columns: bytes) -> IntArray:
    """The triangles of points that were triangulated just before, as scaffold and prior do, are used again."""
    triangles = _of_points(np.frombuffer(rows, np.int64), np.frombuffer(columns, np.int64))
    triangles.flags.writeable = False
    return triangles


def _of_points(rows: IntArray, columns: IntArray) -> IntArray:
    nothing = np.zeros((0, 3), np.int64)
    if rows.size < 3:
        return nothing
    try:
        if rows.size > MOST_AT_ONCE:
            return tiled_delaunay_triangles(rows, columns)
        triangulation = Delaunay(np.stack([columns, rows], axis=1), qhull_options=_QHULL_OPTIONS)
    except QhullError:
        return nothing
    triangles: IntArray = triangulation.simplices
    return triangles


class _Tile(NamedTuple):
    """Points of a tile with its margin.

    Attributes:
        inner: whether each point is in the tile, not only in its margin.
        low, high: x, y between which all points are known, pixels; infinite where no point is beyond.
    """

    points: IntArray
    inner: BoolArray
    low: Float64Array
    high: Float64Array


def tiled_delaunay_triangles(rows: IntArray, columns: IntArray) -> IntArray:
    """Delaunay triangulation of points that are moved by at most 1e-6 pixels.

    Args:
        rows, columns: coordinates of at least three points, (N,), pixels; row by row.

    Returns:
        Corner indices, (M, 3). Triangles can be degenerate.

    Raises:
        scipy.spatial.QhullError: all points are on one line.
    """
    places = np.stack([columns, rows], axis=1) + np.random.default_rng(0).uniform(
        -_JOGGLE_PX, _JOGGLE_PX, (rows.size, 2)
    )
    complete = np.zeros(rows.size, bool)
    tile_of = np.zeros(rows.size, np.int32)
    found, found_in = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int32)]
    for number, tile in enumerate(_tiles(rows, columns)):
        tile_of[tile.points[tile.inner]] = number
        triangles, whole = _right_triangles(places, tile)
        complete[tile.points[tile.inner & whole]] = True
        found.append(triangles)
        found_in.append(np.full(len(triangles), number, np.int32))
    triangles = np.concatenate(found)
    # A triangle can be found in several tiles. It is taken from the tile of its first complete corner.
    first = np.where(complete[triangles], triangles, rows.size).min(axis=1)
    taken = triangles[np.append(tile_of, -1)[first] == np.concatenate(found_in)]
    return np.concatenate([taken, _among_incomplete(places, complete, taken)])


def _tiles(rows: IntArray, columns: IntArray) -> Iterator[_Tile]:
    """Square tiles over the points, row by row."""
    (top, bottom), (left, right) = ((int(values.min()), int(values.max()) + 1) for values in (rows, columns))
    side = max(1, round(np.sqrt((bottom - top) * (right - left) * _POINTS_PER_TILE / rows.size)))
    margin = max(1, round(_MARGIN * side))
    for y in range(top, bottom, side):
        band = np.arange(*np.searchsorted(rows, (y - margin, y + side + margin)))
        band = band[np.argsort(columns[band], kind="stable")]
        sorted_columns = columns[band]
        for x in range(left, right, side):
            points = band[slice(*np.searchsorted(sorted_columns, (x - margin, x + side + margin)))]
            inner = (rows[points] >= y) & (rows[points] < y + side)
            inner &= (columns[points] >= x) & (columns[points] < x + side)
            low = [a - margin if a - margin > first else -np.inf for a, first in ((x, left), (y, top))]
            high = [
                a + side + margin - 1 if a + side + margin < end else np.inf for a, end in ((x, right), (y, bottom))
            ]
            yield _Tile(points, inner, np.array(low), np.array(high))


def _right_triangles(places: Float64Array, tile: _Tile) -> tuple[IntArray, BoolArray]:
    """Triangles with a corner in the tile that are right, and whether all triangles around each point are right."""
    nothing = np.zeros((0, 3), np.int64), np.zeros(len(tile.points), bool)
    if len(tile.points) < 3 or not tile.inner.any():
        return nothing
    origin = places[tile.points[0]]
    corners = places[tile.points] - origin  # small numbers, for Qhull's accuracy
    try:
        triangulation = Delaunay(corners, qhull_options=_QHULL_OPTIONS)
    except QhullError:  # points on one line
        return nothing
    triangles = triangulation.simplices
    centre, radius = _circumcircles(corners, triangles)
    right = ((centre + origin - radius > tile.low) & (centre + origin + radius < tile.high)).all(axis=1)
    whole = np.ones(len(tile.points), bool)
    whole[triangles[~right]] = False
    whole[triangulation.convex_hull] = False
    if len(triangulation.coplanar):
        whole[triangulation.coplanar[:, [0, 2]]] = False
    return tile.points[triangles[right & tile.inner[triangles].any(axis=1)]], whole


def _circumcircles(corners: Float64Array, triangles: IntArray) -> tuple[Float64Array, Float64Array]:
    """Centres (M, 2) and radii (M, 1), pixels; not finite where the corners are on one line."""
    first = corners[triangles[:, 0]]
    a, b = (corners[triangles[:, k]] - first for k in (1, 2))
    aa, bb = (np.square(side).sum(axis=1) for side in (a, b))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 0.5 / (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
        to_centre = np.stack([b[:, 1] * aa - a[:, 1] * bb, a[:, 0] * bb - b[:, 0] * aa], axis=1) * scale[:, None]
        return first + to_centre, np.hypot(*to_centre.T)[:, None]


def _among_incomplete(places: Float64Array, complete: BoolArray, taken: IntArray) -> IntArray:
    """Triangles without a complete corner.

    The triangulation of the incomplete points has them, and others that cover the triangles ``taken``. An edge of both
    separates the two kinds. A triangle that has an edge in the direction of a triangle taken lies on the same side.
    """
    points = np.flatnonzero(~complete)
    triangulation = Delaunay(places[points], qhull_options=_QHULL_OPTIONS)
    triangles, neighbours = points[triangulation.simplices], triangulation.neighbors
    count = len(places)

    def edges(corners: IntArray) -> tuple[IntArray, IntArray]:
        return corners[:, [1, 2, 0]], corners[:, [2, 0, 1]]  # opposite to each corner, counterclockwise

    begin, end = edges(taken)
    both = ~(complete[begin] | complete[end])
    known = begin[both] * count + end[both]
    begin, end = edges(triangles)
    same_side = np.isin(begin * count + end, known)
    separates = same_side | np.isin(end * count + begin, known)
    triangle, side = np.nonzero((neighbours >= 0) & ~separates)
    pairs = coo_array((np.ones(len(triangle)), (triangle, neighbours[triangle, side])), shape=(len(triangles),) * 2)
    component = connected_components(pairs, directed=False)[1]
    covers = np.isin(component, component[same_side.any(axis=1)])
    missing: IntArray = triangles[~covers]
    return missing
