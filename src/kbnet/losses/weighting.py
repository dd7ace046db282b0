"""Adaptive weighting: lower photometric and higher smoothness weight where reconstructions match badly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kbnet.losses.photometric import colour_error, structure_error
from kbnet.losses.scene import Scene
from kbnet.losses.weights import LossWeights

HALF_WEIGHT_ERROR_RATIO = 3.0
"""An error of this many times the mean error halves the weight of a pixel."""

LEAST_MEAN_ERROR = 1e-6
"""Lower bound of the mean error; without any error every pixel keeps the weight 1."""


@dataclass(frozen=True)
class Weighting:
    """Pixel weights of the photometric and the smoothness loss.

    Attributes:
        compared: weight of every pixel of every reconstruction, (B, S, H, W), 0..1.
        smoothed: weight of every pixel in the smoothness loss, (B, 1, H, W), 1..2.
    """

    compared: Tensor
    smoothed: Tensor


@torch.no_grad()
def adaptive_weighting(scene: Scene, reconstructions: tuple[Tensor, ...], weights: LossWeights) -> Weighting:
    """Compute pixel weights from the photometric error; without a gradient.

    The error of a pixel is Σ weight · error over colour and structure; :func:`comparison_weight` gives its weight.
    The smoothness weight is 2 minus the largest weight of the reconstructions. The result does not include
    ``scene.seen``.

    Args:
        reconstructions: of the scene, (B, 3, H, W) each, at least one.
    """
    errors = _joint_errors(scene.image, reconstructions, weights)
    compared = comparison_weight(
        errors, torch.ones_like(errors) if scene.seen is None else scene.seen.expand_as(errors)
    )
    return Weighting(compared, 2 - compared.amax(dim=1, keepdim=True))


def comparison_weight(errors: Tensor, counted: Tensor) -> Tensor:
    """Weight of a photometric comparison, 1 / (1 + (error / (3 · mean error))²).

    The idea is AdaFrame's (Wong et al., RA-L 2021): where the reconstruction fails, as behind an edge or on a mirror,
    the photometric loss should be weaker and the regulariser stronger. Its code is not public; **this formula is
    ours**. The error is divided by the mean of the sample, so no schedule is needed: similar errors give similar
    weights, and occluded pixels lose weight once the others fit.

    Args:
        errors: photometric error of every reconstruction, (B, S, H, W).
        counted: weight of every pixel in the mean of its sample and reconstruction, (B, S, H, W).

    Returns:
        Weights in 0..1, (B, S, H, W).
    """
    mean = (counted * errors).sum(dim=(2, 3), keepdim=True) / counted.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    return 1 / (1 + (errors / (HALF_WEIGHT_ERROR_RATIO * mean.clamp_min(LEAST_MEAN_ERROR))).square())


def _joint_errors(image: Tensor, others: tuple[Tensor, ...], weights: LossWeights) -> Tensor:
    """Weighted sum of colour and structure error of each reconstruction, (B, S, H, W)."""
    errors = [
        weights.colour * colour_error(image, other) + weights.structure * structure_error(image, other)
        for other in others
    ]
    return torch.cat(errors, dim=1)
