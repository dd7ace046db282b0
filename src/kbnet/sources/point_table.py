"""A table of points, frame by frame, as visual-inertial odometry writes them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frame import Float64Array
from kbnet.sources.clock import ROUNDING_S, to_seconds

FRAMES, TIMES = ("frame", "frame_id"), ("time", "timestamp", "t")
COLUMNS: dict[Literal["pixels", "points"], tuple[str, str, str]] = {
    "pixels": ("u", "v", "depth"),
    "points": ("x", "y", "z"),
}


@dataclass(frozen=True)
class PointTable:
    """Points of many frames.

    Attributes:
        key: what tells the frames apart: ``frame`` counts from 0, ``time`` is in seconds.
        kind: ``pixels``: u, v and depth along z; ``points``: x, y, z in metres.
        keys: frame or time of each group of rows, rising, (F,).
        groups: the rows of each, (N, 3).
    """

    path: Path
    key: Literal["frame", "time"]
    kind: Literal["pixels", "points"]
    keys: Float64Array
    groups: tuple[Float64Array, ...]

    def near(self, key: float, largest_difference: float) -> Float64Array | None:
        """Rows whose frame or time is nearest, (N, 3); None where none is near enough."""
        index = int(np.abs(self.keys - key).argmin())
        return self.groups[index] if abs(self.keys[index] - key) <= largest_difference + ROUNDING_S else None


def read_point_table(path: str | Path) -> PointTable:
    """Read a table with a header row; further columns, such as an id, are ignored.

    Args:
        path: CSV with the column ``frame`` or ``time`` (or timestamp, t; seconds, or nanoseconds since 1970), and u, v,
            depth or x, y, z.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: columns are missing, or a value is no number.
    """
    path = Path(path)
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"expected a table of points in {path}, but there is no such file; check the path"
        ) from None
    try:
        with io.StringIO(text, newline="") as file:
            header = [name.strip(" #").lower() for name in next(csv.reader(file), [])]
            key_column, kind = _columns(header, path)
            wanted = [key_column, *(header.index(name) for name in COLUMNS[kind])]
            rows = np.loadtxt(file, delimiter=",", usecols=wanted, ndmin=2)
    except csv.Error:
        raise KBNetError(f"expected a table of points as CSV, but {path} is no text; check the path") from None
    except KBNetError:
        raise
    except ValueError as error:
        raise KBNetError(f"expected numbers in {path} ({error}, counted after the header); correct the table") from None
    if not len(rows):
        raise KBNetError(f"expected points in {path}, got only a header; check the file")
    keys, first = np.unique(rows[:, 0], return_inverse=True)
    order = np.argsort(first, kind="stable")
    groups = np.split(rows[order, 1:], np.flatnonzero(np.diff(first[order])) + 1)
    key: Literal["frame", "time"] = "frame" if header[key_column] in FRAMES else "time"
    return PointTable(path, key, kind, keys if key == "frame" else to_seconds(keys, f"times in {path}"), tuple(groups))


def _columns(header: list[str], path: Path) -> tuple[int, Literal["pixels", "points"]]:
    keys = [index for index, name in enumerate(header) if name in FRAMES + TIMES]
    for kind, names in COLUMNS.items():
        if keys and set(names) <= set(header):
            if repeated := [name for name in names if header.count(name) > 1]:
                raise KBNetError(f"expected one column {repeated[0]} in {path}, got several; rename the others")
            return keys[0], kind
    raise KBNetError(
        f"expected a header with frame or time, and u, v, depth or x, y, z in {path}, got {', '.join(header)[:80]!r}; "
        "name the columns in the first row, separated by commas"
    )
