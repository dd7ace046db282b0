"""Whether K can belong to images of a size: the mistake of resizing images and leaving K as it was."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

FAR_FROM_MIDDLE = 0.2
"""Of width or height. K of images twice or half as large has its centre half or a quarter away from the middle."""
TURNED = 0.1
"""The same, if the centre is the middle of images turned by 90 degrees, of 5:4 or longer."""
FOCAL_LENGTHS = (0.1, 20.0)
"""Of lenses, in longer sides of the image: those of millimetres or of shares of the image are smaller."""


def warn_of_far_centre(intrinsics: NDArray[Any], size: tuple[int, int], *, of: str = "K") -> None:
    """Warn if the principal point is far from the middle of the image, as that of a lens hardly ever is.

    Also warns of focal lengths that no lens has.

    Args:
        intrinsics: K, (3, 3), pixels.
        size: (H, W) of the image, pixels.
    """
    height, width = size
    x, y = intrinsics[:2, 2]
    focal = intrinsics[0, 0] / max(size)
    if not FOCAL_LENGTHS[0] < focal < FOCAL_LENGTHS[1]:
        warnings.warn(
            f"{of} has fx {intrinsics[0, 0]:.4g}, which is {focal:.2g} times the longer side of {width}x{height} "
            "pixels, as of no lens: write fx, fy, cx and cy in pixels of these images",
            stacklevel=3,
        )
    elif _off(intrinsics, width, height) > FAR_FROM_MIDDLE or is_of_turned(intrinsics, size):
        warnings.warn(
            f"{of} has its centre at ({x:.0f}, {y:.0f}), far from the middle of {width}x{height} pixels (width x "
            "height): is it of another resolution? Scale K with the images; if they were turned, exchange x and y",
            stacklevel=3,
        )


def is_of_turned(intrinsics: NDArray[Any], size: tuple[int, int]) -> bool:
    """Whether K, (3, 3), seems to belong to images that were turned by 90 degrees to those of this (H, W)."""
    off, turned = _off(intrinsics, *size[::-1]), _off(intrinsics, *size)
    return off > TURNED and 3 * turned < off


def _off(intrinsics: NDArray[Any], width: int, height: int) -> float:
    """From the principal point to the middle, as a share of width or height, whichever is larger."""
    return float(np.abs(intrinsics[:2, 2] / (width, height) - 0.5).max())
