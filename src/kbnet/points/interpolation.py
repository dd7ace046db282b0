"""Dense depth from sparse points alone: nearest point, and linear over the Delaunay triangulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray
from kbnet.points.sparse_points import measured_pixels
from kbnet.points.triangulation import delaunay_triangles

IntArray = NDArray[np.int64]
Float64Array = NDArray[np.float64]

_BLOCK = 512
"""Triangles drawn at a time, times the step: fresh memory for larger arrays would cost more than their arithmetic."""


def nearest(sparse_depth: FloatArray) -> FloatArray:
    """Give every pixel the depth of the measured pixel nearest to it in the image.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.

    Returns:
        Depth, (H, W), float32 metres; all 0 where nothing is measured.
    """
    measured = sparse_depth > 0
    if not measured.any():
        return np.zeros(sparse_depth.shape, np.float32)
    # Exact, and faster than a k-d tree even where that is asked for the pixels outside the hull alone.
    rows, columns = distance_transform_edt(~measured, return_distances=False, return_indices=True)
    depth: FloatArray = sparse_depth[rows, columns].astype(np.float32, copy=False)
    return depth


def linear(sparse_depth: FloatArray, step: int = 1) -> FloatArray:
    """Interpolate linearly in the triangles of a Delaunay triangulation; nearest point outside their hull.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.
        step: only every so many rows and columns are computed, from the first on, and one beyond the last if that is
            not among them.

    Returns:
        Depth at the pixels (step · i, step · j), (⌈(H - 1) / step⌉ + 1, ⌈(W - 1) / step⌉ + 1), which is (H, W) for a
        step of 1; float32 metres, and then equal to the sparse depth where that is measured. With fewer than three
        points, or points on one line, each has the depth of a nearest point; all 0 where nothing is measured.
        For a step above 1 the nearest is that of points moved to the grid.
    """
    rows, columns = measured_pixels(sparse_depth)
    measured = sparse_depth[rows, columns]
    height, width = (-(-(length - 1) // step) + 1 for length in sparse_depth.shape)
    depth = np.zeros((height, width), np.float32)
    # Points are numbered from the top row down: in ascending order, so are the corners of every triangle.
    corners = np.sort(_without_flat(delaunay_triangles(rows, columns), rows, columns), axis=1)
    x, y, z = columns[corners], rows[corners], measured.astype(np.float64)[corners]
    for begin in range(0, len(x), _BLOCK * step):
        block = slice(begin, begin + _BLOCK * step)
        _rasterise(depth, x[block], y[block], z[block], step)
    if step == 1:  # elsewhere the planes' rounding matters to nobody
        depth[rows, columns] = measured
    outside = depth == 0
    if outside.any():
        points = np.zeros_like(depth)
        points[(rows + step // 2) // step, (columns + step // 2) // step] = measured
        depth[outside] = nearest(points)[outside]
    return depth


def linear_in_hull(sparse_depth: FloatArray) -> FloatArray:
    """Interpolate linearly over scipy's Delaunay triangulation, and leave 0 outside the hull: VOICED's scaffold.

    Other triangulations differ from it, because pixels lie on a grid and many are on one circle: scipy's, of the points
    as (row, column) in raster order, is the published one.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.

    Returns:
        Depth, (H, W), float32 metres; 0 outside the hull, whose boundary is inside.

    Raises:
        KBNetError: there are fewer than three points, or all are on one line.
    """
    rows, columns = measured_pixels(sparse_depth)
    points = np.stack([rows, columns], axis=1).astype(np.float64)
    if len(points) < 3 or np.linalg.matrix_rank(points - points[0]) < 2:
        found = f"{len(points)} on one line" if len(points) > 1 else f"{len(points)}"
        raise KBNetError(
            f"expected at least three sparse points that are not on one line, got {found}: VOICED interpolates between "
            "points; leave such frames out, or use other weights"
        )
    from scipy.interpolate import LinearNDInterpolator  # takes a third of a second to import

    depth = LinearNDInterpolator(points, sparse_depth[rows, columns].astype(np.float64), fill_value=0)
    grid = np.argwhere(np.ones(sparse_depth.shape, bool)).astype(np.float64)
    dense: FloatArray = depth(grid).reshape(sparse_depth.shape).astype(np.float32)
    return dense


def _without_flat(triangles: IntArray, rows: IntArray, columns: IntArray) -> IntArray:
    x, y = columns[triangles], rows[triangles]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    solid: IntArray = triangles[area != 0]
    return solid


def _rasterise(depth: FloatArray, x: IntArray, y: IntArray, z: Float64Array, step: int) -> None:
    """Overwrite ``depth`` in triangles with corners at whole pixels ``x``, ``y`` and depth ``z``, each (N, 3).

    Corners are ordered from top to bottom. On every row of the grid that a triangle crosses, its long side (first to
    last corner) and one of its two short sides bound a span, on which its plane is evaluated.
    """
    begin = -(-y[:, :2] // step)  # the first row of the grid at or below each corner
    triangle, down = _expand(y[:, 2] // step + 1 - begin[:, 0])
    row = begin[triangle, 0] + down
    run, offset, rise = _sides(x, y)
    long_side = 3 * triangle
    short_side = long_side + 1 + (row >= begin[triangle, 1])
    # A quotient of whole numbers comes out exact where it is whole and is at least 1 / rise / step from a whole number
    # elsewhere, so rounding it up or down makes no mistake.
    left, right = ((run[side] * (row * step) + offset[side]) / (rise[side] * step) for side in (long_side, short_side))
    first = np.ceil(np.minimum(left, right)).astype(np.int64)
    last = np.floor(np.maximum(left, right)).astype(np.int64)
    along_x, along_y, constant = (coefficient[triangle] for coefficient in _planes(x, y, z))
    start = along_x * (first * step) + along_y * (row * step) + constant
    lengths = np.maximum(last - first + 1, 0)
    _fill_spans(depth.reshape(-1), row * depth.shape[1] + first, lengths, start, along_x * step)


def _sides(x: IntArray, y: IntArray) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Coefficients of the sides x = (run · y + offset) / rise, whole numbers, (3 N,): long, upper, lower of each."""
    upper, lower = [0, 0, 1], [2, 1, 2]
    run, rise = x[:, lower] - x[:, upper], np.maximum(y[:, lower] - y[:, upper], 1)  # a level side is its upper corner
    offset = x[:, upper] * rise - y[:, upper] * run
    return run.ravel().astype(np.float64), offset.ravel().astype(np.float64), rise.ravel().astype(np.float64)


