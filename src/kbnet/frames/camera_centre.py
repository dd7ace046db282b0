"""Whether K can belong to images of a size: the mistake of resizing images and leaving K as it was."""

from __future__ import annotations

import warnings
from typing import Any

from numpy.typing import NDArray

FAR_FROM_MIDDLE = 0.2
"""Of width or height. K of images twice or half as large has its centre half or a quarter away from the middle."""
TURNED = 0.1
"""The same, if the centre is the middle of images turned by 90 degrees, of 5:4 or longer."""


def warn_of_far_centre(intrinsics: NDArray[Any], size: tuple[int, int], *, of: str = "K") -> None:
    """Warn if the principal point is far from the middle of the image, as that of a lens hardly ever is.

    Args:
        intrinsics: K, (3, 3), pixels.
        size: (H, W) of the image, pixels.
    """
    height, width = size
    x, y = intrinsics[:2, 2]
    off, turned = (max(abs(x / w - 0.5), abs(y / h - 0.5)) for w, h in ((width, height), (height, width)))
    if off > FAR_FROM_MIDDLE or (off > TURNED and 3 * turned < off):
        warnings.warn(
            f"{of} has its centre at ({x:.0f}, {y:.0f}), far from the middle of {width}x{height} pixels (width x "
            "height): is it of another resolution? Scale K with the images; if they were turned, exchange x and y",
            stacklevel=3,
        )
