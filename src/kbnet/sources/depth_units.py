"""Depth that cannot be in metres, recognised before it is written as such."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray

IMPLAUSIBLE_M = 100.0
"""Depth of which the nearest tenth too is farther is taken for millimetres; a half may be that far off outdoors."""


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
