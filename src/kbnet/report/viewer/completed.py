"""Completed frames of the viewer, computed on first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.frame_source import FrameSource
from kbnet.report.colour import colourise
from kbnet.report.fusion.view import Complete, confident_pixels
from kbnet.report.point_cloud import point_cloud

REMEMBERED = 24
"""Number of cached frames; one of 640x480 pixels takes 6 MB."""


@dataclass(frozen=True)
class Completed:
    """Frame with completed depth.

    Attributes:
        depth: completed depth, (H, W), metres.
        error: expected error, (H, W), metres.
    """

    frame: Frame
    depth: FloatArray
    error: FloatArray

    def sparse_points(self) -> tuple[FloatArray, FloatArray]:
        """Measured points in camera axes, (N, 3), and their depth, (N,), metres."""
        points, _ = point_cloud(self.frame.sparse_depth, self.frame.intrinsics, self.frame.image)
        return points, points[:, 2]

    def dense_points(self, colours: ImageArray, keep: float, at_most: int) -> tuple[FloatArray, ImageArray]:
        """Completed points in camera axes.

        Args:
            colours: RGB, (H, W, 3), uint8.
            keep: share of the pixels with the least expected error relative to depth.
            at_most: largest number of pixels; more are subsampled on a regular grid.

        Returns:
            Points, (N, 3), metres, and colours, (N, 3), uint8.
        """
        shown = np.zeros_like(self.depth)
        step = self.step(at_most)
        shown[::step, ::step] = self.depth[::step, ::step]
        shown[~confident_pixels(self.depth, self.error, keep)] = 0
        return point_cloud(shown, self.frame.intrinsics, colours)

    def step(self, at_most: int) -> int:
        """Stride of the drawn pixels, for at most ``at_most`` of them."""
        return max(1, int(np.ceil(np.sqrt(self.depth.size / at_most))))


def completed_frames(source: FrameSource, complete: Complete) -> Callable[[int], Completed]:
    """Function from an index to a completed frame, with a cache of the last ones."""

    @lru_cache(maxsize=REMEMBERED)
    def completed(index: int) -> Completed:
        frame = source.frame(index)
        return Completed(frame, *complete(frame))

    return completed


def limits(values: NDArray[np.floating]) -> tuple[float, float]:
    """Ends of a colour scale: the 1st and 99th percentile, with a least distance."""
    if not values.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(values, (1, 99)))
    return low, max(high, low + 0.01)


def colour_bar(low: float, high: float, label: str, size: tuple[int, int] = (56, 320)) -> ImageArray:
    """Colour bar of :func:`kbnet.report.colour.colourise` with its ends in metres, (H, W, 3), uint8."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = size
    shades = np.tile(np.linspace(low, high, width - 16, dtype=np.float32), (height // 3, 1))
    image = Image.new("RGB", (width, height), "white")
    image.paste(Image.fromarray(colourise(np.maximum(shades, 1e-6), low, high)), (8, 4))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for x, text, anchor in ((8, f"{low:.2f} m", "lt"), (width // 2, label, "mt"), (width - 8, f"{high:.2f} m", "rt")):
        draw.text((x, 9 + height // 3), text, (34, 34, 34), font, anchor=anchor)
    return np.asarray(image)
