"""Dense depth from sparse points alone: nearest point, and linear over the Delaunay triangulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import Delaunay, QhullError

from kbnet.frame import FloatArray

IntArray = NDArray[np.int64]
Float64Array = NDArray[np.float64]

_BLOCK = 512
"""Triangles drawn at a time: fresh memory for larger arrays would cost more than the arithmetic on them."""


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
    rows, columns = np.nonzero(sparse_depth > 0)
    depth = nearest(sparse_depth if step == 1 else _on_grid(sparse_depth, rows, columns, step))
    if rows.size < 3:
        return depth
    try:
        triangles = Delaunay(np.stack([columns, rows], axis=1)).simplices
    except QhullError:
        return depth
    x, y, z = (corner[triangles] for corner in (columns, rows, sparse_depth[rows, columns].astype(np.float64)))
    flat = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) == (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    x, y, z = x[~flat], y[~flat], z[~flat]
    for begin in range(0, len(x), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        _rasterise(depth, x[block], y[block], z[block], step)
    if step == 1:  # elsewhere the planes' rounding matters to nobody
        depth[rows, columns] = sparse_depth[rows, columns]
    return depth


def _on_grid(sparse_depth: FloatArray, rows: IntArray, columns: IntArray, step: int) -> FloatArray:
    height, width = (-(-(length - 1) // step) + 1 for length in sparse_depth.shape)
    grid = np.zeros((height, width), np.float32)
    grid[(rows + step // 2) // step, (columns + step // 2) // step] = sparse_depth[rows, columns]
    return grid


def _rasterise(depth: FloatArray, x: IntArray, y: IntArray, z: Float64Array, step: int) -> None:
    """Overwrite ``depth`` in triangles with corners at whole pixels ``x``, ``y`` and depth ``z``, each (N, 3).

    On every row of the grid that a triangle crosses, its long side (top to bottom corner) and one of its two short
    sides bound a span, on which its plane is evaluated.
    """
    order = np.argsort(y, axis=1)
    x, y = np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)
    z = np.take_along_axis(z, order, axis=1)
    # Rows of the grid: the first at or below each corner, and the first that lies below the lowest.
    begin = -(-y // step)
    end = y[:, 2] // step + 1
    rows = end - begin[:, 0]
    long_side = _columns(x[:, 0], y[:, 0], x[:, 2] - x[:, 0], y[:, 2] - y[:, 0], begin[:, 0], rows, step)
    run, rise = np.diff(x, axis=1).ravel(), np.diff(y, axis=1).ravel()
    short_rows = np.stack([begin[:, 1] - begin[:, 0], end - begin[:, 1]], axis=1).ravel()
    short_sides = _columns(x[:, :2].ravel(), y[:, :2].ravel(), run, rise, begin[:, :2].ravel(), short_rows, step)
    first = np.ceil(np.minimum(long_side, short_sides) / step).astype(np.int64)
    last = np.floor(np.maximum(long_side, short_sides) / step).astype(np.int64)

    triangle, down = _expand(rows)
    row = begin[triangle, 0] + down
    along_x, along_y, constant = (coefficient[triangle] for coefficient in _planes(x, y, z))
    start = along_x * (first * step) + along_y * (row * step) + constant
    lengths = np.maximum(last - first + 1, 0)
    _fill_spans(depth.reshape(-1), row * depth.shape[1] + first, lengths, start, along_x * step)


def _columns(
    x: IntArray, y: IntArray, run: IntArray, rise: IntArray, begin: IntArray, rows: IntArray, step: int
) -> Float64Array:
    """x of line segments on ``rows`` rows of the grid from ``begin`` on, one segment after another.

    Segments start at (x, y); a level one stays at its beginning. A quotient of whole numbers comes out exact where it
    is whole and is at least 1 / rise from a whole number elsewhere, so rounding it up or down makes no mistake.
    """
    segment, down = _expand(rows)
    below = (begin[segment] + down) * step - y[segment]
    return x[segment] + run[segment] * below / np.maximum(rise, 1)[segment]


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
