"""Depth images in other units than metres x 256, and depth that cannot be in metres."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray
from kbnet.frames.image_file import open_picture

IMPLAUSIBLE_M = 100.0
"""Depth of which the nearest tenth too is farther is taken for millimetres; a half may be that far off outdoors."""
LARGEST_UNIT = 65535
"""Largest number of 16 bits: programs write it for no depth, and for more than can be written."""


def read_depth_image(path: str | Path, units_per_metre: float) -> FloatArray:
    """Read a 16-bit depth image.

    Args:
        path: 16-bit greyscale PNG; 0 and 65535 = unmeasured.
        units_per_metre: 1000 for millimetres, 100 for centimetres.

    Returns:
        (H, W), float32 metres; 0 = unmeasured.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is no such PNG.
    """
    picture = open_picture(path, "a depth image")
    if not picture.mode.startswith("I"):
        raise KBNetError(
            f"expected a 16-bit greyscale PNG as depth, got mode '{picture.mode}' in {path}; name the depth images"
        )
    return measured_units(np.asarray(picture)) / np.float32(units_per_metre)


def measured_units(units: NDArray[Any]) -> FloatArray:
    """Whole numbers of 16 bits as float32, with 0 for 65535.

    Example:
        >>> measured_units(np.array([7, 65535], np.uint16))
        array([7., 0.], dtype=float32)
    """
    return np.where(units == LARGEST_UNIT, 0, units).astype(np.float32)


def check_metres(depth: FloatArray | Iterable[float], *, where: str, remedy: str) -> None:
    """Refuse depth that is probably in millimetres.

    Args:
        depth: measured depth as read, 0 = unmeasured.
        where: which file or topic it is from, for the error message.
        remedy: what to do, for the error message.

    Raises:
        KBNetError: nine tenths of what is measured are more than `IMPLAUSIBLE_M`.

    Example:
        >>> check_metres([0, 1200, 1500, 1900], where="depth/0001.png", remedy="divide by 1000")
        Traceback (most recent call last):
        kbnet.errors.KBNetError: depth/0001.png: depth has a median of 1500 m, which looks like ...
    """
    values = np.asarray(depth)
    measured = values[values > 0]
    if measured.size and np.percentile(measured, 10) > IMPLAUSIBLE_M:
        median = float(np.median(measured))
        raise KBNetError(
            f"{where}: depth has a median of {median:.0f} m, which looks like millimetres read as metres; {remedy}"
        )
