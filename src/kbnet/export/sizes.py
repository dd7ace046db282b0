"""Which images an exported graph is exact for. Without torch, so that a command's help is quick."""

from __future__ import annotations

from typing import Literal

from kbnet.errors import KBNetError

Sizes = Literal["any", "multiples-of-32"]
"""Where every size halves evenly, five times, up-convolutions are cheaper (see `network.decoder`), and a graph cannot
choose."""

FACTOR = 32


def cheapest(height: int, width: int) -> Sizes:
    """The cheaper one of the graphs that are exact for an image."""
    return "any" if height % FACTOR or width % FACTOR else "multiples-of-32"


def largest_fitting(length: int, sizes: Sizes) -> int:
    """The most pixels of a row or column of ``length`` pixels that a graph takes.

    >>> largest_fitting(480, "any"), largest_fitting(375, "multiples-of-32")
    (480, 352)
    """
    return length if sizes == "any" else length // FACTOR * FACTOR


def check_size(height: int, width: int, sizes: Sizes, file: object) -> None:
    """Raise ValueError if a graph, which the message calls ``file``, is not exact for an image."""
    if sizes != "any" and cheapest(height, width) == "any":
        raise KBNetError(
            f"{file} was exported for widths and heights that are multiples of {FACTOR}, got {width}x{height}; "
            "crop the frames, or export with --sizes any"
        )
