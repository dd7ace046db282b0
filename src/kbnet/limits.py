"""Limits of what is read: more is refused before memory is taken for it, and so is what has no end."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

from kbnet.errors import KBNetError

Counted = Literal["pixels", "numbers", "points", "entries", "bytes of text"]
LIMITS: dict[Counted, int] = {
    **{"pixels": 100_000_000, "numbers": 100_000_000, "points": 300_000_000, "entries": 2_000_000},
    "bytes of text": 2_000_000_000,
}
"""Pixels of an image, numbers of an ``.npy`` file, points of a cloud, entries of an archive, bytes of a text file."""
FACTOR = "KBNET_LIMITS"
"""Environment variable: a number by which all limits are multiplied."""
MOST_PACKED_BYTES = 1 << 28
"""Of one part of a recording that is stored compressed, such as a chunk of a bag, when it is unpacked."""


def limit_factor() -> float:
    """The factor of the limits; 1 if the environment does not say.

    Raises:
        KBNetError: the environment variable is no positive number.
    """
    text = os.environ.get(FACTOR) or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < 1e9:
        raise KBNetError(f"expected {FACTOR} as a positive number, got '{text}'; correct or unset it")
    return factor


def check_count(count: int, what: Counted, where: object) -> None:
    """Check a count that a file announces.

    Args:
        what: which limit it has.
        where: the file or message, for the error message.

    Raises:
        KBNetError: it is more than the limit.

    Example:
        >>> check_count(11_000 * 10_000, "pixels", "a.png")
        Traceback (most recent call last):
        kbnet.errors.KBNetError: expected at most 100,000,000 pixels in a.png, got 110,000,000; if it is right, ...
    """
    most = int(LIMITS[what] * limit_factor())
    if count > most:
        raise KBNetError(
            f"expected at most {most:,} {what} in {where}, got {count:,}; if it is right, allow more "
            f"({FACTOR}={math.ceil(count / LIMITS[what])} in the environment)"
        )


def regular_file(path: str | Path) -> Path:
    """Return the path after checking that it is no pipe or device, reading of which may never end.

    Raises:
        KBNetError: it is one.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise KBNetError(f"expected a file, but {path} is a pipe or a device; copy its contents to a file")
    return path
