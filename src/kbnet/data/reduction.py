"""A frame at a fraction of its size: colours are averaged, depth is chosen, so that no depth is made up at an edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, Frame, ImageArray


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


def reduced_points(sparse_depth: FloatArray, factor: int) -> FloatArray:
    """Nearest measured depth of every cell, (H // factor, W // factor), metres; 0 = none."""
    cells = _cells(sparse_depth, factor)
    nearest = np.where(cells > 0, cells, np.inf).min(axis=-1)
    return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)


def reduced_depth(depth: FloatArray, factor: int) -> FloatArray:
    """Lower median of the measured depth of every cell, (H // factor, W // factor), metres; 0 = none."""
    cells = np.sort(_cells(depth, factor), axis=-1)
    measured = (cells > 0).sum(axis=-1)
    middle = cells.shape[-1] - measured + np.maximum(measured - 1, 0) // 2
    chosen: FloatArray = np.take_along_axis(cells, middle.clip(max=cells.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    return np.where(measured > 0, chosen, np.float32(0))


def reduced_intrinsics(intrinsics: FloatArray, factor: int) -> FloatArray:
    """K of the reduced image: pixel i covers pixels ``factor`` i to ``factor`` (i + 1) - 1."""
    K = intrinsics.astype(np.float32).copy()
    K[:2, 2] -= (factor - 1) / 2
    K[:2] /= factor
    return K


def _cells(depth: FloatArray, factor: int) -> NDArray[np.float32]:
    """(H // factor, W // factor, factor²)."""
    height, width = (length // factor for length in depth.shape)
    cut = depth[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return cut.transpose(0, 2, 1, 3).reshape(height, width, factor * factor)
