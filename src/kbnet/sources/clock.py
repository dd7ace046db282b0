"""Times of recordings: the unit they are in, and what was taken nearest to what."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, Float64Array

ROUNDING_S = 1e-6
"""Two times as far apart as is allowed are not too far apart by the rounding of seconds since 1970."""
UNITS = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
SINCE_1970_S = (6e8, 5e9)
"""Clocks that count from 1970 are taken to show 1989 to 2128."""
STEP_S = (1e-4, 20.0)
"""Between two measurements, the median; a longer one may be in a smaller unit."""
LONGEST_DATED_STEP_S = 1e4
"""Nanoseconds since a start may be as large as milliseconds since 1970 are; their steps are then hours."""
LONGEST_CLOCK_S = 3e7
"""What a clock that counts from the start of a device shows at most: a year."""


def to_seconds(times: Float64Array, where: str = "times") -> Float64Array:
    """Times in seconds, whatever their unit.

    Times since 1970 are told by their size. Of times since some start, those with a fraction are seconds; whole
    numbers are in the largest unit in which two of them are not too far apart, and a unit other than seconds is said.

    Args:
        times: (N,), all in one unit.
        where: they are from, for the warning.

    Example:
        >>> to_seconds(np.array([1403636579763555584.0])).round(3).tolist(), to_seconds(np.array([12.5])).tolist()
        ([1403636579.764], [12.5])
    """
    largest = float(np.max(np.abs(times), initial=0))
    steps = np.diff(np.unique(times))
    step = float(np.median(steps)) if len(steps) else None

    def fits(unit: float, longest: float) -> bool:
        return step is None or STEP_S[0] <= step * unit <= longest

    dated = [unit for unit in UNITS if SINCE_1970_S[0] <= largest * unit <= SINCE_1970_S[1]]
    if dated and fits(dated[0], LONGEST_DATED_STEP_S):
        return times * dated[0]
    counted = [unit for unit in UNITS if largest * unit <= LONGEST_CLOCK_S and fits(unit, STEP_S[1])]
    whole = bool((np.rint(times) == times).all())
    if step is None or not whole or not counted:
        return times * (dated[0] if dated else 1.0)
    if counted[0] != 1:
        warnings.warn(
            f"{where} are taken for {UNITS[counted[0]]} since some start: two are {step * counted[0]:.3g} s apart",
            stacklevel=3,
        )
    return times * counted[0]


def times_in_names(names: Sequence[str], where: str) -> Float64Array | None:
    """Seconds, where all names are numbers; None where one is none: 3_0 and 3e2 are, for Python.

    Raises:
        KBNetError: as `check_fractions`.
    """
    if not all(re.fullmatch(r"\d+(\.\d+)?", name) for name in names):
        return None
    check_fractions(names, where)
    return to_seconds(np.array([float(name) for name in names]), where)


def check_fractions(words: Sequence[str], where: str) -> None:
    """Refuse seconds and nanoseconds that a program wrote with a point between, but without leading zeros.

    Raises:
        KBNetError: no digits after the point begin with 0, but shorter ones end so: neither is cut off.
    """
    fractions = [word.partition(".")[2] for word in words]
    longest = max(map(len, fractions), default=0)
    ends = [word for word, one in zip(words, fractions, strict=True) if 1 < len(one) < longest and one[-1] == "0"]
    if ends and not any(re.match("0.", one) for one in fractions):
        raise KBNetError(
            f"{where} seem to be seconds and nanoseconds without leading zeros ({ends[0]}), which other times are read "
            "from; write nine digits after the point"
        )


def nearest_in_time(
    times: Float64Array, others: Float64Array, largest_difference_s: float
) -> tuple[NDArray[np.intp], BoolArray]:
    """Which of the others is nearest to each time, the earlier one of two.

    Args:
        times: (N,), seconds, in any order.
        others: (M,), M > 0, seconds, in any order.
        largest_difference_s: that counts as near.

    Returns:
        Index of the nearest, (N,), and whether it is near, (N,).

    Raises:
        KBNetError: one of several others would be the nearest to all of three times or more.

    Example:
        >>> nearest_in_time(np.array([1.0, 2.0]), np.array([1.9, 1.02, 5.0]), 0.02)
        (array([1, 0]), array([ True, False]))
    """
    order = np.argsort(others, kind="stable")
    between = (others[order][1:] + others[order][:-1]) / 2
    index = order[np.searchsorted(between, times)]
    near = np.abs(others[index] - times) <= largest_difference_s + ROUNDING_S
    if near.sum() > 2 and len(np.unique(others)) > 1 and len(np.unique(others[index[near]])) == 1:
        raise KBNetError(
            f"within {largest_difference_s:g} s, all {near.sum()} images would take one of {len(others)} measurements, "
            f"at {others[index[near][0]]:.3f} s: images span {times.min():.3f} to {times.max():.3f} s, measurements "
            f"{others.min():.3f} to {others.max():.3f} s, which is another clock; correct the times"
        )
    apart = np.searchsorted(between, times[near]) - np.searchsorted(np.sort(times), times[near])
    if len(times) == len(others) and len(apart) and (apart.min() > 1 or apart.max() < -1):
        offset = float(np.median(np.abs(np.sort(times) - others[order])))
        warnings.warn(
            f"of {len(times)} images and as many measurements, the first of one and the last of the other are alone, "
            f"as if their clocks were {offset:.3f} s apart: if the first of both belong together, correct the times",
            stacklevel=4,
        )
    return index, near
