"""The error that states a user's mistake, and the check of numbers that every config makes."""

from __future__ import annotations

import dataclasses
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DAMAGE: tuple[type[Exception], ...] = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, SyntaxError),
    *(RuntimeError, MemoryError, EOFError, struct.error, zlib.error),
)
"""What damaged contents of a file make Python and libraries raise, besides `OSError`."""


class KBNetError(ValueError):
    """Input, a file or an option is not as expected: the message says what was expected, what came, and what to do.

    The command line shows it as one line. Any other ``ValueError`` is a bug and keeps its traceback. The class has its
    own module because ``kbnet.frame`` imports NumPy, which the help of a command does without.

    Attributes:
        recording: the recording that could not be opened; None = the error is another one.
    """

    recording: Path | None = None


def expect(value: object, kind: type | tuple[type, ...], what: str) -> None:
    """Check the type of an argument where a user's own program calls.

    Raises:
        KBNetError: it is another one.
    """
    if not isinstance(value, kind):
        raise KBNetError(f"expected {what}, got a {type(value).__name__}")


@contextmanager
def refused_as(said: str, *more: type[Exception]) -> Iterator[None]:
    """Translate what damaged contents of a file raise; for the reading of a file alone, since it hides bugs.

    Args:
        said: what was expected where, the beginning of the message.
        more: errors of a library that reads the file.

    Raises:
        KBNetError: the block raised `DAMAGE`, of which KBNetError is one, or one of ``more``.

    Example:
        >>> with refused_as("expected numbers in a.txt"):
        ...     float("x")
        Traceback (most recent call last):
        kbnet.errors.KBNetError: expected numbers in a.txt, but it is damaged (could not convert ...); copy it again
    """
    caught: tuple[type[Exception], ...] = (*DAMAGE, *more)
    try:
        yield
    except caught as error:
        reason = str(error)[:200] or type(error).__name__
        raise KBNetError(f"{said}, but it is damaged ({reason}); copy it again") from None


def check_finite_numbers(config: Any, prefix: str = "") -> None:
    """Check that no number in the fields of a config is NaN or infinite.

    A comparison such as ``weight_decay < 0`` is false for NaN, so range checks alone accept it.

    Args:
        config: a dataclass. Numbers inside tuples are checked too; a nested config checks its own.
        prefix: text in front of the field's name in the message, such as ``augundo.``.

    Raises:
        KBNetError: a number is NaN or infinite; the message has the field and its value.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        numbers = value if isinstance(value, tuple | list) else (value,)
        if not all(math.isfinite(number) for number in numbers if isinstance(number, float)):
            what = "finite numbers" if isinstance(value, tuple | list) else "a finite number"
            raise KBNetError(f"expected {prefix}{field.name} as {what}, got {value}; correct the value")
