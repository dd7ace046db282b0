"""Training objective: the named loss terms and their weighted sum."""

from __future__ import annotations

import torch
from torch import Tensor

from kbnet.losses.photometric import colour_loss, structure_loss
from kbnet.losses.smoothness import smoothness_loss
from kbnet.losses.sparse_depth import measured_depth_loss
from kbnet.losses.weighting import Weighting
from kbnet.losses.weights import LossWeights

LEAST_SCAFFOLD_ERROR = 0.02
"""Added to the scaffold's mean error before the division, as a share of the mean ground truth."""


def unsupervised_losses(
    depth: Tensor,
    image: Tensor,
    reconstructions: tuple[Tensor, ...],
    sparse_depth: Tensor,
    validity: Tensor,
    mask: Tensor | None = None,
    weighting: Weighting | None = None,
) -> dict[str, Tensor]:
    """The four published loss terms, unweighted. Without reconstructions: only sparse depth and smoothness.

    Args:
        depth: dense depth of the frame at t, (B, 1, H, W), metres.
        image: RGB of the frame at t in 0..1, (B, 3, H, W).
        reconstructions: that image warped from t-1 and from t+1, (B, 3, H, W) each; or empty.
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        validity: 1 where outlier rejection kept a point, else 0, (B, 1, H, W).
        mask: weight of every pixel in every term, (B, 1, H, W), such as 1 where ``depth`` is defined. None: equal
            weights.
        weighting: pixel weights from :func:`kbnet.losses.weighting.adaptive_weighting`; None = as published.

    Returns:
        Scalars ``colour``, ``structure``, ``sparse_depth``, ``smoothness``.
    """
    compared, smoothed = (None, None) if weighting is None else (weighting.compared, weighting.smoothed)
    terms: dict[str, Tensor] = {}
    if reconstructions:
        compared = _product(compared, mask)
        terms["colour"] = colour_loss(image, reconstructions, compared)
        terms["structure"] = structure_loss(image, reconstructions, compared)
    points = validity if mask is None else validity * mask
    terms["sparse_depth"] = measured_depth_loss(depth, sparse_depth, points)
    terms["smoothness"] = smoothness_loss(depth, image, _product(smoothed, mask))
    return terms


def supervised_loss(
    depth: Tensor, ground_truth: Tensor, scaffold: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Supervised loss: mean absolute difference to measured ground truth.

    With a scaffold, the mean difference of a sample is divided by the scaffold's mean difference plus 0.02 times the
    mean ground truth. Easy and hard frames then have about the same weight, and the loss has no unit.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        ground_truth: (B, 1, H, W), metres; 0 = unmeasured. A sample without any gives 0.
        scaffold: interpolated depth that the network refines, (B, 1, H, W), metres; or None.
        mask: weight of every pixel, (B, 1, H, W). None: equal weights.

    Returns:
        Scalar; metres without a scaffold, a ratio with one.
    """
    validity = (ground_truth > 0).to(depth.dtype)
    if mask is not None:
        validity = validity * mask
    if scaffold is None:
        return measured_depth_loss(depth, ground_truth, validity)
    difference = (validity * (depth - ground_truth).abs()).sum(dim=(1, 2, 3))
    reference = (validity * (scaffold - ground_truth).abs()).sum(dim=(1, 2, 3))
    floor = LEAST_SCAFFOLD_ERROR * (validity * ground_truth).sum(dim=(1, 2, 3))
    return (difference / (reference + floor).clamp_min(1e-6)).mean()


def weighted_total(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Weighted sum Σ weight · term of the named terms, scalar."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()


def _product(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Product of two weights; None stands for 1 everywhere."""
    if first is None or second is None:
        return second if first is None else first
    return first * second
