"""Depth that cannot be in metres, recognised before it is written as such."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kbnet.frame import FloatArray

IMPLAUSIBLE_MEDIAN_M = 100.0
"""Depth with a larger median is taken for millimetres: no lidar, depth camera or odometry sees that far on average."""


def check_metres(depth: FloatArray | Iterable[float], *, where: str, remedy: str) -> None:
    """Refuse depth that is probably in millimetres.

    Args:
        depth: measured depth as read, 0 = unmeasured.
        where: which file or topic it is from, for the error message.
        remedy: what to do, for the error message.

    Raises:
        ValueError: the median of what is measured is more than `IMPLAUSIBLE_MEDIAN_M`.

    Example:
        >>> check_metres([0, 1200, 1500, 1900], where="depth/0001.png", remedy="divide by 1000")
        Traceback (most recent call last):
        ValueError: depth/0001.png: depth has a median of 1500 m, which looks like millimetres read as metres; ...
    """
    values = np.asarray(depth)
    measured = values[values > 0]
    if measured.size and (median := float(np.median(measured))) > IMPLAUSIBLE_MEDIAN_M:
        raise ValueError(
            f"{where}: depth has a median of {median:.0f} m, which looks like millimetres read as metres; {remedy}"
        )
