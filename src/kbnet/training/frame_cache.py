"""Cache of frames at the network's resolution; depth is stored in the units of a depth PNG."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.depth_png import UNITS_PER_METRE
from kbnet.frames.frame_source import FrameSource
from kbnet.network.working_size import reduced_frame


class _Stored(NamedTuple):
    image: ImageArray
    sparse_depth: NDArray[np.uint16]
    ground_truth: NDArray[np.uint16] | None
    intrinsics: FloatArray
    name: str


class FrameCache:
    """Cache of the reduced frames of a source; each file is read once.

    Args:
        longer_side: longer side at the network's resolution, pixels; 0 = reduce every frame by ``factor``.
        factor: factor for a ``longer_side`` of 0.
    """

    def __init__(self, source: FrameSource, *, longer_side: int, factor: int) -> None:
        self.source = source
        self._longer_side, self._factor = longer_side, factor
        self._stored: dict[int, _Stored] = {}

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.source)

    def frame(self, index: int) -> Frame:
        """Frame at the network's resolution; depth is rounded to 1/256 m."""
        if index not in self._stored:
            self._stored[index] = self._read(index)
        stored = self._stored[index]
        truth = stored.ground_truth
        return Frame(
            stored.image,
            _metres(stored.sparse_depth),
            stored.intrinsics,
            None if truth is None else _metres(truth),
            stored.name,
        )

    def _read(self, index: int) -> _Stored:
        frame = self.source.frame(index)
        factor = max(1, round(max(frame.size) / self._longer_side)) if self._longer_side else self._factor
        reduced = reduced_frame(frame, factor)
        truth = reduced.ground_truth
        return _Stored(
            reduced.image,
            _units(reduced.sparse_depth),
            None if truth is None else _units(truth),
            reduced.intrinsics,
            reduced.name,
        )


def _units(depth: FloatArray) -> NDArray[np.uint16]:
    units: NDArray[np.uint16] = np.rint(depth * np.float32(UNITS_PER_METRE)).clip(0, 65535).astype(np.uint16)
    return units


def _metres(units: NDArray[np.uint16]) -> FloatArray:
    return units.astype(np.float32) / np.float32(UNITS_PER_METRE)
