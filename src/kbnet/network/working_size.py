"""A frame at a fraction of its size: colours are averaged, depth is chosen, so that no depth is made up at an edge."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kbnet.frame import MINIMUM_SIZE, FloatArray, Frame, ImageArray
from kbnet.points.sparse_points import measured_pixels, points_to_map

MOST_POINTS = 30_000
"""Above so many points of a reduced frame some are left out: triangulating 240,000 takes 4 s."""
ROWS_OF_CELLS = 32
"""Rows of cells whose mean is taken at a time."""


def working_factor(size: tuple[int, int], working_side: int) -> int:
    """Factor by which a frame is reduced before the network sees it, at least 1.

    Args:
        size: (H, W), pixels.
        working_side: longer side to come near to, pixels; 0 = frames are not reduced.

    Example:
        >>> [working_factor(size, 640) for size in ((480, 640), (720, 1280), (3000, 4000), (40, 4000))]
        [1, 2, 6, 1]
    """
    if working_side == 0:
        return 1
    return max(1, min(round(max(size) / working_side), min(size) // MINIMUM_SIZE))


def reduced_frame(frame: Frame, factor: int) -> Frame:
    """One pixel for every ``factor`` x ``factor`` pixels; rows and columns that fill no cell are left out.

    Args:
        frame: any.
        factor: at least 1.

    Returns:
        The image averaged, of the sparse points the nearest in a cell, of the ground truth the lower median of the
        measured pixels in a cell, and K to match.
    """
    if factor == 1:
        return frame
    truth = frame.ground_truth
    return Frame(
        reduced_image(frame.image, factor),
        reduced_points(frame.sparse_depth, factor),
        reduced_intrinsics(frame.intrinsics, factor),
        None if truth is None else reduced_depth(truth, factor),
        frame.name,
    )


def reduced_image(image: ImageArray, factor: int) -> ImageArray:
    """Mean colour of every cell, (H // factor, W // factor, 3), uint8."""
    height, width = (length // factor for length in image.shape[:2])
    cut = image[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    mean: ImageArray = np.rint(cut.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)
    return mean


def reduced_points(sparse_depth: FloatArray, factor: int, *, whole_cells: bool = True) -> FloatArray:
    """Nearest measured depth of every cell, metres; 0 = none.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        factor: at least 1.
        whole_cells: leave out rows and columns that fill no cell.

    Returns:
        (H // factor, W // factor), or (ceil(H / factor), ceil(W / factor)) without ``whole_cells``; float32 metres.
    """
    height, width = sparse_depth.shape
    rows, columns = measured_pixels(sparse_depth)
    cells = np.stack([columns // factor, rows // factor], axis=1).astype(np.float64)
    nearest = points_to_map(cells, sparse_depth[rows, columns], (-(-height // factor), -(-width // factor)))
    return nearest[: height // factor, : width // factor] if whole_cells else nearest


def working_points(sparse_depth: FloatArray, factor: int) -> FloatArray:
    """Sparse depth of a frame at the size at which it is completed.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        factor: of :func:`working_factor`.

    Returns:
        As it is for a factor of 1; otherwise the nearest depth of every cell; of more than 30,000 cells some, evenly
        spread; (ceil(H / factor), ceil(W / factor)), float32 metres.
    """
    if factor == 1:
        return sparse_depth
    return spread_points(reduced_points(sparse_depth, factor, whole_cells=False), MOST_POINTS)


def spread_points(sparse_depth: FloatArray, most: int) -> FloatArray:
    """Leave about ``most`` points, evenly spread: of k x k pixels the point nearest to their centre.

    Which one is independent of its depth: always the nearest depth would prefer outliers in front of a surface.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        most: with k = ceil(sqrt(points / most)); no more points than this are left as they are.

    Returns:
        (H, W), float32 metres; 0 = unmeasured.
    """
    rows, columns = measured_pixels(sparse_depth)
    if rows.size <= most:
        return sparse_depth
    spacing = math.ceil(math.sqrt(rows.size / most))
    cell = rows // spacing * sparse_depth.shape[1] + columns // spacing
    offset = np.hypot(*(places % spacing - (spacing - 1) / 2 for places in (rows, columns)))
    order = np.lexsort((offset, cell))
    chosen = order[np.diff(cell[order], prepend=-1) > 0]
    left = np.zeros_like(sparse_depth)
    left[rows[chosen], columns[chosen]] = sparse_depth[rows[chosen], columns[chosen]]
    return left


def reduced_depth(depth: FloatArray, factor: int) -> FloatArray:
    """Lower median of the measured depth of every cell, (H // factor, W // factor), metres; 0 = none."""
    cells = np.sort(_cells(depth, factor), axis=-1)
    measured = (cells > 0).sum(axis=-1)
    middle = cells.shape[-1] - measured + np.maximum(measured - 1, 0) // 2
    chosen: FloatArray = np.take_along_axis(cells, middle.clip(max=cells.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    return np.where(measured > 0, chosen, np.float32(0))


def reduced_intrinsics(intrinsics: FloatArray, factor: int) -> FloatArray:
    """K of the reduced image: pixel i covers pixels ``factor`` i to ``factor`` (i + 1) - 1.

    Args:
        intrinsics: K, (3, 3) or (B, 3, 3), pixels.
        factor: at least 1.
    """
    K = intrinsics.astype(np.float32).copy()
    K[..., :2, 2] -= (factor - 1) / 2
    K[..., :2, :] /= factor
    return K


def mean_of_cells(image: Tensor, factor: int) -> Tensor:
    """Mean colour of every cell; the last row and column of cells may hold fewer pixels.

    Args:
        image: RGB, uint8 or float, (B, 3, H, W).
        factor: at least 1.

    Returns:
        (B, 3, ceil(H / factor), ceil(W / factor)), float, in the unit of ``image``.
    """
    blocks = torch.split(image, factor * ROWS_OF_CELLS, dim=-2)  # no float copy of the whole image
    return torch.cat([F.avg_pool2d(block.float(), factor, ceil_mode=True) for block in blocks], dim=-2)


def _cells(depth: FloatArray, factor: int) -> NDArray[np.float32]:
    """(H // factor, W // factor, factor²)."""
    height, width = (length // factor for length in depth.shape)
    cut = depth[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return cut.transpose(0, 2, 1, 3).reshape(height, width, factor * factor)
