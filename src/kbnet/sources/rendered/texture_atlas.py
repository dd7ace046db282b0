"""Textures prepared for sampling at any scale (a mip map; Williams, "Pyramidal parametrics", 1983)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, IntArray
from kbnet.sources.rendered.mesh import Int32Array

LARGEST_SIDE = 512
"""Larger textures are reduced, pixels."""
GAMMA = 2.2
LINEAR = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
"""Linear value of a stored byte."""

TexelArray = NDArray[np.uint32]


@dataclass(frozen=True)
class MipMap:
    """Texture and its halved copies.

    Attributes:
        texels: RGBA bytes of all levels, one after the other, (P,).
        size: (H, W) of the first level, powers of two.
        has_holes: some texels are transparent.
    """

    texels: TexelArray
    size: tuple[int, int]
    has_holes: bool


def mip_map(picture: NDArray[np.uint8]) -> MipMap:
    """Prepare a picture, RGB or RGBA, (H, W, 3 or 4), of any size."""
    from PIL import Image

    if picture.shape[2] == 3:
        picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    height, width = (min(LARGEST_SIDE, 1 << round(np.log2(max(side, 1)))) for side in picture.shape[:2])
    if picture.shape[:2] != (height, width):
        picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
    has_holes = bool((picture[..., 3] < 128).mean() > 0.002)
    level = picture.astype(np.float32)
    levels = []
    while True:
        levels.append(np.ascontiguousarray(level.round().astype(np.uint8)).view(np.uint32).ravel())
        if level.shape[:2] == (1, 1):
            break
        if level.shape[0] > 1:
            level = (level[0::2] + level[1::2]) * np.float32(0.5)
        if level.shape[1] > 1:
            level = (level[:, 0::2] + level[:, 1::2]) * np.float32(0.5)
    return MipMap(np.concatenate(levels), (height, width), has_holes)


class TextureAtlas:
    """Mip maps of one room side by side."""

    def __init__(self, maps: Sequence[MipMap]) -> None:
        """Join mip maps; the index of each is its place."""
        self._texels = np.concatenate([one.texels for one in maps])
        starts = np.cumsum([0, *(len(one.texels) for one in maps[:-1])])
        self._log_width = np.array([one.size[1].bit_length() - 1 for one in maps], np.int32)
        self._log_height = np.array([one.size[0].bit_length() - 1 for one in maps], np.int32)
        self.last_level = np.maximum(self._log_width, self._log_height)
        self.sizes = np.array([one.size for one in maps], np.float32)
        offsets = np.zeros((len(maps), 12), np.int64)
        for row, (start, one) in enumerate(zip(starts, maps, strict=True)):
            height, width = one.size
            for level in range(12):
                offsets[row, level] = start
                start += height * width
                height, width = max(height // 2, 1), max(width // 2, 1)
        self._offsets = offsets

    def sample(self, texture: Int32Array, uv: FloatArray, level: FloatArray) -> FloatArray:
        """Linear RGBA, (N, 4), bilinear at the nearest level.

        Args:
            texture: index, (N,).
            uv: in repeats, (N, 2).
            level: base-2 logarithm of the pixel's width in texels, (N,).
        """
        chosen = np.clip(np.rint(level - 0.1), 0, self.last_level[texture]).astype(np.int32)
        log_w = np.maximum(self._log_width[texture] - chosen, 0)
        width = np.left_shift(np.int32(1), log_w)
        height = np.left_shift(np.int32(1), np.maximum(self._log_height[texture] - chosen, 0))
        x = (uv[:, 0] - np.floor(uv[:, 0])) * width - np.float32(0.5)
        y = (uv[:, 1] - np.floor(uv[:, 1])) * height - np.float32(0.5)
        left, top = np.floor(x), np.floor(y)
        along, down = (x - left)[:, None], (y - top)[:, None]
        column, row = left.astype(np.int32), top.astype(np.int32)
        start = self._offsets[texture, chosen]
        columns = (column & (width - 1), (column + 1) & (width - 1))
        rows = (start + ((row & (height - 1)) << log_w), start + (((row + 1) & (height - 1)) << log_w))
        upper = self._linear(rows[0] + columns[0]) * (1 - along) + self._linear(rows[0] + columns[1]) * along
        lower = self._linear(rows[1] + columns[0]) * (1 - along) + self._linear(rows[1] + columns[1]) * along
        blended: FloatArray = upper * (1 - down) + lower * down
        return blended

    def _linear(self, index: IntArray) -> FloatArray:
        return LINEAR.take(self._texels.take(index).view(np.uint8)).reshape(-1, 4)
