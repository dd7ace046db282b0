"""The frames of many sources as one sequence of numbers, and which of them have missing files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kbnet.inference.output_folder import OutputFolder


class NumberedFrames:
    """The frames of some sources, numbered through: numbers of a million frames take 40 MB, names several times that.

    Args:
        outputs: folders of results, each of another source.
    """

    def __init__(self, outputs: Sequence[OutputFolder]) -> None:
        self._outputs = outputs
        self._starts = np.cumsum([0, *(len(output.frames) for output in outputs)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, number: int) -> tuple[OutputFolder, int]:
        """The folder of results of a frame, and its index in the source."""
        source = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._outputs[source], int(number - self._starts[source])

    def name(self, number: int) -> str:
        """``<source>/<frame>``."""
        output, index = self[number]
        return f"{output.frames.name}/{output.names[index]}"

    def is_done(self, number: int) -> bool:
        """Whether all files of one frame are there."""
        output, index = self[number]
        return output.is_done(index)

    def pending(self) -> list[int]:
        starts = zip(self._outputs, self._starts.tolist(), strict=False)
        return [start + index for output, start in starts for index in output.pending()]

    def remove_half_written(self) -> None:
        """Remove what killed workers left."""
        for output in self._outputs:
            for kind in output.kinds:
                for path in Path(output.folder, kind.folder).rglob(f".*.partial{kind.suffix}"):
                    path.unlink(missing_ok=True)
