"""Affine maps of the image plane, such as rotation and resizing, applied to images, sparse points and intrinsics.

A map is a matrix A, (B, 3, 3), with last row 0 0 1. It moves the content of pixel p = [x, y, 1] to pixel A p.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mapped_pixels(matrix: Tensor, height: int, width: int) -> Tensor:
    """Map the coordinates of every pixel.

    Args:
        matrix: A, (B, 3, 3), pixels.
        height: number of rows, y = 0 .. height - 1.
        width: number of columns, x = 0 .. width - 1.

    Returns:
        Pixel coordinates x, y of A p, (B, 2, height, width).
    """
    x = torch.arange(width, device=matrix.device, dtype=matrix.dtype)
    y = torch.arange(height, device=matrix.device, dtype=matrix.dtype)[:, None]
    along_x, along_y, offset = (matrix[:, :2, i, None, None] for i in range(3))
    return along_x * x + along_y * y + offset


def look_up(values: Tensor, pixels: Tensor) -> Tensor:
    """Bilinear lookup at pixel coordinates; outside the frame the value of the nearest border pixel.

    Unlike ``grid_sample``, the result at whole pixels is exact.

    Args:
        values: (B, C, H, W), finite.
        pixels: coordinates x, y, (B or 1, 2, h, w).

    Returns:
        (B, C, h, w).
    """
    height, width = values.shape[-2:]
    x, y = pixels[:, :1].clamp(0, width - 1), pixels[:, 1:].clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    right, bottom = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
    to_right, to_bottom = x - left, y - top
    flat = values.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = (row * width + column).long().flatten(2).expand(*flat.shape[:2], -1)
        return flat.gather(2, index).view(*flat.shape[:2], *pixels.shape[-2:])

    upper = at(top, left) * (1 - to_right) + at(top, right) * to_right
    lower = at(bottom, left) * (1 - to_right) + at(bottom, right) * to_right
    return upper * (1 - to_bottom) + lower * to_bottom


def move_points(sparse_depth: Tensor, validity: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Move every sparse point to the pixel nearest to A p, without interpolation.

    Of several points at one pixel, the nearest to the camera is kept, with its validity. Points outside the frame are
    dropped.

    Args:
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        validity: 1 or 0, (B, 1, H, W). It may be 1 at unmeasured pixels, and moves from there too.
        matrix: A, (B, 3, 3), pixels.

    Returns:
        Sparse depth, (B, 1, H, W), metres, and validity, (B, 1, H, W), after the map.
    """
    height, width = sparse_depth.shape[-2:]
    x, y = mapped_pixels(matrix, height, width).round().long().unbind(dim=1)
    stays = ((x >= 0) & (x < width) & (y >= 0) & (y < height)).flatten(1)
    pixel = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(1)
    depth = torch.where(stays & (sparse_depth.flatten(1) > 0), sparse_depth.flatten(1), torch.inf)
    nearest = torch.full_like(depth, torch.inf).scatter_reduce(1, pixel, depth, "amin")
    is_nearest = depth == nearest.gather(1, pixel)
    valid = torch.where(stays & is_nearest, validity.flatten(1), 0.0)
    moved_validity = torch.zeros_like(valid).scatter_reduce(1, pixel, valid, "amax")
    moved_depth = torch.where(nearest.isinf(), 0.0, nearest)
    return moved_depth.view_as(sparse_depth), moved_validity.view_as(validity)


def mapped_intrinsics(intrinsics: Tensor, matrix: Tensor) -> Tensor:
    """Intrinsics K' of the camera that sees the mapped image, with fx and fy positive.

    Depth along z does not change, so the camera axes x and y change only by an orthogonal Q: K' = A K Q⁻¹.

    - Scale and offset: Q is the identity.
    - Rotation: Q = R, a roll of the camera. For square pixels only the principal point moves.
    - Horizontal flip: Q = diag(-1, 1, 1), as in :func:`kbnet.training.augmentation.flip`.

    In general, Q makes the lower left of K' zero (RQ decomposition). This is exact for non-square pixels and skew
    too.

    Args:
        intrinsics: K, (B, 3, 3), pixels.
        matrix: A, (B, 3, 3), pixels, of a similarity or any other affine map.

    Returns:
        K', (B, 3, 3), pixels.
    """
    # Not a matrix product, which CUDA may compute with 10 bits (TF32).
    whole = (matrix[..., None] * intrinsics[:, None]).sum(dim=2)
    (a, b), (c, d) = (whole[:, row, :2].unbind(dim=1) for row in (0, 1))
    mapped = whole.clone()
    fy = torch.hypot(c, d)
    mapped[:, 0, 0] = (a * d - b * c).abs() / fy
    mapped[:, 0, 1] = (a * c + b * d) / fy
    mapped[:, 1, 0] = 0.0
    mapped[:, 1, 1] = fy
    return mapped
