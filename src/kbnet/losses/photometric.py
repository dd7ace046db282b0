"""How unlike an image and its reconstruction are: colour and structure (published system, section 5)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2


def colour_loss(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Absolute difference, summed over channels, averaged over pixels and batch.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        reconstruction: the same image warped from another view, (B, 3, H, W).

    Returns:
        Scalar.
    """
    return (image - reconstruction).abs().sum(dim=1).mean()


def structure_loss(image: Tensor, reconstruction: Tensor) -> Tensor:
    """(1 - SSIM) / 2 within 0..1, resized to the image, summed over channels, averaged over pixels and batch.

    Args:
        image: RGB in 0..1, (B, 3, H, W).
        reconstruction: the same image warped from another view, (B, 3, H, W).

    Returns:
        Scalar.
    """
    dissimilarity = ((1 - ssim(image, reconstruction)) / 2).clamp(0, 1)
    return F.interpolate(dissimilarity, size=image.shape[-2:], mode="nearest").sum(dim=1).mean()


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
