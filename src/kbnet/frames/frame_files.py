"""The CSV file of a frame list: its lines, what may stand in them, reading and writing."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from kbnet.errors import KBNetError
from kbnet.files import atomic_path, reading


@dataclass(frozen=True)
class FrameFiles:
    """One line of a list: where the files of a frame lie, relative to the list's folder or absolute; empty = none.

    Attributes:
        name: unique within the list; output files are called after it, and it may hold slashes.
        image: 8-bit image at t.
        intrinsics: the 9 numbers of K for the whole image, as text or .npy.
        sparse_depth: 16-bit PNG, metres x 256, 0 = unmeasured.
        ground_truth: likewise.
        previous, next: the images before and after.
        pose, previous_pose, next_pose: camera-to-world, 3x4 or 4x4 numbers, metres.
        window: ``top left height width`` in pixels: read this part of all images and depth maps; K moves along.
        side_by_side: "1" where ``image`` holds three images of equal width, ``[t-1 | t | t+1]``.
        other_sparse_depth: further columns ``sparse_depth_<something>``.
    """

    name: str
    image: str
    intrinsics: str
    sparse_depth: str
    ground_truth: str = ""
    previous: str = ""
    next: str = ""
    pose: str = ""
    previous_pose: str = ""
    next_pose: str = ""
    window: str = ""
    side_by_side: str = ""
    other_sparse_depth: Mapping[str, str] = field(default_factory=dict)


COLUMNS: tuple[str, ...] = tuple(item.name for item in fields(FrameFiles) if item.name != "other_sparse_depth")
PATHS = tuple(column for column in COLUMNS if column not in ("name", "window", "side_by_side"))
_UNSAFE_NAME = re.compile(r"(^|[/\\])\.{0,2}($|[/\\])|^[A-Za-z]:|[\x00-\x1f]|(^|[/\\])\.[^/\\]*\.partial$")
"""An empty name, one that leads out of the folder it is written to, one with a line break, or a temporary file's."""


