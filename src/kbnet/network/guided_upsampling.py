"""Joint bilateral upsampling of a map, guided by a full-size image (Kopf et al., SIGGRAPH 2007)."""

from __future__ import annotations

import torch
from torch import Tensor

COLOUR_DEVIATION = 0.04
"""RMS colour difference, colours in 0..1, at which a neighbour keeps exp(-1/2) of its bilinear weight."""
LEAST_WEIGHT = 0.01
"""Added to the colour weight. Without a neighbour of similar colour, the result is bilinear."""
BLOCK_PIXELS = 2**16
"""Pixels of one block, so that intermediate maps fit into the cache."""


def guided_upsampling(
    x: Tensor, reduced_image: Tensor, image: Tensor, factor: int, *, in_blocks: bool = False
) -> Tensor:
    """Upsample a map by an integer factor to the size of an image.

    Every pixel is a weighted mean of the 2x2 nearest pixels of the map, with the weights::

        bilinear weight * (0.01 + exp(-|I - I_reduced|² / (2 * 0.04²)))

    where |I - I_reduced|² is the mean over the three colours. Pixel i of the map covers pixels factor * i to
    factor * (i + 1) - 1 of the image; the last row and column may cover fewer.

    Args:
        x: map, (B, C, h, w), such as ln depth.
        reduced_image: RGB in 0..1, mean over the pixels that each pixel of ``x`` covers, (B, 3, h, w).
        image: RGB, uint8 or float in 0..1, (B, 3, H, W) with h = ceil(H / factor), w = ceil(W / factor).
        factor: at least 1.
        in_blocks: compute a few rows at a time, with less memory and time on large images; not possible in an export.

    Returns:
        (B, C, H, W), within the range of ``x``.
    """
    image, (height, width) = image.contiguous(), image.shape[-2:]
    joined = torch.cat([x, reduced_image], dim=1)
    left, right, share_right = _neighbours(width, joined.shape[-1], factor, x)
    above, below, share_below = _neighbours(height, joined.shape[-2], factor, x)
    sides = ((joined.index_select(-1, left), 1 - share_right), (joined.index_select(-1, right), share_right))

    def rows(block: slice) -> Tensor:
        shares = ((above[block], 1 - share_below[block]), (below[block], share_below[block]))
        return _weighted_mean(sides, shares, colours_in_unit_range(image[..., block, :]))

    if not in_blocks:
        return rows(slice(None))
    enlarged = x.new_empty(*x.shape[:2], height, width)
    step = max(1, BLOCK_PIXELS // width)
    for begin in range(0, height, step):
        block = slice(begin, begin + step)
        enlarged[..., block, :] = rows(block)
    return enlarged


def colours_in_unit_range(image: Tensor) -> Tensor:
    """Colours as float in 0..1, (B, 3, H, W), from uint8 or from values in 0..1."""
    return image.float() / 255 if image.dtype == torch.uint8 else image.float()


def _neighbours(length: int, reduced_length: int, factor: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Two nearest reduced pixels along one axis, and the bilinear weight of the second, (length,) each."""
    place = (torch.arange(length, device=like.device, dtype=like.dtype) - (factor - 1) / 2) / factor
    first = place.floor()
    index = first.long()
    return index.clamp_min(0), (index + 1).clamp_max(reduced_length - 1), place - first


def _weighted_mean(
    sides: tuple[tuple[Tensor, Tensor], ...], shares: tuple[tuple[Tensor, Tensor], ...], image: Tensor
) -> Tensor:
    """Weighted mean of the four neighbours for a block of rows of the image, (B, C, H, W).

    Left and right are map and colours, (B, C + 3, h, W), above and below rows, (H,); each has its bilinear weight.
    """
    weighted, total = [], []
    for row, share_y in shares:
        for side, share_x in sides:
            neighbour = side.index_select(-2, row)
            difference = (image - neighbour[:, -3:]).square().sum(dim=1, keepdim=True)
            likeness = LEAST_WEIGHT + torch.exp(difference * (-1 / (6 * COLOUR_DEVIATION**2)))
            weight = share_y[:, None] * share_x * likeness
            weighted.append(weight * neighbour[:, :-3])
            total.append(weight)
    return sum(weighted[1:], weighted[0]) / sum(total[1:], total[0])
