"""Frames of a phone with a lidar: each depth pixel as a point at its place in the larger image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import spread_depth
from kbnet.frames.natural_order import sortable
from kbnet.frames.recording import Moment, Recording
from kbnet.points.sparse_points import map_to_points, points_to_map
from kbnet.sources.depth_file import check_metres
from kbnet.sources.phone_files import PhoneFiles
from kbnet.sources.resizing import limit_longer_side

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
        image = image if _same_focus(own, K) else _image_at_other_focus(image, own, K)
        frame = Frame(image, self._depth(number), K, name=moment.name)
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
        K, own = self._files.K[0], self._files.K[index]
        return sparse if _same_focus(own, K) else _points_at_other_focus(sparse, own, K)

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


def _same_focus(K: FloatArray, other: FloatArray) -> bool:
    return np.allclose(K, other, rtol=1e-6)


def _image_at_other_focus(image: ImageArray, K: FloatArray, target: FloatArray) -> ImageArray:
    """Image of K as a camera with another K at the same place has it."""
    to_source = K.astype(np.float64) @ np.linalg.inv(target.astype(np.float64))
    # Pillow counts from the corner of a pixel, and gives back the source of each.
    offset = to_source[:2, 2] + 0.5 - to_source[:2, :2] @ [0.5, 0.5]
    coefficients = (*to_source[0, :2], offset[0], *to_source[1, :2], offset[1])
    size = image.shape[1], image.shape[0]
    return np.asarray(
        Image.fromarray(image).transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    )


def _points_at_other_focus(sparse: FloatArray, K: FloatArray, target: FloatArray) -> FloatArray:
    """Points in the image of K, (H, W), as a camera with another K at the same place has them."""
    pixels, depth = map_to_points(sparse)
    from_source = target.astype(np.float64) @ np.linalg.inv(K.astype(np.float64))
    moved = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ from_source.T
    return points_to_map(moved[:, :2], depth, (sparse.shape[0], sparse.shape[1]))
