"""RVL, a lossless compression of depth images (A. Wilson, "Fast Lossless Depth Image Compression", ISS 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError

SLACK_WORDS = 16
"""Beyond one for each pixel, which takes no more: two counts of four bits, and 16 bits in six groups of four."""


def decode_rvl(content: bytes, pixels: int) -> NDArray[np.uint16]:
    """Undo RVL: runs of zeros and of other values, whose differences are in groups of three bits.

    Args:
        content: 32-bit words, little-endian; eight groups of four bits each, the highest first: three bits of a number,
            the lowest first, and whether more follow.
        pixels: how many come out.

    Returns:
        Values row by row, (pixels,).

    Raises:
        KBNetError: the content is cut off, or holds more.
    """
    words = np.frombuffer(content[: min(len(content) // 4, pixels + SLACK_WORDS) * 4], "<u4")
    groups = ((words[:, None] >> np.arange(28, -4, -4, dtype=np.uint32)) & 15).astype(np.int64).reshape(-1)
    last = np.flatnonzero(groups < 8)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(groups)) - np.repeat(first, np.diff(np.append(first, len(groups))))
    numbers = np.add.reduceat((groups & 7) << (3 * place.clip(0, 20)), first) if len(last) else np.zeros(0, np.int64)
    values = np.zeros(pixels, np.int64)
    at = filled = 0
    previous = 0
    while filled < pixels:
        zeros, others = (int(numbers[at + one]) if at + one < len(numbers) else -1 for one in (0, 1))
        start, at = filled + zeros, at + 2
        filled = start + others
        if zeros < 0 or others < 0 or filled > pixels or at + others > len(numbers) or not zeros + others:
            raise KBNetError(f"expected {pixels} pixels compressed as RVL, got other content; record the topic again")
        codes = numbers[at : at + others]
        at += others
        if others:
            values[start:filled] = previous + np.cumsum((codes >> 1) ^ -(codes & 1))
            previous = int(values[filled - 1])
    return values.astype(np.uint16)
