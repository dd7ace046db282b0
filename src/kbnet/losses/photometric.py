"""Photometric losses between an image and its reconstructions: colour and structure (published system, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.losses.depth_terms import masked_mean
from kbnet.losses.weights import StructureBorder

SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2


def colour_loss(
    image: Tensor,
    reconstructions: Sequence[Tensor],
    compared: Tensor | None = None,
    *,
    factor: Tensor | None = None,
) -> Tensor:
    """Colour loss: :func:`colour_error`, averaged over pixels and batch, summed over the reconstructions.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        reconstructions: the same image warped from S other views, (B, 3, H, W) each.
        compared: weight of every pixel of every reconstruction, (B, S, H, W), or of all reconstructions, (B, 1, H,
            W). The average of a sample runs over all reconstructions together. A reconstruction with little weight
            then has little influence. None: equal weights.
        factor: factor of the error of every pixel, (B, 1, H, W). The number of averaged pixels stays the same: a pixel
            with factor 0 has no error. None: 1.
    """
    return _mean_error(colour_error, image, reconstructions, compared, factor)


def structure_loss(
    image: Tensor,
    reconstructions: Sequence[Tensor],
    compared: Tensor | None = None,
    *,
    factor: Tensor | None = None,
    border: StructureBorder = "resized",
) -> Tensor:
    """Structure loss: :func:`structure_error`, averaged and summed as in :func:`colour_loss`."""
    return _mean_error(partial(structure_error, border=border), image, reconstructions, compared, factor)


def colour_error(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Absolute colour difference of every pixel, summed over channels.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        reconstruction: the same image warped from another view, (B, 3, H, W).

    Returns:
        (B, 1, H, W).
    """
    return (image - reconstruction).abs().sum(dim=1, keepdim=True)


def structure_error(image: Tensor, reconstruction: Tensor, border: StructureBorder = "resized") -> Tensor:
    """Structural dissimilarity (1 - SSIM) / 2, clipped to 0..1, summed over channels.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        reconstruction: the same image warped from another view, (B, 3, H, W).
        border: ``resized``: of the windows inside the image, enlarged to its size. ``reflected``: of a window around
            every pixel, both images padded by reflection.

    Returns:
        (B, 1, H, W).
    """
    size = image.shape[-2:]
    if border == "reflected":
        image, reconstruction = (F.pad(x, (1, 1, 1, 1), mode="reflect") for x in (image, reconstruction))
    dissimilarity = ((1 - ssim(image, reconstruction)) / 2).clamp(0, 1)
    if border == "resized":
        dissimilarity = F.interpolate(dissimilarity, size=size, mode="nearest")
    return dissimilarity.sum(dim=1, keepdim=True)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity over 3x3 means without padding.

    Args:
        x: (B, C, H, W), values in 0..1.
        y: likewise.

    Returns:
        (B, C, H - 2, W - 2); 1 where the windows are equal.
    """
    mean_x, mean_y = F.avg_pool2d(x, 3, 1), F.avg_pool2d(y, 3, 1)
    variance_x = F.avg_pool2d(x * x, 3, 1) - mean_x * mean_x
    variance_y = F.avg_pool2d(y * y, 3, 1) - mean_y * mean_y
    covariance = F.avg_pool2d(x * y, 3, 1) - mean_x * mean_y
    numerator = (2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
    return numerator / ((mean_x * mean_x + mean_y * mean_y + SSIM_C1) * (variance_x + variance_y + SSIM_C2))


def _mean_error(
    error: Callable[[Tensor, Tensor], Tensor],
    image: Tensor,
    reconstructions: Sequence[Tensor],
    compared: Tensor | None,
    factor: Tensor | None,
) -> Tensor:
    errors = [error(image, reconstruction) for reconstruction in reconstructions]
    if factor is not None:
        errors = [factor * one for one in errors]
    if compared is None:
        return torch.stack([one.mean() for one in errors]).sum()
    joined = torch.cat(errors, dim=1)
    return len(errors) * masked_mean(joined, compared.expand_as(joined))
