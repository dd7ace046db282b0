"""Results of the frames of an unfinished evaluation, so that the same command goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from kbnet.environment import versions
from kbnet.errors import KBNetError
from kbnet.files import parse_json, read_text, remove_link, writing

NAME = ".unfinished.jsonl"
"""File in the output folder while an evaluation is not finished."""


class Journal:
    """Results of frames by key, as plain values.

    Args:
        path: file of the results, written with the first of them; None: nothing is kept.
        made_with: what the results depend on. Those of a file that was made with something else are not used.

    Attributes:
        earlier: number of frames that a stopped run evaluated.
    """

    def __init__(self, path: Path | None = None, made_with: str = "") -> None:
        self._path, self._made_with = path, made_with
        self._file: TextIO | None = None
        self._known, self._whole = _read(path, made_with) if path is not None else ({}, 0)
        self.earlier = len(self._known)

    def get(self, key: str) -> Any | None:
        """Result of a frame of the stopped run; None: not evaluated."""
        return self._known.get(key)

    def put(self, key: str, plain: Any) -> None:
        """Append the result of a frame: dicts, lists, strings and numbers."""
        if self._path is None:
            return
        with writing(self._path):
            if self._file is None:
                self._file = self._open(self._path)
            self._file.write(json.dumps([key, plain]) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None and self._path is not None:
            with writing(self._path):
                self._file.close()

    def _open(self, path: Path) -> TextIO:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("r+" if self._whole else "w", encoding="utf-8")
        file.truncate(self._whole)
        file.seek(self._whole)
        if not self._whole:
            file.write(json.dumps(self._made_with) + "\n")
        return file


def check_no_list(folder: Path | None, columns: str) -> None:
    """Refuse an output folder whose ``frames.csv`` is of something else, such as a list of frames; None: there is none.

    Args:
        columns: how the first line of the command's own begins.

    Raises:
        KBNetError: it begins otherwise.
    """
    listed = Path(folder or "", "frames.csv")
    if folder is not None and listed.is_file():
        first = read_text(listed, "replace").split("\n", 1)[0]
        if not first.startswith(columns):
            what = "a list of frames" if "intrinsics" in first else "of another command"
            raise KBNetError(f"{listed} is {what} and would be replaced; choose another --output")


@contextmanager
def journal(folder: Path | None, settings: Mapping[str, object]) -> Iterator[Journal]:
    """Journal in a folder; its file is removed when the block ends without an error.

    Args:
        folder: output folder; None: nothing is kept.
        settings: what the results depend on, plain values. Results of other settings, or of other versions of the
            computing packages, are not used.
    """
    path = remove_link(folder / NAME) if folder is not None else None
    done = Journal(path, json.dumps({"settings": settings, "versions": versions()}, sort_keys=True))
    try:
        yield done
    finally:
        done.close()
    if path is not None:
        path.unlink(missing_ok=True)


def _read(path: Path, made_with: str) -> tuple[dict[str, Any], int]:
    """Results of a stopped run with the same settings, and the size of their lines in bytes.

    The last line of a stopped run can be cut off. The size is 0 if there are none, or of other settings.
    """
    known: dict[str, Any] = {}
    whole = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                content = parse_json(line)
                if number == 0 and content != made_with:
                    break
                if number > 0:
                    known[content[0]] = content[1]
                whole += len(line)
    except (FileNotFoundError, ValueError, TypeError, LookupError):
        pass
    return known, whole
