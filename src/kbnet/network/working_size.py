"""Reduction of large frames and enlargement of small ones.

In a reduction colours are averaged and depth is selected, so that no depth is mixed at an edge.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.frame import MINIMUM_SIZE, FloatArray, Frame, ImageArray
from kbnet.points.sparse_points import measured_pixels, points_to_map

MOST_POINTS = 30_000
"""Largest number of points of a reduced frame; triangulating 240,000 takes 4 s."""
ROWS_OF_CELLS = 32
"""Rows of cells that are averaged at a time."""
MOST_ENLARGED = 4
"""Largest factor by which a small frame is enlarged."""


def working_factor(size: tuple[int, int], working_side: int) -> int:
    """Integer factor by which a frame is reduced before the network, at least 1.

    Args:
        size: (H, W), pixels.
        working_side: longer side to approximate, pixels; 0 = no reduction.

    Example:
        >>> [working_factor(size, 640) for size in ((480, 640), (720, 1280), (3000, 4000), (40, 4000))]
        [1, 2, 6, 1]
    """
    if working_side == 0:
        return 1
    return max(1, min(round(max(size) / working_side), min(size) // MINIMUM_SIZE))


def enlargement(size: tuple[int, int], working_side: int) -> int:
    """Integer factor by which a small frame is enlarged before the network, so that its details have the trained size.

    Args:
        size: (H, W), pixels.
        working_side: longer side not to exceed, pixels; 0 = no enlargement.

    Example:
        >>> [enlargement(size, 640) for size in ((480, 640), (240, 320), (144, 256), (60, 80))]
        [1, 2, 2, 4]
    """
    return max(1, min(working_side // max(size), MOST_ENLARGED))


def enlarged_batch(
    image: Tensor, sparse_depth: Tensor, intrinsics: Tensor, factor: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge a batch: pixel x moves to ``factor`` x, so that every ``factor``-th row and column is the batch itself.

    Args:
        image: RGB, (B, 3, H, W), uint8 or float; the new pixels are interpolated bilinearly.
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured, as the new pixels are.
        intrinsics: K, (B, 3, 3), pixels.

    Returns:
        The same of (factor H, factor W) pixels; the last rows and columns are repeated.
    """
    if factor == 1:
        return image, sparse_depth, intrinsics
    between = F.interpolate(
        image.float(), [factor * (length - 1) + 1 for length in image.shape[-2:]], mode="bilinear", align_corners=True
    )
    between = F.pad(between, (0, factor - 1, 0, factor - 1), mode="replicate")
    if image.dtype == torch.uint8:
        between = between.round().to(torch.uint8)
    points = sparse_depth.new_zeros(*sparse_depth.shape[:2], *between.shape[-2:])
    points[..., ::factor, ::factor] = sparse_depth
    K = intrinsics.clone()
    K[..., :2, :] *= factor
    return between, points, K


def enlarged_values(values: FloatArray, factor: int) -> FloatArray:
    """Value of the nearest pixel at every pixel of the enlarged frame; a mean would mix sides of an edge."""
    rows, columns = (((np.arange(factor * n) + factor // 2) // factor).clip(max=n - 1) for n in values.shape)
    nearest: FloatArray = values[np.ix_(rows, columns)]
    return nearest


def reduced_frame(frame: Frame, factor: int) -> Frame:
    """Reduce a frame: one pixel for every cell of ``factor`` x ``factor`` pixels, without incomplete cells.

    Returns:
        Frame with the mean colour, the nearest sparse point and the lower median of ground truth of every cell, and
        with the K of the reduced image.
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
    """Nearest measured depth of every cell, metres; 0 = unmeasured.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        whole_cells: drop incomplete cells.

    Returns:
        (H // factor, W // factor), or (ceil(H / factor), ceil(W / factor)) without ``whole_cells``; float32 metres.
    """
    height, width = sparse_depth.shape
    rows, columns = measured_pixels(sparse_depth)
    cells = np.stack([columns // factor, rows // factor], axis=1).astype(np.float64)
    nearest = points_to_map(cells, sparse_depth[rows, columns], (-(-height // factor), -(-width // factor)))
    return nearest[: height // factor, : width // factor] if whole_cells else nearest


def working_points(sparse_depth: FloatArray, factor: int) -> FloatArray:
    """Sparse depth of a frame at its working size.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.

    Returns:
        (ceil(H / factor), ceil(W / factor)), float32 metres; 0 = unmeasured. Factor 1: unchanged. Otherwise the nearest
        depth of every cell; of more than 30,000 points an evenly spread part.
    """
    if factor == 1:
        return sparse_depth
    return spread_points(reduced_points(sparse_depth, factor, whole_cells=False), MOST_POINTS)


def spread_points(sparse_depth: FloatArray, most: int) -> FloatArray:
    """Thin out points to about ``most``, evenly spread: of k x k pixels, the point nearest to their centre.

    The choice does not depend on depth, because the nearest depth would prefer outliers in front of a surface.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        most: limit; k = ceil(sqrt(points / most)). Up to this number, points are unchanged.

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
    """Lower median of the measured depth of every cell, (H // factor, W // factor), metres; 0 = unmeasured."""
    cells = np.sort(_cells(depth, factor), axis=-1)
    measured = (cells > 0).sum(axis=-1)
    middle = cells.shape[-1] - measured + np.maximum(measured - 1, 0) // 2
    chosen: FloatArray = np.take_along_axis(cells, middle.clip(max=cells.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    return np.where(measured > 0, chosen, np.float32(0))


def reduced_intrinsics(intrinsics: FloatArray, factor: int) -> FloatArray:
    """Intrinsics K of the reduced image, whose pixel i covers pixels ``factor`` i to ``factor`` (i + 1) - 1.

    Args:
        intrinsics: K, (3, 3) or (B, 3, 3), pixels.
    """
    K = intrinsics.astype(np.float32).copy()
    K[..., :2, 2] -= (factor - 1) / 2
    K[..., :2, :] /= factor
    return K


def values_at_cells(values: FloatArray, factor: int) -> FloatArray:
    """Value at the centre of every cell, (ceil(H / factor), ceil(W / factor)); a mean would mix sides of an edge."""
    rows, columns = (np.minimum(np.arange(factor // 2, n + factor // 2, factor), n - 1) for n in values.shape)
    return values[np.ix_(rows, columns)]


def mean_of_cells(image: Tensor, factor: int) -> Tensor:
    """Mean colour of every cell; the last row and column of cells may hold fewer pixels.

    Args:
        image: RGB, uint8 or float, (B, 3, H, W).

    Returns:
        (B, 3, ceil(H / factor), ceil(W / factor)), float, in the unit of ``image``.
    """
    blocks = torch.split(image, factor * ROWS_OF_CELLS, dim=-2)  # no float copy of the whole image
    return torch.cat([F.avg_pool2d(block.float(), factor, ceil_mode=True) for block in blocks], dim=-2)


def _cells(depth: FloatArray, factor: int) -> FloatArray:
    """Pixels of every cell, (H // factor, W // factor, factor²)."""
    height, width = (length // factor for length in depth.shape)
    cut = depth[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return cut.transpose(0, 2, 1, 3).reshape(height, width, factor * factor)
