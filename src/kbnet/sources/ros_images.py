"""Pictures in ROS messages: colour in the usual encodings, depth in metres."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, ImageArray

DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")
_CHANNELS = {
    "rgb": (0, 1, 2),
    "rgba": (0, 1, 2),
    "bgr": (2, 1, 0),
    "bgra": (2, 1, 0),
    "mono": (0, 0, 0),
}
"""Which stored channels are red, green and blue."""
_ALIASES = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "16UC3": "bgr16", "yuv422": "uyvy", "yuv422_yuy2": "yuyv"}
_LUMA_AT = {"uyvy": (1, (0, 2)), "yuyv": (0, (1, 3))}
"""Of two pixels in four bytes: where the first luma is, and where both chromas are."""
_PNG = b"\x89PNG"
_DEPTH_HEADER = struct.Struct("<i2f")
"""Of compressedDepth: format, then the two parameters of its quantisation of floats."""


def is_depth(message: Any) -> bool:
    """Whether an Image or CompressedImage holds depth."""
    if hasattr(message, "encoding"):
        return message.encoding in DEPTH_ENCODINGS
    return "compressedDepth" in message.format or message.format.startswith(DEPTH_ENCODINGS)


def decode_image(message: Any) -> ImageArray:
    """Picture of an Image or CompressedImage.

    Returns:
        RGB, (H, W, 3), uint8; of 16 bits the upper 8.

    Raises:
        KBNetError: the encoding is not known, or the message is cut off.
    """
    if not hasattr(message, "encoding"):
        with _decoded(bytes(message.data), message.format) as picture:
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    encoding = _ALIASES.get(message.encoding, message.encoding)
    if encoding in _LUMA_AT:
        return _from_yuv(_pixels(message, np.dtype(np.uint8), 2), *_LUMA_AT[encoding])
    deep = encoding.endswith("16")
    name = encoding.removesuffix("16" if deep else "8")
    if name == encoding or (name not in _CHANNELS and not name.startswith("bayer_")):
        raise KBNetError(
            f"expected an image encoded as rgb8, bgr8, rgba8, bgra8, mono8, bayer_*8, yuv422 or their 16-bit kinds, "
            f"got '{message.encoding}'; convert the topic"
        )
    channels = 1 if name not in _CHANNELS or name == "mono" else len(name)
    pixels = _pixels(message, np.dtype(np.uint16 if deep else np.uint8), channels)
    small = (pixels >> 8).astype(np.uint8) if deep else pixels
    return np.ascontiguousarray(small[..., _CHANNELS[name]]) if name in _CHANNELS else demosaic(small[..., 0], name[6:])


def decode_depth(message: Any, metres_per_unit: float | None = None) -> FloatArray:
    """Depth of an Image or CompressedImage (transport ``compressedDepth``).

    Args:
        message: of encoding 16UC1 (millimetres) or 32FC1 (metres), as ROS has it (REP 118).
        metres_per_unit: where the units are others.

    Returns:
        Depth along z, (H, W), float32 metres; 0 = unmeasured.

    Raises:
        KBNetError: it is no depth image, or cut off.
    """
    if hasattr(message, "encoding"):
        whole = message.encoding in ("16UC1", "mono16")
        if not is_depth(message):
            raise KBNetError(f"expected a depth image, 16UC1 or 32FC1, got '{message.encoding}'; name another topic")
        units = _pixels(message, np.dtype(np.uint16 if whole else np.float32), 1)[..., 0].astype(np.float32)
    else:
        content = bytes(message.data)
        start = content.find(_PNG)
        whole = message.format.startswith(("16UC1", "mono16"))
        if not is_depth(message) or start < (0 if whole else _DEPTH_HEADER.size):
            raise KBNetError(f"expected depth as compressedDepth PNG, got '{message.format}'; name another topic")
        with _decoded(content[start:], message.format) as picture:
            units = np.array(picture).astype(np.float32)
        if not whole:
            _, a, b = _DEPTH_HEADER.unpack_from(content)
            units = np.where(units > 0, a / np.where(units > b, units - b, np.inf), 0)
    depth = units * np.float32(metres_per_unit or (0.001 if whole else 1))
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def demosaic(mosaic: NDArray[np.uint8], pattern: str) -> ImageArray:
    """Colour from a Bayer mosaic: the missing channels are the mean of the neighbours that have them.

    Args:
        mosaic: (H, W), uint8.
        pattern: colours of the upper left 2x2 pixels row by row, such as ``rggb``.

    Returns:
        RGB, (H, W, 3), uint8.
    """
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)
    image = np.empty((*mosaic.shape, 3), np.uint8)
    for channel, colour in enumerate("rgb"):
        has = np.zeros(mosaic.shape, np.float32)
        for place, at in enumerate(pattern):
            if at == colour:
                has[place // 2 :: 2, place % 2 :: 2] = 1
        mean = convolve(has * mosaic, kernel, mode="constant") / convolve(has, kernel, mode="constant")
        image[..., channel] = np.rint(np.where(has > 0, mosaic, mean))
    return image


def _pixels(message: Any, kind: np.dtype[Any], channels: int) -> NDArray[Any]:
    """Stored values, (H, W, channels); rows may be padded, and bytes swapped."""
    used = message.width * channels * kind.itemsize
    if message.step < used or message.data.size < message.step * message.height:
        raise KBNetError(
            f"expected {message.height} rows of {used} bytes in an image of {message.width}x{message.height} "
            f"{message.encoding}, got {message.data.size} bytes, {message.step} a row; record it again"
        )
    rows = message.data[: message.step * message.height].reshape(message.height, message.step)[:, :used]
    values = np.ascontiguousarray(rows).view(kind.newbyteorder(">" if message.is_bigendian else "<"))
    return values.reshape(message.height, message.width, channels)


def _from_yuv(pairs: NDArray[np.uint8], luma: int, chroma: tuple[int, int]) -> ImageArray:
    """RGB of two pixels in four bytes, given as (H, W, 2): BT.601 in the full range, as cameras over USB send it."""
    height, width = pairs.shape[:2]
    if width % 2:
        raise KBNetError(f"expected a yuv422 image of even width, got {width}; convert the topic")
    four = pairs.reshape(height, width // 2, 4)
    colours = np.empty((height, width, 3), np.uint8)
    colours[..., 0] = pairs[..., luma]
    colours[..., 1:] = np.repeat(four[..., chroma], 2, axis=1)
    return np.array(Image.fromarray(colours, "YCbCr").convert("RGB"), dtype=np.uint8)


def _decoded(content: bytes, what: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content))
        picture.load()
        return picture
    except (OSError, ValueError, SyntaxError) as error:
        raise KBNetError(
            f"expected a JPEG or PNG in a compressed image '{what}', but it cannot be read ({error}); "
            "convert the topic, or record it again"
        ) from None
