"""Mean of a map, weighted by a mask."""

from __future__ import annotations

from torch import Tensor

LEAST_WEIGHT = 1e-6
"""A sample whose weights add up to less than this gives 0."""


def masked_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Masked mean Σ m x / Σ m of every sample, averaged over the batch; without a mask the plain mean.

    Args:
        values: (B, C, H, W).
        mask: weight of every value, at least 0, (B, C, H, W). A sample whose mask is 0 everywhere gives 0. None: equal
            weights.

    Returns:
        Scalar.

    >>> import torch
    >>> masked_mean(torch.tensor([1.0, 5.0, 9.0]).view(1, 1, 1, 3), torch.tensor([1.0, 1.0, 0.0]).view(1, 1, 1, 3))
    tensor(3.)
    """
    if mask is None:
        return values.mean()
    total = (mask * values).sum(dim=(1, 2, 3))
    return (total / mask.sum(dim=(1, 2, 3)).clamp_min(LEAST_WEIGHT)).mean()
