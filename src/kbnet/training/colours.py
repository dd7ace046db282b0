"""Changing the colours of images and erasing patches of them, sample by sample; pixels stay where they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Share of red, green and blue in grey (ITU-R BT.601)."""


def change_colours(
    image: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue_turns: Tensor
) -> Tensor:
    """Brightness, then contrast, saturation and hue; values stay within 0..1.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        brightness: factor of all colours, (B,).
        contrast: factor of the distance to the mean grey of the image, (B,).
        saturation: factor of the distance to the grey of each pixel, (B,).
        hue_turns: turn of the hue, (B,), whole turns; 0 leaves a sample as it is.

    Returns:
        (B, 3, H, W); the image itself where the factors are 1 and the turn is 0.
    """
    brightness, contrast, saturation, hue_turns = (
        values[:, None, None, None] for values in (brightness, contrast, saturation, hue_turns)
    )
    image = (image * brightness).clamp(0, 1)
    image = torch.lerp(_grey(image).mean(dim=(2, 3), keepdim=True), image, contrast).clamp(0, 1)
    image = torch.lerp(_grey(image), image, saturation).clamp(0, 1)
    return torch.where(hue_turns == 0, image, turn_hue(image, hue_turns))


def turn_hue(image: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue and keep the largest and smallest of each pixel's three values (HSV).

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        turns: whole turns, (B, 1, 1, 1); red becomes green after a third.

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
    # Of the six sixths of the wheel, each colour is full in two, absent in two, and on its way in one each between.
    position = (image.new_tensor([5.0, 3.0, 1.0])[:, None, None] + sixths + 6 * turns) % 6
    return largest - chroma * torch.minimum(position, 4 - position).clamp(0, 1)


def erase(image: Tensor, centres: Tensor, size_px: int) -> Tensor:
    """Make square patches black.

    Args:
        image: RGB, (B, 3, H, W).
        centres: sample, row and column of the middle of every patch, (P, 3), int64.
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
