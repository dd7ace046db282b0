"""Order of names by the numbers in them: 2 before 10, whatever the number of digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")

_DECIMAL = re.compile(r"(\D*?)(-?\d+\.\d+)(\D*)")
"""A name with one number, which has a fraction, such as a time in seconds."""
WHOLE = re.compile(r"(?<!\d)(?<!\d\.)\d+")
"""Digits that are no fraction."""


def in_order(items: Iterable[T], name: Callable[[T], str]) -> list[T]:
    """Sort by name, numbers in names by value.

    Example:
        >>> in_order(["img10", "img9", "img010"], str), in_order(["10.5", "9", "10.25"], str)
        (['img9', 'img010', 'img10'], ['9', '10.25', '10.5'])
    """
    return sorted(items, key=lambda item: _key(name(item)))


def sortable(names: Sequence[str]) -> list[str]:
    """Different names that keep the given order where they are compared letter by letter: numbers get zeros.

    Example:
        >>> sortable(["img_9", "img_10"]), sortable(["a", "b"])
        (['img_09', 'img_10'], ['a', 'b'])
    """
    if list(names) == sorted(set(names)):
        return list(names)
    width = max(len(digits) for name in names for digits in WHOLE.findall(name) or [""])
    padded = [WHOLE.sub(lambda digits: digits[0].zfill(width), name) for name in names]
    if padded == sorted(set(padded)):
        return padded
    return [f"{index:0{len(str(len(names)))}d}_{name}" for index, name in enumerate(names)]


def _key(name: str) -> tuple[Any, str]:
    """Text and numbers in turns, beginning with text; of equal ones the name decides."""
    if decimal := _DECIMAL.fullmatch(name):
        return [decimal[1], Decimal(decimal[2]), decimal[3]], name
    parts = re.split(r"(\d+)", name)
    # Python reads no int of more than 4,300 digits.
    return [Decimal(part) if index % 2 else part for index, part in enumerate(parts)], name
