"""Times of recordings: the unit they are in, and what was taken nearest to what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDING_S = 1e-6
"""Two times as far apart as is allowed are not too far apart by the rounding of seconds since 1970."""
_UNITS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""Numbers this large are nanoseconds, microseconds, milliseconds since 1970."""


def to_seconds(times: Floats) -> Floats:
    """Times in seconds; those as large as only milli-, micro- or nanoseconds since 1970 are, are divided.

    Example:
        >>> to_seconds(np.array([1403636579763555584.0])).round(3).tolist(), to_seconds(np.array([12.5])).tolist()
        ([1403636579.764], [12.5])
    """
    largest = np.max(np.abs(times), initial=0)
    return times * next((unit for least, unit in _UNITS if largest >= least), 1.0)


def nearest_in_time(
    times: Floats, others: Floats, largest_difference_s: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Which of the others is nearest to each time, the earlier one of two.

    Args:
        times: (N,), seconds, in any order.
        others: (M,), M > 0, seconds, in any order.
        largest_difference_s: that counts as near.

    Returns:
        Index of the nearest, (N,), and whether it is near, (N,).

    Example:
        >>> nearest_in_time(np.array([1.0, 2.0]), np.array([1.9, 1.02, 5.0]), 0.02)
        (array([1, 0]), array([ True, False]))
    """
    order = np.argsort(others, kind="stable")
    between = (others[order][1:] + others[order][:-1]) / 2
    index = order[np.searchsorted(between, times)]
    return index, np.abs(others[index] - times) <= largest_difference_s + ROUNDING_S
