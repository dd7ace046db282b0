"""The frames of many sources as one, and which of them have no depth yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kbnet.frames.frame_source import FrameSource


class NumberedFrames:
    """The frames of some sources, numbered through: numbers of a million frames take 40 MB, names several times that.

    Args:
        sources: sequences and lists, each of another name.
        output: gets ``<source>/depth/<frame>.png``.
    """

    def __init__(self, sources: Sequence[FrameSource], output: Path) -> None:
        self._sources, self._output = sources, output
        self._starts = np.cumsum([0, *map(len, sources)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, number: int) -> tuple[FrameSource, int]:
        """The source of a frame, and its index there."""
        source = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._sources[source], int(number - self._starts[source])

    def name(self, number: int) -> str:
        """``<source>/<frame>``."""
        source, index = self[number]
        return f"{source.name}/{source.names[index]}"

    def depth_file(self, number: int) -> Path:
        """Where its depth goes: where ``kbnet complete`` with ``<output>/<source>`` as output puts it."""
        source, index = self[number]
        return self._depth_folder(source) / f"{source.names[index]}.png"

    def without_depth(self) -> list[int]:
        """The frames that are still to be completed; folders are listed, since a look for each file takes minutes."""
        pending: list[int] = []
        for source, start in zip(self._sources, self._starts.tolist(), strict=False):
            folder = self._depth_folder(source)
            there = _files_below(folder)
            names = enumerate(source.names, start)
            pending += [number for number, name in names if os.path.join(folder, f"{name}.png") not in there]
        return pending

    def remove_half_written(self) -> None:
        """Remove what killed workers left."""
        for source in self._sources:
            for path in map(Path, _files_below(self._depth_folder(source))):
                if path.match(".*.partial.png"):
                    path.unlink(missing_ok=True)

    def _depth_folder(self, source: FrameSource) -> Path:
        return self._output / source.name / "depth"


def _files_below(folder: Path) -> set[str]:
    return {os.path.join(parent, file) for parent, _, files in os.walk(folder) for file in files}