def read_frame_list(path: Path, sparse_depth: str = "sparse_depth") -> Iterator[tuple[int, FrameFiles]]:
    """Go through a list line by line, without looking at the files it names.

    Args:
        sparse_depth: the column to read as ``FrameFiles.sparse_depth``; other columns of sparse depth are left out.

    Yields:
        Line number, counted from 1, and what the line says.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is no CSV file with the columns of a list, or a line is not as it should be.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a list of frames, but there is no file {path}; check the path")
    try:
        with reading(path), path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            columns = _places(header, sparse_depth, path)
            for row in filter(None, rows):
                if len(row) != len(header):
                    raise KBNetError(
                        f"expected {len(header)} cells as in the first line, got {len(row)} in line {rows.line_num} "
                        f"of {path}; correct the line"
                    )
                cells: dict[str, Any] = {column: row[place] for column, place in columns.items()}
                files = FrameFiles(**cells)
                _check_line(files, sparse_depth, f"in line {rows.line_num} of {path}")
                yield rows.line_num, files
    except (UnicodeDecodeError, csv.Error) as error:
        raise KBNetError(
            f"expected a list of frames as CSV text, but {path} is none ({error}); check the file"
        ) from None


def write_frame_list(path: str | Path, frames: Iterable[FrameFiles]) -> int:
    """Write a list; it appears whole or not at all. Columns that are empty in all lines are left out.

    Args:
        path: the ``.csv`` file; missing folders are made.
        frames: with paths that are absolute, or relative to the folder of the list. What lies under that folder is
            written relative to it, with slashes, so that the folder can be moved.

    Returns:
        How many frames were written.

    Raises:
        KBNetError: there is no frame, or a name cannot be that of an output file or comes twice.
    """
    path = Path(path)
    base = os.path.join(os.path.abspath(path.parent), "")
    rows: list[dict[str, str]] = []
    for number, files in enumerate(frames, start=1):
        _check_line(files, "sparse_depth", f"in frame {number} for {path}")
        row = {column: getattr(files, column) for column in COLUMNS} | dict(files.other_sparse_depth)
        paths = [column for column in row if column in PATHS or column.startswith("sparse_depth_")]
        rows.append(row | {column: row[column].removeprefix(base).replace(os.sep, "/") for column in paths})
    if len({row["name"] for row in rows}) < max(len(rows), 1):
        raise KBNetError(f"expected at least one frame, and another name for each, to write {path}; check the names")
    used = dict.fromkeys(column for row in rows for column, text in row.items() if text)
    columns = sorted(used, key=lambda column: COLUMNS.index(column) if column in COLUMNS else len(COLUMNS))
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def with_kinds(files: Mapping[str, FrameFiles]) -> FrameFiles:
    """One line of a list for a frame that has several kinds of sparse depth.

    Args:
        files: the frame with each kind as its ``sparse_depth``, by the name of the kind.

    Returns:
        The first, with a column for each kind besides ``sparse_depth``, named by :func:`column_of`.
    """
    columns = {column_of(kind): one.sparse_depth for kind, one in files.items()}
    columns.pop("sparse_depth", None)
    return replace(next(iter(files.values())), other_sparse_depth=columns)


def column_of(kind: str) -> str:
    """The column of a kind of sparse depth: its name, which must begin with ``sparse_depth``."""
    return kind if kind.startswith("sparse_depth") else f"sparse_depth_{kind}"


def _places(header: list[str], sparse_depth: str, path: Path) -> dict[str, int]:
    """Where in a row each column that is read stands."""
    known = ", ".join(COLUMNS)
    repeated = {column for column, count in Counter(header).items() if count > 1}
    unknown = [column for column in header if column not in COLUMNS and not column.startswith("sparse_depth_")]
    absent = [column for column in ("name", "image", "intrinsics") if column not in header]
    if repeated or unknown or absent:
        said = {"repeats": sorted(repeated), "has unknown": unknown, "lacks": absent}
        problem = ", and ".join(f"{verb} {_quoted(names)}" for verb, names in said.items() if names)
        raise KBNetError(
            f"expected columns {known} or sparse_depth_... in the first line, but that of {path} {problem}; "
            "correct it (published text lists become one CSV by kbnet prepare lists)"
        )
    if sparse_depth not in header or not sparse_depth.startswith("sparse_depth"):
        others = [column for column in header if column.startswith("sparse_depth")]
        remedy = f"choose {' or '.join(others[:5])} with --sparse-depth" if others else "add a column sparse_depth"
        raise KBNetError(f"expected a column of sparse depth {sparse_depth} in {path}, but there is none; {remedy}")
    places = {column: place for place, column in enumerate(header) if column in COLUMNS}
    places["sparse_depth"] = header.index(sparse_depth)
    return places


def _quoted(names: list[str]) -> str:
    """Names for a message; few and short ones, since a file that is no list may begin with anything."""
    return ", ".join(ascii(name[:40]) for name in names[:5])


def check_name(name: str, where: str) -> None:
    """Refuse a name of a frame that leads out of the folder its files are written to.

    Raises:
        KBNetError: it does, has a line break, or is that of a temporary file.
    """
    if _UNSAFE_NAME.search(name):
        raise KBNetError(
            f"expected a name that output files can take, not absolute, '..' or '.*.partial', got '{name}' {where}; "
            "rename the frame"
        )


def _check_line(files: FrameFiles, sparse_depth: str, where: str) -> None:
    check_name(files.name, where)
    for column in ("image", "intrinsics", "sparse_depth"):
        if not getattr(files, column):
            column = sparse_depth if column == "sparse_depth" else column
            raise KBNetError(f"expected a file for {column}, got none {where} (frame '{files.name}'); add it")
    if files.side_by_side not in ("", "0", "1"):
        raise KBNetError(f"expected 1 or nothing for side_by_side, got '{files.side_by_side}' {where}; correct it")
    if files.window:
        try:
            window_numbers(files.window)
        except ValueError:
            raise KBNetError(
                f"expected a window as 'top left height width' in pixels, got '{files.window}' {where}; correct it"
            ) from None


def window_numbers(text: str) -> tuple[int, int, int, int]:
    """Top, left, height and width of a window in pixels, from its text.

    Raises:
        KBNetError: they are not four whole numbers of an area; the message is for a caller to write.
    """
    top, left, height, width = map(int, text.split())
    if min(top, left) < 0 or min(height, width) < 1:
        raise KBNetError
    return top, left, height, width


class PresentFiles:
    """Looks files up in listings of their folders, each listed once: lists of frames name half a million files.

    Args:
        folder: what relative paths start from.

    Example:
        >>> present = PresentFiles(Path(__file__).parent)
        >>> "frame_files.py" in present, "../frame.py" in present, "nowhere/K.txt" in present
        (True, True, False)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[str, frozenset[str]] = {}

    def __contains__(self, path: str) -> bool:
        """Whether there is a file of that path."""
        parent, name = os.path.split(path)
        if parent not in self._listings:
            self._listings[parent] = _listing(self._folder / parent)
        # A folder may not let itself be listed, and some file systems take names in another case for the same.
        return name in self._listings[parent] or (self._folder / path).is_file()


def _listing(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except (OSError, ValueError):  # ValueError: no path at all
        return frozenset()
