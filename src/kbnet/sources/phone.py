"""Frames of a phone with a lidar: each depth pixel as a point at its place in the larger image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import spread_depth
from kbnet.frames.natural_order import sortable
from kbnet.frames.recording import Moment, Recording
from kbnet.sources.depth_file import check_metres
from kbnet.sources.phone_files import PhoneFiles
from kbnet.sources.resizing import image_at_focus, limit_longer_side, points_at_focus

MOST_CONFIDENCE = 2


class PhoneFrames(Recording[int]):
    """Frames of a phone: the colour image, and each depth pixel as a point at its place in it.

    The lens is taken for a pinhole, as ARKit does. Frames whose K differs from that of the first, since the phone
    focused, are resampled to it.

    Args:
        files: of the recording.
        confidence, every, longest_side: as `kbnet.sources.kinds.phone.PhoneArguments`.
    """

    says_points = True

    def __init__(
        self, path: Path, files: PhoneFiles, *, confidence: int = 1, every: int = 1, longest_side: int | None = None
    ) -> None:
        expected = len(range(0, len(files.names), every))
        super().__init__(path, files.points_from, expected=expected)
        self._files, self._every, self._longest_side, self._least_confidence = files, every, longest_side, confidence
        self._depth = lru_cache(maxsize=2)(self._sparse_depth)

    def notes(self) -> list[str]:
        """What was left out."""
        alone = self._files.alone
        return [*([f"left out: {alone} images without depth"] if alone else []), *super().notes()]

    def moments(self) -> Iterator[Moment[int]]:
        for index, name in enumerate(sortable(self._files.names)):
            if index % self._every:
                continue
            if not self._depth(index).any():
                self.leave_out("frames without depth", name)
                continue
            yield Moment(name, self._files.poses[index], index)
        if not self._known:
            raise KBNetError(f"no frame of {self.folder} has depth of enough confidence; take more (--confidence 0)")

    def make(self, index: int, moment: Moment[int]) -> Frame:
        number = moment.parts
        image, K, own = self._files.image(number), self._files.K[0], self._files.K[number]
        warn_of_far_centre(K, self._size, of=f"K of {self.folder}")
        frame = Frame(image_at_focus(image, own, K), self._depth(number), K, name=moment.name)
        return limit_longer_side(frame, self._longest_side) if self._longest_side else frame

    @cached_property
    def _size(self) -> tuple[int, int]:
        """(H, W) of the images, by the first."""
        height, width, _ = self._files.image(0).shape
        return height, width

    def _sparse_depth(self, index: int) -> FloatArray:
        """Depth as points at their places in the image at the focus of the first, (H, W), metres."""
        where = f" (frame '{self._files.names[index]}' of {self.folder})"
        sparse = spread_depth(self._read_depth(index), self._size, where=where)
        return points_at_focus(sparse, self._files.K[index], self._files.K[0])

    def _read_depth(self, index: int) -> FloatArray:
        depth, confidence = self._files.depth(index)
        check_metres(depth, where=f"{self.points_from}, {self._files.names[index]}", remedy="check how it was exported")
        if confidence is not None and (confidence.shape != depth.shape or confidence.max() > MOST_CONFIDENCE):
            raise KBNetError(
                f"expected confidence of 0, 1 or 2 and {depth.shape[1]}x{depth.shape[0]} pixels in {self.folder}, got "
                f"{confidence.shape} up to {confidence.max()}; export it again, or remove it"
            )
        low = np.zeros(depth.shape, bool) if confidence is None else confidence < self._least_confidence
        return np.where(low, np.float32(0), depth)
