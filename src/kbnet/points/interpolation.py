"""Interpolation of sparse depth: nearest point, and linear over the Delaunay triangulation."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, IntArray
from kbnet.points import triangulation
from kbnet.points.sparse_points import measured_pixels

_BLOCK = 512
"""Triangles rasterised at a time, times the step. Larger arrays take longer to allocate than to compute."""
_FEW = 0.02
"""Share of the pixels below which a tree finds their nearest points sooner than a distance transform of the image."""
_SMALL_TRIANGLE_PX = 64
"""Mean area below which four times as many are rasterised at a time."""


def nearest(sparse_depth: FloatArray) -> FloatArray:
    """Nearest-neighbour interpolation: every pixel gets the depth of the nearest measured pixel in the image.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.

    Returns:
        Depth, (H, W), float32 metres; all 0 where nothing is measured.
    """
    measured = sparse_depth > 0
    if not measured.any():
        return np.zeros(sparse_depth.shape, np.float32)
    # Exact, and faster than a k-d tree, even if the tree is queried only outside the hull.
    rows, columns = distance_transform_edt(~measured, return_distances=False, return_indices=True)
    depth: FloatArray = sparse_depth[rows, columns].astype(np.float32, copy=False)
    return depth


def linear(sparse_depth: FloatArray, step: int = 1) -> FloatArray:
    """Linear interpolation over a Delaunay triangulation; nearest point outside the convex hull.

    Args:
        sparse_depth: depth along z at a few pixels, (H, W), metres; 0 = unmeasured.
        step: stride of the computed rows and columns, starting with the first. One row and column beyond the last are
            added if the stride does not reach it.

    Returns:
        Depth at the pixels (step · i, step · j), (⌈(H - 1) / step⌉ + 1, ⌈(W - 1) / step⌉ + 1), float32 metres.

        - step 1: (H, W); equal to the sparse depth at measured pixels.
        - Fewer than three points, or points on one line: depth of a nearest point.
        - No point: all 0.
        - step above 1: many nearest points (more than 2 % of the pixels) are found after moving the points to the grid.
        - Above 60,000 points, see :func:`kbnet.points.triangulation.delaunay_triangles`.
    """
    rows, columns = measured_pixels(sparse_depth)
    measured = sparse_depth[rows, columns]
    height, width = (-(-(length - 1) // step) + 1 for length in sparse_depth.shape)
    depth = np.zeros((height, width), np.float32)
    # Points are numbered from the top row down, so sorted corners of a triangle run from top to bottom.
    corners = np.sort(_without_flat(triangulation.delaunay_triangles(rows, columns), rows, columns), axis=1)
    x, y, z = columns[corners], rows[corners], measured.astype(np.float64)[corners]
    at_once = _BLOCK * step * (4 if len(x) * _SMALL_TRIANGLE_PX > depth.size else 1)
    for begin in range(0, len(x), at_once):
        block = slice(begin, begin + at_once)
        _rasterise(depth, x[block], y[block], z[block], step)
    if step == 1:  # at measured pixels, remove the rounding of the planes
        depth[rows, columns] = measured
    outside = depth == 0
    many_points = rows.size > triangulation.MOST_AT_ONCE
    few = _FEW * depth.size if step > 1 else rows.size * many_points  # few: the row and column that the stride adds
    if rows.size and 0 < outside.sum() < few:
        tree = cKDTree(np.stack([rows, columns], axis=1) / step, balanced_tree=False, compact_nodes=False)
        depth[outside] = measured[tree.query(np.argwhere(outside))[1]]
    elif outside.any():
        points = np.zeros_like(depth)
        points[(rows + step // 2) // step, (columns + step // 2) // step] = measured
        depth[outside] = nearest(points)[outside]
    return depth


def linear_in_hull(sparse_depth: FloatArray) -> FloatArray:
    """VOICED's scaffold: linear interpolation over scipy's Delaunay triangulation, 0 outside the convex hull.

    The triangulation is not unique, because many pixels of a grid lie on one circle. The published system uses
    scipy's, with the points as (row, column) in raster order.

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
    from scipy.interpolate import LinearNDInterpolator  # the import takes a third of a second

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
    """Rasterise triangles into ``depth``; corners at whole pixels ``x``, ``y`` with depth ``z``, each (N, 3).

    Corners are ordered from top to bottom. On every row of the grid, the long side (first to last corner) and one of
    the two short sides bound a span of pixels. The plane of the triangle is evaluated on this span.
    """
    begin = -(-y[:, :2] // step)  # first row of the grid at or below each corner
    triangle, down = _expand(y[:, 2] // step + 1 - begin[:, 0])
    row = begin[triangle, 0] + down
    run, offset, rise = _sides(x, y)
    long_side = 3 * triangle
    short_side = long_side + 1 + (row >= begin[triangle, 1])
    # Rounding up or down is safe: a quotient of whole numbers is exact if it is whole, and otherwise at least
    # 1 / rise / step away from a whole number.
    left, right = ((run[side] * (row * step) + offset[side]) / (rise[side] * step) for side in (long_side, short_side))
    first = np.ceil(np.minimum(left, right)).astype(np.int64)
    last = np.floor(np.maximum(left, right)).astype(np.int64)
    along_x, along_y, constant = (coefficient[triangle] for coefficient in _planes(x, y, z))
    start = along_x * (first * step) + along_y * (row * step) + constant
    lengths = np.maximum(last - first + 1, 0)
    _fill_spans(depth.reshape(-1), row * depth.shape[1] + first, lengths, start, along_x * step)


def _sides(x: IntArray, y: IntArray) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Integer coefficients of the sides x = (run · y + offset) / rise, (3 N,): long, upper, lower side of each."""
    upper, lower = [0, 0, 1], [2, 1, 2]
    run, rise = x[:, lower] - x[:, upper], np.maximum(y[:, lower] - y[:, upper], 1)  # horizontal: its upper corner
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
    """Fill ``lengths`` pixels from ``first`` on with start, start + slope, start + 2 slope, …"""
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
