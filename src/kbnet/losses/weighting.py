"""Which pixels count how much in comparing images and in smoothing, where not all count alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kbnet.losses.options import LossOptions
from kbnet.losses.photometric import colour_error, structure_error
from kbnet.losses.scene import Scene
from kbnet.losses.weights import LossWeights

DOUBT = 3.0
"""An error of so many times the mean halves the trust in a pixel."""

LEAST_MEAN_ERROR = 1e-6
"""A mean error is taken as at least this, so that images without any are trusted everywhere."""


@dataclass(frozen=True)
class Weighting:
    """How much what counts; None and 0 are the published way: all alike.

    Attributes:
        compared: weight of every pixel of every reconstruction, (B, S, H, W).
        smoothed: weight of every pixel in smoothing, (B, 1, H, W).
        robust_sparse_depth: ``robust`` of :func:`kbnet.losses.sparse_depth.measured_depth_loss`.
    """

    compared: Tensor | None = None
    smoothed: Tensor | None = None
    robust_sparse_depth: float = 0.0


@torch.no_grad()
def weigh(scene: Scene, reconstructions: tuple[Tensor, ...], weights: LossWeights, options: LossOptions) -> Weighting:
    """The weighting that the options ask for, without a gradient. It leaves ``scene.seen`` for the losses to apply.

    A pixel's error is Σ weight · error over colour and structure. Per-pixel minimum and standing pixels follow
    Godard et al. (Monodepth2, ICCV 2019), here for each neighbour by itself.

    Args:
        scene: frame, depth and neighbours.
        reconstructions: of the scene, (B, 3, H, W) each; where there are none, nothing is compared.
        weights: of the loss terms.
        options: what to weigh by.
    """
    compared = scene.in_view() if reconstructions and options.out_of_view == "drop" else None
    smoothed = None
    if reconstructions and options.weighs_by_error:
        errors = _joint_errors(scene.image, reconstructions, weights)
        compared = torch.ones_like(errors) if compared is None else compared
        if options.still == "drop":
            compared = compared * (errors < _joint_errors(scene.image, scene.neighbours, weights))
        if options.adaptive == "residual":
            compared = compared * trust(errors, compared if scene.seen is None else compared * scene.seen)
            smoothed = 2 - compared.amax(dim=1, keepdim=True)
        if options.reconstruction == "minimum":
            best = errors.masked_fill(compared == 0, torch.inf).argmin(dim=1, keepdim=True)
            compared = compared * torch.zeros_like(compared).scatter(1, best, 1.0)
    return Weighting(compared, smoothed, options.robust_sparse_depth)


def trust(errors: Tensor, counted: Tensor) -> Tensor:
    """Adaptive weighting: how far to believe a comparison, 1 / (1 + (error / (3 · mean error))²).

    The idea is AdaFrame's (Wong et al., RA-L 2021): where the model's own reconstruction fails, as behind an edge or on
    a mirror, images should say less and regularity more. Its code is not public; **this formula is ours**. An error is
    large if it is so beside the sample's mean: as long as everything is off alike, all pixels count, and the better
    the rest fits, the more what is hidden stands out. No schedule is needed.

    Args:
        errors: of every reconstruction, (B, S, H, W).
        counted: weight of every pixel in the means, one for each sample and reconstruction, (B, S, H, W).

    Returns:
        Weights in 0..1, (B, S, H, W).
    """
    mean = (counted * errors).sum(dim=(2, 3), keepdim=True) / counted.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    return 1 / (1 + (errors / (DOUBT * mean.clamp_min(LEAST_MEAN_ERROR))).square())


def _joint_errors(image: Tensor, others: tuple[Tensor, ...], weights: LossWeights) -> Tensor:
    """Weighted colour and structure error of each, (B, S, H, W)."""
    errors = [
        weights.colour * colour_error(image, other) + weights.structure * structure_error(image, other)
        for other in others
    ]
    return torch.cat(errors, dim=1)
