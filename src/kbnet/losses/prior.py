"""Prior loss: depth should equal the scaffold where the scaffold reconstructs the image (FusionNet)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from kbnet.losses.depth_terms import masked_mean
from kbnet.losses.photometric import colour_error
from kbnet.losses.scene import Scene
from kbnet.losses.weights import PriorForm

PRIOR_COLOUR_LIMIT = 0.30
"""The prior applies while the colour loss is below this (published system, section 10)."""


def prior_loss(
    scene: Scene, reconstructions: tuple[Tensor, ...], scaffold: Tensor, form: PriorForm = "sample"
) -> Tensor:
    """Prior loss: mean of |depth - scaffold| over pixels that the scaffold reconstructs at least as well as depth.

    The comparison uses the colour error.

    Args:
        scene: frame, depth and neighbours, the previous one first.
        reconstructions: of the scene, (B, 3, H, W) each, at least one.
        scaffold: (B, 1, H, W), metres; 0 = undefined.
        form: ``sample``: errors are summed over the neighbours, the limit applies to each sample, and the mean is over
            all pixels. ``batch``: with the previous neighbour alone; the limit applies to the mean colour loss of the
            batch, and the mean is over the selected pixels. A sample without any gives 0 (published: NaN).
            ``crossed``: as published, ``batch`` with the pixels selected in any sample applied to every sample; a pixel
            counts as often as it is selected. Equal to ``batch`` for a batch of one.

    Returns:
        Scalar, metres.
    """
    if form != "sample":
        scene = replace(scene, neighbours=scene.neighbours[:1], poses=scene.poses[:1])
        reconstructions = reconstructions[:1]
    with torch.no_grad():
        predicted = _error(scene.image, reconstructions)
        interpolated = _error(scene.image, replace(scene, depth=scaffold).reconstructions())
        seen = torch.ones_like(predicted) if scene.seen is None else scene.seen
        together = (1, 2, 3) if form == "sample" else (0, 1, 2, 3)
        colour_loss = (seen * predicted).mean(dim=together, keepdim=True)
        settled = colour_loss < PRIOR_COLOUR_LIMIT * seen.mean(dim=together, keepdim=True)
        believed = (scaffold > 0) & (interpolated <= predicted) & settled
    difference = (scene.depth - scaffold).abs()
    if form == "sample":
        return masked_mean(believed * difference, scene.seen)
    selected = believed * seen
    return masked_mean(difference, selected.sum(dim=0, keepdim=True) if form == "crossed" else selected)


def _error(image: Tensor, reconstructions: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([colour_error(image, one) for one in reconstructions], dim=1).sum(dim=1, keepdim=True)
