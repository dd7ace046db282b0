"""Positions from a PCD file of the Point Cloud Library, version 0.7: text, binary, or compressed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError, refused_as
from kbnet.frame import Float64Array
from kbnet.limits import check_count

_KINDS = {"F": "f", "I": "i", "U": "u"}
_LONGEST_HEADER = 1 << 14
_NO_VIEWPOINT = ("0", "0", "0", "1", "0", "0", "0")


def read_pcd(path: str | Path) -> Float64Array:
    """Read the fields x, y and z of all points. A VIEWPOINT is not applied, with a warning, as by the library.

    Returns:
        Points, (N, 3), float64, in the unit and the axes of the file; NaN where an organised cloud has no return.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is no PCD, is truncated, or its points have no x, y and z.
    """
    with Path(path).open("rb") as file:
        head = file.read(_LONGEST_HEADER)
        if announced := re.search(rb"^POINTS\s+(\d{1,20})\b", head, re.MULTILINE):
            check_count(min(int(announced[1]), Path(path).stat().st_size), "points", path)
        content = head + file.read()
    data = content.find(b"\nDATA ", 0, _LONGEST_HEADER)
    if data < 0:
        raise KBNetError(f"expected a PCD file with its header, got something else in {path}; check the file")
    with refused_as(f"expected a PCD cloud of points with x y z in {path}"):
        begin = content.index(b"\n", data + 1) + 1
        lines = content[:begin].decode("ascii", "replace").splitlines()
        header = {words[0]: words[1:] for words in map(str.split, lines) if words}
        point = _point_type(header)
        if list(map(float, header.get("VIEWPOINT", _NO_VIEWPOINT))) != list(map(float, _NO_VIEWPOINT)):
            warnings.warn(
                f"the VIEWPOINT of {path} is not applied: its points are taken in the axes of the file; if they are in "
                "the sensor's, move them first",
                stacklevel=2,
            )
        return _read(content[begin:], header["DATA"][0], point, int(header["POINTS"][0]))


def _point_type(header: Mapping[str, list[str]]) -> np.dtype[np.void]:
    names, sizes, kinds = header["FIELDS"], header["SIZE"], header["TYPE"]
    counts = header.get("COUNT", ["1"] * len(names))
    if not {"x", "y", "z"} <= set(names):
        raise KBNetError(f"its fields are {' '.join(names)}")
    fields = [
        # Padding is called "_", more than once.
        (f"{index}" if name == "_" else name, f"<{_KINDS[kind]}{size}", (int(count),))
        for index, (name, size, kind, count) in enumerate(zip(names, sizes, kinds, counts, strict=True))
    ]
    return np.dtype(fields)


def _read(body: bytes, storage: str, point: np.dtype[np.void], count: int) -> Float64Array:
    if storage == "ascii":
        widths = [point[name].shape[0] for name in point.names or ()]
        first = dict(zip(point.names or (), np.cumsum([0, *widths]), strict=False))
        table = np.loadtxt(
            body.decode("ascii").splitlines(), np.float64, ndmin=2, usecols=[first[axis] for axis in "xyz"]
        )
        if len(table) != count:
            raise KBNetError(f"{count} points announced, {len(table)} found")
        return table
    if storage == "binary":
        points = np.frombuffer(body, point, count)
        return np.stack([points[axis][:, 0].astype(np.float64) for axis in "xyz"], axis=1)
    if storage == "binary_compressed":
        packed, size = np.frombuffer(body, "<u4", 2)
        plain = decompress_lzf(body[8 : 8 + int(packed)], int(size))
        columns = {}
        begin = 0
        for name in point.names or ():  # compressed, a field of all points follows the other
            column = np.frombuffer(plain, point[name].base, count * point[name].shape[0], begin)
            columns[name] = column.reshape(count, -1)[:, 0].astype(np.float64)
            begin += column.nbytes
        return np.stack([columns[axis] for axis in "xyz"], axis=1)
    raise KBNetError(f"its DATA is '{storage}'")


def decompress_lzf(packed: bytes, size: int) -> bytes:
    """Undo LZF (M. Lehmann's LibLZF): runs of plain bytes, and references to what came up to 8 KiB before.

    Args:
        packed: the compressed bytes.
        size: of what comes out.

    Raises:
        KBNetError: something of another size comes out.
    """
    plain = bytearray()
    at = 0
    try:
        while at < len(packed):
            control = packed[at]
            at += 1
            if control < 32:
                plain += packed[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[at]
                at += 1
            distance = ((control & 31) << 8) + packed[at] + 1
            at += 1
            if distance > len(plain):
                break
            begin, length = len(plain) - distance, length + 2
            # A reference may reach into what it writes itself: its bytes then repeat.
            plain += (bytes(plain[begin : begin + length]) * (length // distance + 1))[:length]
    except IndexError:
        pass
    if len(plain) != size:
        raise KBNetError(f"{size} bytes announced, {len(plain)} decompressed")
    return bytes(plain)
