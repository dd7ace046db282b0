"""The named loss terms and their weighted total."""

from __future__ import annotations

import torch
from torch import Tensor

from kbnet.losses.photometric import colour_loss, structure_loss
from kbnet.losses.smoothness import smoothness_loss
from kbnet.losses.sparse_depth import measured_depth_loss
from kbnet.losses.weights import LossWeights

LEAST_SCAFFOLD_ERROR = 0.05
"""Added to the mean error of a scaffold before dividing by it, metres."""


def unsupervised_losses(
    depth: Tensor, image: Tensor, reconstructions: tuple[Tensor, ...], sparse_depth: Tensor, validity: Tensor
) -> dict[str, Tensor]:
    """The four published terms, unweighted; without reconstructions, only the two that need none.

    Args:
        depth: dense depth of the frame at t, (B, 1, H, W), metres.
        image: RGB of the frame at t in 0..1, (B, 3, H, W).
        reconstructions: that image warped from t-1 and from t+1, (B, 3, H, W) each; or empty.
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        validity: 1 where outlier removal kept a point, (B, 1, H, W).

    Returns:
        Scalars ``colour``, ``structure``, ``sparse_depth``, ``smoothness``.
    """
    terms: dict[str, Tensor] = {}
    if reconstructions:
        terms["colour"] = torch.stack([colour_loss(image, warped) for warped in reconstructions]).sum()
        terms["structure"] = torch.stack([structure_loss(image, warped) for warped in reconstructions]).sum()
    terms["sparse_depth"] = measured_depth_loss(depth, sparse_depth, validity)
    terms["smoothness"] = smoothness_loss(depth, image)
    return terms


def supervised_loss(depth: Tensor, ground_truth: Tensor, scaffold: Tensor | None = None) -> Tensor:
    """Mean absolute difference to ground truth where it is known.

    With a scaffold, every sample's mean difference is divided by that of its scaffold plus 0.05 m, so that frames on
    which interpolation is nearly right count about as much as those on which it is far off.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        ground_truth: (B, 1, H, W), metres; 0 = unmeasured. A sample without any gives 0.
        scaffold: interpolation that ``depth`` refines, (B, 1, H, W), metres; or None.

    Returns:
        Scalar; metres without a scaffold, a ratio with one.
    """
    validity = (ground_truth > 0).to(depth.dtype)
    if scaffold is None:
        return measured_depth_loss(depth, ground_truth, validity)
    difference = (validity * (depth - ground_truth).abs()).sum(dim=(1, 2, 3))
    reference = (validity * (scaffold - ground_truth).abs()).sum(dim=(1, 2, 3))
    return (difference / (reference + LEAST_SCAFFOLD_ERROR * validity.sum(dim=(1, 2, 3))).clamp_min(1e-6)).mean()


def weighted_total(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Σ weight · term over the named terms."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
