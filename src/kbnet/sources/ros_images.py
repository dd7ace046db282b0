"""Pictures in ROS messages: colour in the usual encodings, depth in metres."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy.ndimage import convolve

from kbnet.errors import DAMAGE, KBNetError
from kbnet.frame import FloatArray, ImageArray
from kbnet.limits import check_count
from kbnet.sources.depth_file import measured_units
from kbnet.sources.ros_points import rows_of
from kbnet.sources.rvl import decode_rvl

DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")
_CHANNELS = {
    "rgb": (0, 1, 2),
    "rgba": (0, 1, 2),
    "bgr": (2, 1, 0),
    "bgra": (2, 1, 0),
    "mono": (0, 0, 0),
}
"""Which stored channels are red, green and blue."""
_ALIASES = {
    "8UC1": "mono8",
    "8UC3": "bgr8",
    "8UC4": "bgra8",
    "16UC3": "bgr16",
    "yuv422": "uyvy",
    "yuv422_yuy2": "yuyv",
} | {"UYVY": "uyvy", "YUYV": "yuyv"}
_LUMA_AT = {"uyvy": (1, (0, 2)), "yuyv": (0, (1, 3))}
"""Of two pixels in four bytes: where the first luma is, and where both chromas are."""
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
"""Of compressed images, by Pillow's names."""
_DECODING_ERRORS: tuple[type[Exception], ...] = (OSError, *DAMAGE, Image.DecompressionBombError)
_PNG = b"\x89PNG"
_RVL_SIZE = struct.Struct("<2i")
"""Width and height, after the header."""
_LARGEST_SIDE = 1 << 14
_TWELVE_BITS = 1 << 12
_DEPTH_HEADER = struct.Struct("<i2f")
"""Of compressedDepth: format, then the two parameters of its quantisation of floats."""


def is_depth(message: Any, topic: str = "depth") -> bool:
    """Whether an Image or CompressedImage holds depth; ``mono16`` does if the name of its topic says so."""
    encoding = message.encoding if hasattr(message, "encoding") else message.format.partition(";")[0].strip()
    if encoding == "mono16":
        return "depth" in topic.lower()
    return encoding in DEPTH_ENCODINGS or "compressedDepth" in getattr(message, "format", "")


def decode_image(message: Any) -> ImageArray:
    """Picture of an Image or CompressedImage.

    Returns:
        RGB, (H, W, 3), uint8; of 16 bits the upper 8.

    Raises:
        KBNetError: the encoding is not known, or the message is cut off.
    """
    if not hasattr(message, "encoding"):
        return _decompressed(message)
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
    small = _upper_byte(pixels, message.encoding) if deep else pixels
    return np.ascontiguousarray(small[..., _CHANNELS[name]]) if name in _CHANNELS else demosaic(small[..., 0], name[6:])


def message_size(message: Any) -> tuple[int, int]:
    """(H, W) of the picture in an Image or CompressedImage, pixels."""
    if hasattr(message, "encoding"):
        return int(message.height), int(message.width)
    if is_depth(message):
        height, width = decode_depth(message).shape
        return height, width
    with _decoded(bytes(message.data), message.format) as picture:
        return picture.height, picture.width


def decode_depth(message: Any, metres_per_unit: float | None = None) -> FloatArray:
    """Depth of an Image or CompressedImage (transport ``compressedDepth``).

    Args:
        message: of encoding 16UC1 (millimetres) or 32FC1 (metres), as ROS has it (REP 118).
        metres_per_unit: where the units are others.

    Returns:
        Depth along z, (H, W), float32 metres; 0 = unmeasured, which whole numbers of 65535 are too.

    Raises:
        KBNetError: it is no depth image, or cut off.
    """
    if hasattr(message, "encoding"):
        whole = message.encoding in ("16UC1", "mono16")
        if not is_depth(message):
            raise KBNetError(f"expected a depth image, 16UC1 or 32FC1, got '{message.encoding}'; name another topic")
        units = _pixels(message, np.dtype(np.uint16 if whole else np.float32), 1)[..., 0]
        units = measured_units(units) if whole else units.astype(np.float32)
    else:
        units, whole = _decompressed_depth(message)
    depth = units * np.float32(metres_per_unit or (0.001 if whole else 1))
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def _decompressed_depth(message: Any) -> tuple[FloatArray, bool]:
    """Stored values of compressedDepth, (H, W), and whether they are whole units, not metres."""
    content = bytes(message.data)
    start = content.find(_PNG)
    encoding = message.format.partition(";")[0].strip()
    if not is_depth(message) or len(content) < _DEPTH_HEADER.size:
        raise KBNetError(f"expected depth as compressedDepth, got '{message.format}'; name another topic")
    _, a, b = _DEPTH_HEADER.unpack_from(content)
    # The parameters are of floats, and 0 for whole numbers.
    whole = encoding in ("16UC1", "mono16") or (encoding != "32FC1" and a == 0 and b == 0)
    if start in (0, _DEPTH_HEADER.size):
        with _decoded(content[start:], message.format) as picture:
            units = np.array(picture).astype(np.float32)
    else:
        width, height = _RVL_SIZE.unpack_from(content.ljust(_DEPTH_HEADER.size + _RVL_SIZE.size), _DEPTH_HEADER.size)
        if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
            raise KBNetError(f"expected depth as PNG or RVL in '{message.format}', got neither; name another topic")
        check_count(width * height, "pixels", "a depth image of the bag")
        packed = content[_DEPTH_HEADER.size + _RVL_SIZE.size :]
        units = decode_rvl(packed, width * height).reshape(height, width).astype(np.float32)
    if whole or (start == 0 and encoding != "32FC1"):
        return measured_units(units), True
    if not (a > 0 and np.isfinite(b)):
        raise KBNetError(f"expected parameters of floats in '{message.format}', got {a:g} and {b:g}; record it again")
    return np.where(units > 0, a / np.where(units > b, units - b, np.inf), 0).astype(np.float32), False


