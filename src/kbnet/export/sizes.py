"""Image sizes for which an exported graph is exact. Without torch, for a fast command-line help."""

from __future__ import annotations

from typing import Literal

from kbnet.errors import KBNetError

Sizes = Literal["any", "multiples-of-32"]
"""If a size halves evenly five times, up-convolutions are cheaper (see `network.decoder`). A graph contains one of
the two forms."""

FACTOR = 32


def cheapest(height: int, width: int) -> Sizes:
    """Cheapest graph that is exact for an image size."""
    return "any" if height % FACTOR or width % FACTOR else "multiples-of-32"


def largest_fitting(length: int, sizes: Sizes) -> int:
    """Largest size up to ``length`` that a graph accepts, pixels.

    >>> largest_fitting(480, "any"), largest_fitting(375, "multiples-of-32")
    (480, 352)
    """
    return length if sizes == "any" else length // FACTOR * FACTOR


def check_size(height: int, width: int, sizes: Sizes, file: object) -> None:
    """Check that a graph is exact for an image size.

    Raises:
        KBNetError: it is not; the message has ``file``."""
    if sizes != "any" and cheapest(height, width) == "any":
        raise KBNetError(
            f"{file} was exported for widths and heights that are multiples of {FACTOR}, got {width}x{height}; "
            "crop the frames, or export with --sizes any"
        )
