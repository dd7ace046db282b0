"""Packing of maps and points into short text for a page; ``web/unpack.js`` unpacks it."""

from __future__ import annotations

import base64
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kbnet.frame import FloatArray, ImageArray

LEAST = 0.001
"""Value of the code 1, metres; the code 0 is unmeasured."""
DEPTH_STEP, ERROR_STEP = 0.001, 0.02
"""Logarithmic step from one code to the next: 0.1 % for depth, 2 % for errors."""
JPEG_QUALITY = 85


def pack_map(values: FloatArray, step: float) -> str:
    """Pack a map: codes are stored as differences from the plane through their neighbours, which are mostly small.

    Args:
        values: (H, W), metres; 0 = unmeasured.
        step: ``DEPTH_STEP`` or ``ERROR_STEP``.
    """
    codes = logarithmic(values, step)
    above = np.diff(codes, axis=0, prepend=np.zeros((1, codes.shape[1]), np.uint16))
    differences = np.diff(above, axis=1, prepend=np.zeros((codes.shape[0], 1), np.uint16)).view(np.int16)
    # Signed to unsigned: 0, -1, 1, -2 become 0, 1, 2, 3.
    return pack_numbers(((differences << 1) ^ (differences >> 15)).view(np.uint16))


def pack_numbers(numbers: NDArray[np.uint16]) -> str:
    """Pack numbers of any shape, row by row: all low bytes, then all high bytes, deflated, in base64."""
    planes = np.concatenate([(numbers & 255).ravel(), (numbers >> 8).ravel()]).astype(np.uint8)
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def pack_image(image: ImageArray, size: tuple[int, int]) -> str:
    """JPEG of (H, W) pixels as a ``data:`` address."""
    file = BytesIO()
    picture = Image.fromarray(image)
    if size != image.shape[:2]:
        picture = picture.resize(size[::-1], Image.Resampling.LANCZOS)
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def logarithmic(values: NDArray[np.floating], step: float) -> NDArray[np.uint16]:
    """Codes of values ``LEAST * exp((code - 1) * step)``; 0 for 0, 1 for values below ``LEAST``."""
    codes = np.rint(np.log(np.maximum(values, LEAST) / LEAST) / step) + 1
    return np.where(values > 0, codes, 0).astype(np.uint16)


def sampled(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resample a map to (H, W) pixels by the nearest pixel, without mixing values."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(size, values.shape, strict=True)
    )
    return values[np.ix_(rows, columns)]
