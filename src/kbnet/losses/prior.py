"""Prior loss: depth should equal the scaffold where the scaffold reconstructs the image (FusionNet)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from kbnet.losses.masked_mean import masked_mean
from kbnet.losses.photometric import colour_error
from kbnet.losses.scene import Scene

PRIOR_COLOUR_LIMIT = 0.30
"""The prior applies to samples whose colour loss is below this (published system, section 10)."""


def prior_loss(scene: Scene, reconstructions: tuple[Tensor, ...], scaffold: Tensor) -> Tensor:
    """Prior loss: mean of |depth - scaffold| over pixels that the scaffold reconstructs at least as well as depth.

    The comparison uses the colour error, summed over the neighbours. The published prior starts once the colour loss
    of the batch is below 0.30. Here the limit is applied to each sample, so the loss of a batch is the mean of its
    samples.

    Args:
        scene: frame, depth and neighbours.
        reconstructions: of the scene, (B, 3, H, W) each, at least one.
        scaffold: (B, 1, H, W), metres; 0 = undefined.

    Returns:
        Scalar, metres.
    """
    with torch.no_grad():
        predicted = _error(scene.image, reconstructions)
        interpolated = _error(scene.image, replace(scene, depth=scaffold).reconstructions())
        seen = torch.ones_like(predicted) if scene.seen is None else scene.seen
        settled = (seen * predicted).mean(dim=(1, 2, 3)) < PRIOR_COLOUR_LIMIT * seen.mean(dim=(1, 2, 3))
        believed = (scaffold > 0) & (interpolated <= predicted) & settled[:, None, None, None]
    return masked_mean(believed * (scene.depth - scaffold).abs(), scene.seen)


def _error(image: Tensor, reconstructions: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([colour_error(image, one) for one in reconstructions], dim=1).sum(dim=1, keepdim=True)
