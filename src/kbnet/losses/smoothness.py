"""Depth changes where the image does."""

from __future__ import annotations

from torch import Tensor


def smoothness_loss(depth: Tensor, image: Tensor) -> Tensor:
    """Edge-aware smoothness: mean of exp(-mean_c |∂I|) |∂depth| along x plus along y, forward differences.

    Args:
        depth: (B, 1, H, W), metres.
        image: RGB in 0..1, (B, 3, H, W).

    Returns:
        Scalar.
    """
    along_x = (image.diff(dim=3).abs().mean(dim=1, keepdim=True).neg().exp() * depth.diff(dim=3).abs()).mean()
    along_y = (image.diff(dim=2).abs().mean(dim=1, keepdim=True).neg().exp() * depth.diff(dim=2).abs()).mean()
    return along_x + along_y