def _decompressed(message: Any) -> ImageArray:
    """RGB of a CompressedImage, (H, W, 3), uint8."""
    encoding, _, how = message.format.partition(";")
    encoding = encoding.strip()
    with _decoded(bytes(message.data), message.format) as picture:
        stored = np.array(picture) if picture.mode.startswith(("I", "L")) else np.array(picture.convert("RGB"))
    if stored.dtype != np.uint8:
        stored = _upper_byte(stored, message.format)
    if stored.ndim == 2 and encoding.startswith("bayer_"):
        return demosaic(stored, encoding[6:10])
    if stored.ndim == 3 and stored.shape[2] != 3:  # grey with transparency
        stored = stored[..., 0]
    if stored.ndim == 2:
        return np.repeat(stored[..., None], 3, axis=2)
    # A publisher that says it stored RGB handed it to an encoder that takes BGR.
    swapped = how.strip().split(" ")[-1].startswith("rgb") and encoding.startswith("rgb")
    return np.ascontiguousarray(stored[..., ::-1]) if swapped else stored


def _upper_byte(pixels: NDArray[Any], encoding: str) -> NDArray[np.uint8]:
    """The upper 8 of 16 bits.

    Raises:
        KBNetError: all values are below 4096, as of a sensor with 10 or 12 bits, whose picture would be black.
    """
    if 0 < int(pixels.max(initial=0)) < _TWELVE_BITS:
        raise KBNetError(
            f"expected 16 bits of brightness in '{encoding}', got at most {int(pixels.max())}, as of 10 or 12 bits; "
            "scale the topic to 16 or 8 bits"
        )
    return (pixels.astype(np.uint16) >> 8).astype(np.uint8)


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
    what = f"{message.width}x{message.height} {message.encoding} image"
    rows = rows_of(message.data, message.height, used, message.step, what)
    values = np.ascontiguousarray(rows).view(kind.newbyteorder(">" if message.is_bigendian else "<"))
    return values.reshape(message.height, message.width, channels)


def _from_yuv(pairs: NDArray[np.uint8], luma: int, chroma: tuple[int, int]) -> ImageArray:
    """RGB of two pixels in four bytes, given as (H, W, 2)."""
    height, width = pairs.shape[:2]
    if width % 2:
        raise KBNetError(f"expected a yuv422 image of even width, got {width}; convert the topic")
    four = pairs.reshape(height, width // 2, 4)
    return yuv_to_rgb(pairs[..., luma], np.repeat(four[..., chroma], 2, axis=1))


def yuv_to_rgb(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> ImageArray:
    """RGB of luma and chroma: BT.601 in its range of 16 to 235, as OpenCV has it.

    Args:
        luma: (H, W), uint8.
        chroma: blue and red of each pixel, (H, W, 2), uint8.

    Returns:
        RGB, (H, W, 3), uint8.
    """
    y = (luma.astype(np.float32) - 16) * np.float32(255 / 219)
    blue, red = np.moveaxis((chroma.astype(np.float32) - 128) * np.float32(255 / 224), -1, 0)
    colours = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=-1)
    return np.asarray(np.rint(colours).clip(0, 255), np.uint8)


def _decoded(content: bytes, what: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        check_count(picture.width * picture.height, "pixels", "an image of the bag")
        picture.load()
        return picture
    except _DECODING_ERRORS as error:
        reason = "unknown format" if isinstance(error, UnidentifiedImageError) else error
        raise KBNetError(
            f"expected a JPEG or PNG in a compressed image '{what}', but it cannot be read ({reason}); "
            "convert the topic, or record it again"
        ) from None
