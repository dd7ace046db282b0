"""Training objective: the named loss terms and their weighted sum."""

from __future__ import annotations

import torch
from torch import Tensor

from kbnet.losses.depth_terms import measured_depth_loss, smoothness_loss
from kbnet.losses.photometric import colour_loss, structure_loss
from kbnet.losses.scene import Scene
from kbnet.losses.weighting import Weighting
from kbnet.losses.weights import LossForms, LossWeights, SupervisedForm

LEAST_SCAFFOLD_ERROR = 0.02
"""Added to the scaffold's mean error before the division, as a share of the mean ground truth."""
LEAST_GROUND_TRUTH = 1e-8
"""Added to the ground truth before the division, metres."""
KBNET_FORMS = LossForms()


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
        forms: how the terms are computed.

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