def _planes(x: IntArray, y: IntArray, z: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Coefficients a, b, c, each (N,), of the planes z = a x + b y + c through triangles (N, 3)."""
    (x1, x2), (y1, y2), (z1, z2) = ((corners[:, 1:] - corners[:, :1]).T for corners in (x, y, z))
    area = x1 * y2 - x2 * y1
    along_x, along_y = (z1 * y2 - z2 * y1) / area, (x1 * z2 - x2 * z1) / area
    return along_x, along_y, z[:, 0] - along_x * x[:, 0] - along_y * y[:, 0]


def _fill_spans(
    pixels: FloatArray, first: IntArray, lengths: IntArray, start: Float64Array, slope: Float64Array
) -> None:
    """Write start, start + slope, start + 2 slope, … to the ``lengths`` pixels from ``first`` on."""
    begin = np.cumsum(lengths) - lengths
    step = np.arange(lengths.sum(), dtype=np.int32)
    pixel = np.repeat(first - begin, lengths)
    pixel += step
    step -= np.repeat(begin.astype(np.int32), lengths)
    values = np.repeat(slope.astype(np.float32), lengths)
    values *= step
    values += np.repeat(start.astype(np.float32), lengths)
    pixels[pixel] = values


def _expand(counts: IntArray) -> tuple[IntArray, IntArray]:
    """For counts (2, 3) return the owner (0, 0, 1, 1, 1) and the step (0, 1, 0, 1, 2) of every item."""
    owner = np.repeat(np.arange(counts.size), counts)
    return owner, np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
