"""Training objective: the named loss terms, those of poses and prior among them, and their weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kbnet.losses.depth_terms import masked_mean, measured_depth_loss, smoothness_loss
from kbnet.losses.photometric import colour_error, colour_loss, structure_loss
from kbnet.losses.scene import Scene
from kbnet.losses.weighting import Weighting
from kbnet.losses.weights import LossForms, LossWeights, PriorForm, SupervisedForm

LEAST_SCAFFOLD_ERROR = 0.02
"""Added to the scaffold's mean error before the division, as a share of the mean ground truth."""
LEAST_GROUND_TRUTH = 1e-8
"""Added to the ground truth before the division, metres."""
KBNET_FORMS = LossForms()
PRIOR_COLOUR_LIMIT = 0.30
"""The prior applies while the colour loss is below this (published system, section 10)."""


def unsupervised_losses(
    scene: Scene,
    reconstructions: tuple[Tensor, ...],
    sparse_depth: Tensor,
    validity: Tensor,
    weighting: Weighting | None = None,
    forms: LossForms = KBNET_FORMS,
) -> dict[str, Tensor]:
    """The four published loss terms, unweighted. Without reconstructions: only sparse depth and smoothness.

    Args:
        scene: image and depth; ``seen`` weighs every pixel in every term.
        reconstructions: the image warped from t-1 and from t+1, (B, 3, H, W) each; or empty.
        sparse_depth: (B, 1, H, W), metres; 0 = unmeasured.
        validity: 1 where outlier rejection kept a point, else 0, (B, 1, H, W).
        weighting: pixel weights from :func:`kbnet.losses.weighting.adaptive_weighting`; None = as published.

    Returns:
        Scalars ``colour``, ``structure``, ``sparse_depth``, ``smoothness``.
    """
    compared, smoothed = (None, None) if weighting is None else (weighting.compared, weighting.smoothed)
    terms: dict[str, Tensor] = {}
    if reconstructions:
        compared = _product(compared, scene.seen)
        factor = 1 - validity if forms.points == "left-out" else None
        terms["colour"] = colour_loss(scene.image, reconstructions, compared, factor=factor)
        terms["structure"] = structure_loss(
            scene.image, reconstructions, compared, factor=factor, border=forms.structure_border
        )
    points = validity if scene.seen is None else validity * scene.seen
    terms["sparse_depth"] = measured_depth_loss(scene.depth, sparse_depth, points)
    terms["smoothness"] = smoothness_loss(scene.depth, scene.image, _product(smoothed, scene.seen))
    return terms


def supervised_loss(
    depth: Tensor,
    ground_truth: Tensor,
    scaffold: Tensor | None = None,
    mask: Tensor | None = None,
    form: SupervisedForm = "plain",
) -> Tensor:
    """Supervised loss: absolute difference to measured ground truth.

    ``plain``: the mean over measured pixels. With a scaffold, the mean difference of a sample is divided by the
    scaffold's mean difference plus 0.02 times the mean ground truth. Easy and hard frames then have about the same
    weight, and the loss has no unit.

    ``normalised`` (ScaffNet): each difference is divided by the ground truth, and the mean is over all pixels, also
    unmeasured ones.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        ground_truth: (B, 1, H, W), metres; 0 = unmeasured. A sample without any gives 0.
        scaffold: interpolated depth that the network refines, (B, 1, H, W), metres; or None.
        mask: weight of every pixel, (B, 1, H, W). None: equal weights.
        form: ``plain`` or ``normalised``.

    Returns:
        Scalar; metres for ``plain`` without a scaffold, else a ratio.
    """
    validity = (ground_truth > 0).to(depth.dtype)
    if mask is not None:
        validity = validity * mask
    if form == "normalised":
        return (validity * (depth - ground_truth).abs() / (ground_truth + LEAST_GROUND_TRUTH)).mean()
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


def pose_consistency_loss(forward: Sequence[Tensor], backward: Sequence[Tensor]) -> Tensor:
    """Squared distance of T_neighbour_current · T_current_neighbour from the identity (VOICED, Wong et al. 2020).

    The squares are summed over matrix entries and neighbours, then averaged over the batch.
    VOICED also averages over the 16 entries, so its weight is 16 times ours.

    Args:
        forward: T_neighbour_current of each neighbour, (B, 4, 4), metres.
        backward: T_current_neighbour of each, (B, 4, 4), metres.
    """
    round_trips = torch.stack([there @ back for there, back in zip(forward, backward, strict=True)])
    identity = torch.eye(4, dtype=round_trips.dtype, device=round_trips.device)
    return (round_trips - identity).square().sum(dim=(0, 2, 3)).mean()


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
