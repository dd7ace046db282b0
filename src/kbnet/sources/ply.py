"""Positions from a PLY file (G. Turk, "The PLY polygon file format", 1994), text or binary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError, refused_as
from kbnet.limits import check_count

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1 << 16


def read_ply(path: str | Path) -> NDArray[np.float64]:
    """Read x, y and z of the vertices, which must be the first element of the file, as they are everywhere.

    Returns:
        Points, (N, 3), float64, in the unit and the axes of the file.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is no PLY, is truncated, or its first element is not ``vertex`` with x, y and z.
    """
    with Path(path).open("rb") as file:
        head = file.read(_LONGEST_HEADER)
        header, end, _ = head.partition(b"end_header")
        if end:
            check_count(min(_announced(header), Path(path).stat().st_size), "points", path)
        content = head + file.read()
    lines = header.decode("ascii", "replace").splitlines()
    if not lines or lines[0].strip() != "ply" or not end:
        raise KBNetError(f"expected a PLY file with its header, got something else in {path}; check the file")
    with refused_as(f"expected a PLY cloud of vertices with x y z in {path}"):
        is_text, count, vertex, lists = _vertices(iter(lines))
        body = content[content.index(b"\n", len(header)) + 1 :]
        if count > len(body):
            raise KBNetError(f"{count} vertices announced, more than its {len(body)} bytes hold")
        if lists:
            table = _read_with_lists(body, count, vertex, lists, is_text=is_text)
        elif not is_text:
            table = np.frombuffer(body, vertex, count)
        else:
            table = np.loadtxt(body.decode("ascii").splitlines()[:count], vertex, ndmin=1)
        if len(table) != count:
            raise KBNetError(f"{count} vertices announced, {len(table)} found")
        return np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)


def _announced(header: bytes) -> int:
    """Number of vertices that a header announces; 0 if it has none."""
    found = re.search(rb"^element\s+vertex\s+(\d{1,20})\b", header, re.MULTILINE)
    return int(found[1]) if found else 0


def _read_with_lists(
    body: bytes, count: int, vertex: np.dtype[np.void], lists: dict[int, tuple[str, str]], *, is_text: bool
) -> NDArray[np.void]:
    """Vertices, (N,), that have lists of any length, which are left out, before, between or after their fields.

    Args:
        body: after the header.
        count: of vertices.
        vertex: their fields but for the lists.
        lists: types of the length and of the items of each list, by the number of fields before it.
    """
    names = vertex.names or ()
    table = np.zeros(count, vertex)
    words, at = body.split() if is_text else [], 0
    for row in range(count):
        for index in range(len(names) + 1):
            if index in lists:
                length, item = map(np.dtype, lists[index])
                items = int(words[at] if is_text else np.frombuffer(body, length, 1, at)[0])
                if items < 0:
                    raise KBNetError(f"a list of {items} items")
                at += 1 + items if is_text else length.itemsize + item.itemsize * items
            if index < len(names):
                kind = vertex[names[index]]
                table[names[index]][row] = float(words[at]) if is_text else np.frombuffer(body, kind, 1, at)[0]
                at += 1 if is_text else kind.itemsize
    if at > len(words if is_text else body):
        raise KBNetError("its last list is cut off")
    return table


def _vertices(lines: Iterator[str]) -> tuple[bool, int, np.dtype[np.void], dict[int, tuple[str, str]]]:
    """Whether they are text, number and type of the vertices, and their lists, by the number of fields before each."""
    order, count = "", -1
    lists: dict[int, tuple[str, str]] = {}
    fields: list[tuple[str, str]] = []
    for words in map(str.split, lines):
        if words[:1] == ["format"]:
            order = _ORDERS[words[1]]
        elif words[:1] == ["element"]:
            if count >= 0:
                break
            if words[1] != "vertex":
                raise KBNetError(f"its first element is '{words[1]}'")
            count = int(words[2])
        elif words[:1] == ["property"]:
            if words[1] == "list":
                if len(fields) in lists:
                    raise KBNetError("its vertices have two lists one after the other")
                lists[len(fields)] = order + _TYPES[words[2]], order + _TYPES[words[3]]
                continue
            fields.append((words[2], order + _TYPES[words[1]]))
    if not {"x", "y", "z"} <= {name for name, _ in fields}:
        raise KBNetError("its vertices have no x y z")
    return not order, count, np.dtype(fields), lists
