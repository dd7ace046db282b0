"""Pinhole camera: viewing rays, intrinsics at other resolutions, backprojection and projection."""

from __future__ import annotations

import torch
from torch import Tensor

PROJECTION_EPSILON = 1e-7
"""Added to z before dividing by it (published system, section 5)."""


def viewing_rays(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Viewing rays K⁻¹ [x, y, 1] of every pixel, by the closed-form inverse of a pinhole matrix.

    Args:
        intrinsics: K, (B, 3, 3), pixels.
        height: number of rows, y = 0 .. height - 1.
        width: number of columns, x = 0 .. width - 1.

    Returns:
        Rays with z = 1, (B, 3, height, width), in the type of ``intrinsics``.

    >>> viewing_rays(torch.tensor([[[2.0, 0, 1], [0, 4, 1], [0, 0, 1]]]), 1, 2)[0, :, 0]
    tensor([[-0.5000,  0.0000],
            [-0.2500, -0.2500],
            [ 1.0000,  1.0000]])
    """
    x = torch.arange(width, device=intrinsics.device, dtype=intrinsics.dtype)
    y = torch.arange(height, device=intrinsics.device, dtype=intrinsics.dtype)[:, None]
    fx, skew, cx = (intrinsics[:, 0, i, None, None] for i in range(3))
    fy, cy = (intrinsics[:, 1, i, None, None] for i in (1, 2))
    ray_y = ((y - cy) / fy).expand(-1, height, width)
    ray_x = (x - cx - skew * ray_y) / fx
    return torch.stack([ray_x, ray_y, torch.ones_like(ray_x)], dim=1)


def scale_intrinsics(intrinsics: Tensor, scale_x: float, scale_y: float) -> Tensor:
    """Intrinsics of a rescaled image, whose pixel i lies on pixel i / scale of the original.

    Args:
        intrinsics: K, (B, 3, 3), pixels.
        scale_x: factor of the first row (fx, skew, cx).
        scale_y: factor of the second row (fy, cy).

    Returns:
        Scaled K, (B, 3, 3), pixels.
    """
    # Row by row: in an export for any size, scales are values of the graph; new_tensor would make them constant.
    return torch.cat([intrinsics[:, :1] * scale_x, intrinsics[:, 1:2] * scale_y, intrinsics[:, 2:]], dim=1)


def halved_intrinsics(intrinsics: Tensor) -> Tensor:
    """Intrinsics of an image at half size: each pixel is the mean of 2x2 pixels, so pixel i lies on 2 i + 1/2.

    Args:
        intrinsics: K, (B, 3, 3), pixels.

    Returns:
        K at half the size, (B, 3, 3), pixels.

    >>> halved_intrinsics(torch.tensor([[[40.0, 0, 15.5], [0, 40, 11.5], [0, 0, 1]]]))
    tensor([[[20.0000,  0.0000,  7.5000],
             [ 0.0000, 20.0000,  5.5000],
             [ 0.0000,  0.0000,  1.0000]]])
    """
    shift = intrinsics.new_tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    return scale_intrinsics(intrinsics - shift, 0.5, 0.5)


def backproject(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Backproject every pixel to a point in camera axes: z · K⁻¹ [x, y, 1].

    Args:
        depth: depth along z, (B, 1, H, W), metres.
        intrinsics: K, (B, 3, 3), pixels.

    Returns:
        Points, (B, 3, H, W), metres.
    """
    return depth * viewing_rays(intrinsics, depth.shape[-2], depth.shape[-1])


def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Project points in camera axes to pixels: K X / (z + 1e-7).

    Args:
        points: (B, 3, H, W), metres.
        intrinsics: K, (B, 3, 3), pixels.

    Returns:
        Pixel coordinates x, y, (B, 2, H, W); pixel centres on whole numbers.
    """
    projected = torch.einsum("bij,bjhw->bihw", intrinsics, points)
    return projected[:, :2] / (projected[:, 2:] + PROJECTION_EPSILON)
