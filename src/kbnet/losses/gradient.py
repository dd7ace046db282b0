"""Gradient-matching loss: depth differences compared with those of ground truth."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFTS_PX = (1, 2, 4, 8)
LEAST_REFERENCE = 0.02
"""Added to the scaffold's mean difference of ln depth before the division."""
LEAST_DEPTH = 1e-6


def gradient_loss(depth: Tensor, ground_truth: Tensor, scaffold: Tensor) -> Tensor:
    """Gradient loss: differences of the log-depth error over 1, 2, 4 and 8 pixels, divided by the scaffold's.

    With e = ln depth - ln ground truth and e' likewise of the scaffold, a sample's loss is
    S(e) / (S(e') + 0.02), S(e) = sum over shifts and both directions of mean |e(x + shift) - e(x)|
    (scale-invariant gradients as in Ranftl et al., TPAMI 2022). Its weight is the share of measured pixels, because
    ground truth with holes is less exact at edges.

    Args:
        depth: (B, 1, H, W), metres.
        ground_truth: (B, 1, H, W), metres; 0 = unmeasured. A sample without any gives 0.
        scaffold: (B, 1, H, W), metres.

    Returns:
        Scalar.
    """
    validity = (ground_truth > 0).to(depth.dtype)
    log_truth = ground_truth.clamp_min(LEAST_DEPTH).log()
    own = _differences(depth.clamp_min(LEAST_DEPTH).log() - log_truth, validity)
    reference = _differences(scaffold.clamp_min(LEAST_DEPTH).log() - log_truth, validity)
    coverage = validity.mean(dim=(1, 2, 3))
    return (coverage * own / (reference + LEAST_REFERENCE)).mean()


def _differences(error: Tensor, validity: Tensor) -> Tensor:
    """Sum over shifts of the mean absolute difference, (B,)."""
    terms = []
    for dim in (2, 3):
        for shift in SHIFTS_PX:
            length = error.shape[dim] - shift
            if length < 1:
                continue
            both = validity.narrow(dim, shift, length) * validity.narrow(dim, 0, length)
            difference = (error.narrow(dim, shift, length) - error.narrow(dim, 0, length)).abs()
            terms.append((both * difference).sum(dim=(1, 2, 3)) / both.sum(dim=(1, 2, 3)).clamp_min(1))
    return torch.stack(terms).sum(dim=0)
