"""Whether many files are there, without asking the file system for each."""

from __future__ import annotations

import os
from pathlib import Path


class PresentFiles:
    """Looks files up in listings of their folders, each listed once: lists of frames name half a million files.

    Args:
        folder: what relative paths start from.

    Example:
        >>> present = PresentFiles(Path(__file__).parent)
        >>> "present_files.py" in present, "../frame.py" in present, "nowhere/K.txt" in present
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
