"""Loss terms of depth alone: measured and gradient differences, smoothness, likelihood of the expected error."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_WEIGHT = 1e-6
"""A sample whose weights add up to less than this gives 0."""
SHIFTS_PX = (1, 2, 4, 8)
LEAST_REFERENCE = 0.02
"""Added to the scaffold's mean difference of ln depth before the division."""
LEAST_DEPTH = 1e-6


def masked_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Masked mean Σ m x / Σ m of every sample, averaged over the batch; without a mask the plain mean.

    Args:
        values: (B, C, H, W).
        mask: weight of every value, at least 0, (B, C, H, W). A sample whose mask is 0 everywhere gives 0. None: equal
            weights.

    >>> import torch
    >>> masked_mean(torch.tensor([1.0, 5.0, 9.0]).view(1, 1, 1, 3), torch.tensor([1.0, 1.0, 0.0]).view(1, 1, 1, 3))
    tensor(3.)
    """
    if mask is None:
        return values.mean()
    total = (mask * values).sum(dim=(1, 2, 3))
    return (total / mask.sum(dim=(1, 2, 3)).clamp_min(LEAST_WEIGHT)).mean()


def measured_depth_loss(depth: Tensor, measured: Tensor, validity: Tensor) -> Tensor:
    """Sparse-depth loss: mean absolute difference over valid pixels, Σ v |d - measured| / Σ v, averaged over the batch.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        measured: sparse depth or ground truth, (B, 1, H, W), metres; 0 = unmeasured.
        validity: weight of every measurement, 0 = ignored, (B, 1, H, W). A sample without a measurement gives 0.

    Returns:
        Scalar, metres.
    """
    error = (depth - measured).abs()
    return ((validity * error).sum(dim=(1, 2, 3)) / validity.sum(dim=(1, 2, 3)).clamp_min(1)).mean()


def smoothness_loss(depth: Tensor, image: Tensor, mask: Tensor | None = None) -> Tensor:
    """Edge-aware smoothness: mean of exp(-mean_c |∂I|) |∂depth| along x plus the same along y, forward differences.

    Args:
        depth: (B, 1, H, W), metres.
        image: RGB in 0..1, (B, 3, H, W).
        mask: weight of every pixel, (B, 1, H, W). The weight of a difference is the product of its two pixels' weights.
            None: equal weights.
    """
    return _along(3, depth, image, mask) + _along(2, depth, image, mask)


def _along(dim: int, depth: Tensor, image: Tensor, mask: Tensor | None) -> Tensor:
    change = image.diff(dim=dim).abs().mean(dim=1, keepdim=True).neg().exp() * depth.diff(dim=dim).abs()
    if mask is None:
        return change.mean()
    length = mask.shape[dim] - 1
    return masked_mean(change, mask.narrow(dim, 0, length) * mask.narrow(dim, 1, length))


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


def expected_error_loss(depth: Tensor, expected_error: Tensor, ground_truth: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace distribution, |d - g| / b + ln(b / g), over pixels with ground truth.

    The minimum lies where b is the mean absolute error (Kendall & Gal, NeurIPS 2017, with a Laplace distribution).

    Args:
        depth: dense depth d, (B, 1, H, W), metres; no gradient flows into it.
        expected_error: b, (B, 1, H, W), metres, positive.
        ground_truth: g, (B, 1, H, W), metres; 0 = unmeasured. A sample without any gives 0.
    """
    validity = (ground_truth > 0).to(depth.dtype)
    truth = ground_truth.where(ground_truth > 0, depth.detach())
    error = (depth.detach() - truth).abs()
    return masked_mean(error / expected_error + (expected_error / truth).log(), validity)
