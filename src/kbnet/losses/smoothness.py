"""Edge-aware smoothness loss."""

from __future__ import annotations

from torch import Tensor

from kbnet.losses.masked_mean import masked_mean


def smoothness_loss(depth: Tensor, image: Tensor, mask: Tensor | None = None) -> Tensor:
    """Edge-aware smoothness: mean of exp(-mean_c |∂I|) |∂depth| along x plus the same along y, forward differences.

    Args:
        depth: (B, 1, H, W), metres.
        image: RGB in 0..1, (B, 3, H, W).
        mask: weight of every pixel, (B, 1, H, W). The weight of a difference is the product of its two pixels' weights.
            None: equal weights.

    Returns:
        Scalar.
    """
    return _along(3, depth, image, mask) + _along(2, depth, image, mask)


def _along(dim: int, depth: Tensor, image: Tensor, mask: Tensor | None) -> Tensor:
    change = image.diff(dim=dim).abs().mean(dim=1, keepdim=True).neg().exp() * depth.diff(dim=dim).abs()
    if mask is None:
        return change.mean()
    length = mask.shape[dim] - 1
    return masked_mean(change, mask.narrow(dim, 0, length) * mask.narrow(dim, 1, length))
