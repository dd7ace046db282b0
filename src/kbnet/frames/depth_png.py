"""The one codec of depth files: 16-bit greyscale PNG, metres x 256, 0 = unmeasured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frame import FloatArray, check_depth
from kbnet.frames.image_file import open_picture

UNITS_PER_METRE = 256.0
MAXIMUM_DEPTH = 65535 / UNITS_PER_METRE
"""Deepest value that 16 bits hold, metres."""

_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")


_WRITER = "write it with kbnet.frames.depth_png.write_depth_png"


def read_depth_png(
    path: str | Path, what: str = "depth map", *, values: str = "metres x 256", remedy: str = _WRITER
) -> FloatArray:
    """Read a depth map.

    Args:
        what: what it should hold, for the error message.
        values: what its numbers are, likewise.
        remedy: how to make such a file, likewise.

    Returns:
        Depth along z, (H, W), float32 metres; 0 = unmeasured.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is truncated, not a PNG, or not 16-bit greyscale.
    """
    if Path(path).suffix.lower() in (".npy", ".exr"):
        raise KBNetError(f"expected a 16-bit greyscale PNG ({values}) as {what}, got {path}; {remedy}")
    picture = open_picture(path, f"a {what}")
    if picture.format != "PNG" or picture.mode not in _SIXTEEN_BIT_MODES:
        raise KBNetError(
            f"expected a 16-bit greyscale PNG ({values}) as {what}, got mode '{picture.mode}' ({picture.format}) in "
            f"{path}; {remedy}"
        )
    return np.asarray(picture).astype(np.float32) / np.float32(UNITS_PER_METRE)


def spread_depth(depth: FloatArray, size: tuple[int, int], name: str = "depth", *, where: str = "") -> FloatArray:
    """Depth that is registered to an image but smaller, as points in it: each pixel at the middle of what it covers.

    Args:
        depth: along z, (h, w), metres; 0 = unmeasured.
        size: (H, W) of the image, pixels, of the shape of the depth, and not smaller.
        name: what to call it, for the error message.
        where: which frame it is, likewise.

    Returns:
        (H, W), metres; 0 = unmeasured; the same array where the sizes agree.

    Raises:
        KBNetError: the sizes differ in another way than by one scale.

    Example:
        >>> spread_depth(np.array([[2.0, 3.0]], np.float32), (3, 6))[1]
        array([0., 2., 0., 0., 3., 0.], dtype=float32)
    """
    (height, width), (small_height, small_width) = size, depth.shape
    if depth.shape == size:
        return depth
    if width * small_height != height * small_width or small_width > width:
        raise KBNetError(
            f"{name} is {small_width}x{small_height} but image is {width}x{height} (width x height){where}, which is "
            "no enlargement of it; register depth to the image, or resize image and K to a multiple of the depth"
        )
    scale = width / small_width
    rows, columns = (
        np.ceil((np.arange(count) + 0.5) * scale - 1).astype(np.intp) for count in (small_height, small_width)
    )
    spread = np.zeros(size, np.float32)
    spread[np.ix_(rows, columns)] = depth
    return spread


def nearest_pixels(depth: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resize a map by taking the nearest pixel; no two values are mixed.

    Args:
        depth: (h, w).
        size: (H, W), pixels.

    Example:
        >>> nearest_pixels(np.array([[1.0, 2.0]], np.float32), (1, 4))
        array([[1., 1., 2., 2.]], dtype=float32)
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(size, depth.shape, strict=True)
    )
    return depth[np.ix_(rows, columns)]


def write_depth_png(path: str | Path, depth: FloatArray) -> None:
    """Write a depth map, rounded to 1/256 m; the file appears whole or not at all.

    Args:
        path: the PNG to write; missing folders are made.
        depth: depth along z, (H, W), floating-point metres; 0 = unmeasured (and what is nearer than 2 mm becomes so).

    Raises:
        KBNetError: a value is negative, not finite, or deeper than 255.996 m.
    """
    where = f" (for {path})"
    depth = check_depth(depth, "depth", np.shape(depth)[:2], where=where)
    if depth.size == 0:
        raise KBNetError(f"expected a depth map with pixels, got shape {depth.shape}{where}; check its size")
    units = np.rint(depth * np.float32(UNITS_PER_METRE))
    if units.max() > 65535:
        raise KBNetError(
            f"expected depth of at most {MAXIMUM_DEPTH:.3f} m, got {depth.max():.3f} m{where}; "
            "a 16-bit PNG of metres x 256 holds no more: clip it, or set it to 0"
        )
    with atomic_path(path) as temporary:
        Image.fromarray(units.astype(np.uint16)).save(temporary, format="PNG")
