"""Colour augmentation and erased patches, with other values for every sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Share of red, green and blue in grey (ITU-R BT.601)."""


def change_colours(
    image: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue_turns: Tensor
) -> Tensor:
    """Change brightness, then contrast, saturation and hue; values are clipped to 0..1.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        brightness: factor of all colours, (B,).
        contrast: factor of the distance to the mean grey of the image, (B,).
        saturation: factor of the distance to the grey of each pixel, (B,).
        hue_turns: rotation of the hue, (B,), turns; 0 = unchanged.

    Returns:
        (B, 3, H, W); unchanged for factors of 1 and a rotation of 0.
    """
    brightness, contrast, saturation, hue_turns = (
        values[:, None, None, None] for values in (brightness, contrast, saturation, hue_turns)
    )
    image = (image * brightness).clamp(0, 1)
    image = torch.lerp(_grey(image).mean(dim=(2, 3), keepdim=True), image, contrast).clamp(0, 1)
    image = torch.lerp(_grey(image), image, saturation).clamp(0, 1)
    return torch.where(hue_turns == 0, image, turn_hue(image, hue_turns))


def turn_hue(image: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hue (HSV); the largest and smallest of a pixel's three values are unchanged.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        turns: rotation, turns, (B, 1, 1, 1); a third of a turn changes red to green.

    Returns:
        (B, 3, H, W).
    """
    red, green, blue = image.chunk(3, dim=1)
    largest, smallest = image.amax(dim=1, keepdim=True), image.amin(dim=1, keepdim=True)
    chroma = largest - smallest
    divisor = torch.where(chroma > 0, chroma, 1.0)
    sixths = torch.where(
        largest == red,
        (green - blue) / divisor,
        torch.where(largest == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    # The wheel has six parts. Each colour is full in two, absent in two, and linear in the two between.
    position = (image.new_tensor([5.0, 3.0, 1.0])[:, None, None] + sixths + 6 * turns) % 6
    return largest - chroma * torch.minimum(position, 4 - position).clamp(0, 1)


def erase(image: Tensor, centres: Tensor, size_px: int) -> Tensor:
    """Make square patches black.

    Args:
        image: RGB, (B, 3, H, W).
        centres: sample, row and column of the centre of every patch, (P, 3), int64.
        size_px: side of a patch, odd, pixels.

    Returns:
        (B, 3, H, W).
    """
    erased = torch.zeros_like(image[:, :1])
    sample, row, column = centres.unbind(dim=1)
    erased[sample, 0, row, column] = 1.0
    return image * (1 - F.max_pool2d(erased, size_px, stride=1, padding=size_px // 2))


def _grey(image: Tensor) -> Tensor:
    return (image * image.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
