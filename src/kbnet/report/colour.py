"""Colour maps of depth and errors without matplotlib: viridis and inferno (CC0, van der Walt and Smith).

Near depth is yellow, far depth purple. Small errors are black, large errors yellow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import ImageArray

COLOUR_MAP = "viridis_r"
"""Matplotlib's name of the depth map: perceptually uniform, readable in grey and with any colour vision."""

# 24 evenly spaced colours each; linear interpolation is within 3 of 255 levels of the full map.
DEPTH_COLOURS = (
    "fde725 e2e418 c5e022 a7db34 8ad647 6fcf58 57c766 41be72 30b47c 24aa83 1fa088 1f958b "
    "228b8d 26808e 2b768e 2f6b8e 34608d 39558c 3f4989 433c84 472e7c 482072 471164 440154"
)
"""Colours of depth, near to far."""
ERROR_COLOURS = (
    "000004 060419 120a32 230c4d 360961 490b6a 5b116e 6d186e 7e1e6c 902468 a12b62 b3325a "
    "c33b4f d24644 df5437 ea632a f2751c f8880d fb9c06 fcb116 f9c72f f5dd4f f1f079 fcffa4"
)
"""Colours of errors, small to large (inferno)."""


def colourise(depth: NDArray[np.floating], min_depth: float, max_depth: float) -> ImageArray:
    """Colour a depth map; values outside the limits get the colour of the nearer limit.

    Args:
        depth: depth, (H, W), metres; 0, negative or not finite = unmeasured.
        min_depth, max_depth: depth of the first and of the last colour, metres.

    Returns:
        RGB, (H, W, 3), uint8; unmeasured pixels are black.

    Raises:
        KBNetError: the limits are not in ascending order.
    """
    if not min_depth < max_depth:
        raise KBNetError(
            f"expected min_depth < max_depth in metres, got {min_depth:g} and {max_depth:g}; swap or widen them"
        )
    measured = np.isfinite(depth) & (depth > 0)
    share = (np.where(measured, depth, min_depth) - min_depth) / (max_depth - min_depth)
    coloured: ImageArray = _TABLE[np.rint(255 * share.clip(0, 1)).astype(np.uint8)]
    coloured[~measured] = 0
    return coloured


def _table() -> ImageArray:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in DEPTH_COLOURS.split()], dtype=np.float64)
    steps, at = np.arange(256), np.linspace(0, 255, len(anchors))
    return np.stack([np.rint(np.interp(steps, at, channel)) for channel in anchors.T], axis=1).astype(np.uint8)


_TABLE = _table()
