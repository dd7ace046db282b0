"""Damaged files: a valid one with bits flipped, cut, made longer, mixed up, or with extreme numbers in it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], object]

NUMBERS = [
    struct.pack(order + form, value)
    for order in "<>"
    for form, values in (
        ("B", (0, 255)),
        ("H", (0, 1, 2**15, 2**16 - 1)),
        ("I", (0, 1, 2**20, 2**31 - 1, 2**31, 2**32 - 1)),
        ("Q", (0, 2**20, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)),
        ("f", (0.0, -1.0, 1e-38, 3e38, float("inf"), float("nan"))),
        ("d", (0.0, -1.0, 1e-300, 1e40, 1e300, float("inf"), float("nan"))),
    )
    for value in values
]
WORDS = [
    *(b"0", b"-1", b"1", b"2", b"1e30", b"-1e308", b"1e999", b"nan", b"inf", b"1e-320", b"0.5", b"1_0", b"0x10", b""),
    *(b"9" * 20, b"9" * 400, b"9" * 5000, b"4294967295", b"2147483648", b"10000000000000", b"100000000", b"null"),
    *(b'"x"', b"true", b"[" * 100_000, b'{"a":' * 20_000, b"\0", b"\xff", b"../../x", b"\xe2\x80\xae", b",", b"\n"),
    *(b"{}", b"[]"),
]
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def _place(draw: Draw, size: int) -> int:
    """Where to damage: headers, at the beginning, as often as all the rest."""
    return draw(st.one_of(st.integers(0, min(size, 120)), st.integers(0, size)))  # type: ignore[return-value]


def _flip(draw: Draw, content: bytes) -> bytes:
    at = _place(draw, len(content) - 1)
    return content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]  # type: ignore[operator]


def _truncate(draw: Draw, content: bytes) -> bytes:
    return content[: _place(draw, len(content))]


def _extend(draw: Draw, content: bytes) -> bytes:
    return content + draw(st.one_of(st.binary(min_size=1, max_size=64), st.just(content)))  # type: ignore[operator]


def _splice(draw: Draw, content: bytes) -> bytes:
    source, target, length = _place(draw, len(content)), _place(draw, len(content)), draw(st.integers(1, 64))
    part = content[source : source + length]  # type: ignore[operator]
    over = len(part) if draw(st.booleans()) else 0
    return content[:target] + part + content[target + over :]


def _number(draw: Draw, content: bytes) -> bytes:
    number: bytes = draw(st.sampled_from(NUMBERS))  # type: ignore[assignment]
    at = _place(draw, len(content))
    return content[:at] + number + content[at + len(number) :]


def _word(draw: Draw, content: bytes) -> bytes:
    found = list(_NUMBER.finditer(content[:20_000]))
    if not found:
        return _number(draw, content)
    chosen = found[draw(st.integers(0, len(found) - 1))]  # type: ignore[call-overload]
    word: bytes = draw(st.sampled_from(WORDS))  # type: ignore[assignment]
    return content[: chosen.start()] + word + content[chosen.end() :]


_OPERATIONS = (_flip, _truncate, _extend, _splice, _number, _word)


@st.composite
def damaged(draw: Draw, content: bytes) -> bytes:
    """The content after one to three kinds of damage."""
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):  # type: ignore[call-overload]
        if content:
            content = draw(st.sampled_from(_OPERATIONS))(draw, content)  # type: ignore[operator]
    return content
