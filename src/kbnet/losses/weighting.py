"""Adaptive weighting: images count less, and smoothness more, where the reconstructions match badly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kbnet.losses.photometric import colour_error, structure_error
from kbnet.losses.scene import Scene
from kbnet.losses.weights import LossWeights

HALF_TRUST_ERROR_RATIO = 3.0
"""An error of this many times the mean error halves the weight of a pixel."""

LEAST_MEAN_ERROR = 1e-6
"""Lower bound of the mean error: images without any error then count everywhere."""


@dataclass(frozen=True)
class Weighting:
    """Weights of pixels.

    Attributes:
        compared: weight of every pixel of every reconstruction, (B, S, H, W), 0..1.
        smoothed: weight of every pixel in smoothing, (B, 1, H, W), 1..2.
    """

    compared: Tensor
    smoothed: Tensor


@torch.no_grad()
def adaptive_weighting(scene: Scene, reconstructions: tuple[Tensor, ...], weights: LossWeights) -> Weighting:
    """Weights by the photometric error of every pixel, without a gradient and without ``scene.seen``.

    A pixel's error is Σ weight · error over colour and structure, its weight is that of :func:`trust`. Smoothness is
    weighted by 2 minus the largest weight of the reconstructions.

    Args:
        scene: frame, depth and neighbours.
        reconstructions: of the scene, (B, 3, H, W) each, at least one.
        weights: of the loss terms.
    """
    errors = _joint_errors(scene.image, reconstructions, weights)
    compared = trust(errors, torch.ones_like(errors) if scene.seen is None else scene.seen.expand_as(errors))
    return Weighting(compared, 2 - compared.amax(dim=1, keepdim=True))


def trust(errors: Tensor, counted: Tensor) -> Tensor:
    """Weight of a comparison by its error, 1 / (1 + (error / (3 · mean error))²).

    The idea is AdaFrame's (Wong et al., RA-L 2021): where the model's own reconstruction fails, as behind an edge or on
    a mirror, images should count less and regularity more. Its code is not public; **this formula is ours**. An error
    is large relative to the sample's mean: while all pixels have a similar error, all of them count, and the better
    the rest fits, the more occluded pixels stand out. No schedule is needed.

    Args:
        errors: of every reconstruction, (B, S, H, W).
        counted: weight of every pixel in the means, one for each sample and reconstruction, (B, S, H, W).

    Returns:
        Weights in 0..1, (B, S, H, W).
    """
    mean = (counted * errors).sum(dim=(2, 3), keepdim=True) / counted.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    return 1 / (1 + (errors / (HALF_TRUST_ERROR_RATIO * mean.clamp_min(LEAST_MEAN_ERROR))).square())


def _joint_errors(image: Tensor, others: tuple[Tensor, ...], weights: LossWeights) -> Tensor:
    """Weighted colour and structure error of each, (B, S, H, W)."""
    errors = [
        weights.colour * colour_error(image, other) + weights.structure * structure_error(image, other)
        for other in others
    ]
    return torch.cat(errors, dim=1)
