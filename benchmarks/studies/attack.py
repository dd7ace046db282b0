"""Attacks on a network with its gradients in hand: images changed by a few levels, and spoofed points.

FGSM (Goodfellow et al., ICLR 2015) takes one step along the sign of the gradient, PGD (Madry et al., ICLR 2018)
several smaller ones, projected to the allowed change. After Wong et al., Targeted Adversarial Perturbations for
Monocular Depth Prediction (NeurIPS 2020) and Stereopagnosia (AAAI 2021), a target is a depth map of the attacker.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kbnet.frame import FloatArray, Frame
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import frame_tensors, working_inputs
from kbnet.network.working_size import enlarged_batch, enlargement

AttackName = Literal["fgsm", "pgd", "pgd_nearer"]
PGD_STEPS = 10
PGD_STEP_SHARE = 0.25
"""Size of a step of PGD as a share of the allowed change: ten steps can cross the allowed change, and back."""
NEARER = 0.9
"""Target of ``pgd_nearer``: the depth of the clean frame, scaled by this."""
SPOOFED_SIDE = 0.25
"""Side of the square that spoofed points fill, as a share of the height of the image."""

SpoofName = Literal["near", "far", "line"]


def attack_image(frame: Frame, network: DepthNetwork, attack: AttackName, levels: float) -> Frame:
    """Frame whose image is changed so that the depth of a network becomes worse.

    The loss is the mean absolute difference of ln depth from ground truth, which the attack raises, or from the target,
    which it lowers. The attacker sees weights, points and ground truth. The result is rounded to 8 bits.

    Args:
        frame: with ground truth, not larger than the working size of the network.
        network: on the CPU, in evaluation mode. Its parameters must not require gradients.
        attack: ``fgsm``, ``pgd``, or ``pgd_nearer``: all depth becomes 0.9 times that of the clean frame.
        levels: largest change of a colour, of 255; 0: none.
    """
    if levels == 0:
        return frame
    image, sparse_depth, intrinsics = frame_tensors(frame.image, frame.sparse_depth, frame.intrinsics)
    clean = image.float() / 255
    times = enlargement(frame.size, network.config.working_side)

    def complete(image: Tensor) -> Tensor:
        larger = enlarged_batch(image, sparse_depth, intrinsics, times)
        depth: Tensor = network(*working_inputs(*larger, network.config)[0])
        return depth[:, :1, ::times, ::times].log()

    towards, mask = _goal(frame, attack, complete(clean))
    steps, share = (1, 1.0) if attack == "fgsm" else (PGD_STEPS, PGD_STEP_SHARE)
    changed = clean.clone()
    for _ in range(steps):
        changed.requires_grad_()
        loss = (complete(changed) - towards)[mask].abs().mean()
        (slope,) = torch.autograd.grad(loss, changed)
        uphill = -1.0 if attack == "pgd_nearer" else 1.0
        with torch.no_grad():
            changed = changed + uphill * share * levels / 255 * slope.sign()
            changed = torch.minimum(torch.maximum(changed, clean - levels / 255), clean + levels / 255).clamp(0, 1)
    pixels = (255 * changed[0]).round().to(torch.uint8).permute(1, 2, 0)
    return replace(frame, image=np.ascontiguousarray(pixels.numpy()))


def _goal(frame: Frame, attack: AttackName, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Ln depth that the loss compares with, and the mask of its pixels, (1, 1, H, W)."""
    if attack == "pgd_nearer":
        return clean + float(np.log(NEARER)), torch.ones_like(clean, dtype=torch.bool)
    assert frame.ground_truth is not None
    truth = torch.from_numpy(np.array(frame.ground_truth))[None, None]
    return truth.clamp_min(1e-3).log(), truth > 0


def spoof_points(
    sparse_depth: FloatArray, truth: FloatArray, spoof: SpoofName, count: int, generator: np.random.Generator
) -> FloatArray:
    """Sparse depth with false points that agree with each other, as of a laser aimed at the sensor.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        truth: true depth, (H, W), metres; 0 = unmeasured.
        spoof: ``near``: a square of points at half of the least true depth in it; ``far``: at twice the largest;
            ``line``: a line across the image, at half of the median depth.
        count: false points; they replace what was measured at their pixels.
        generator: source of every draw.
    """
    if count == 0:
        return sparse_depth
    height, width = sparse_depth.shape
    if spoof == "line":
        (top, bottom), along = generator.uniform(0, height - 1, 2), np.linspace(0, 1, count)
        rows, columns = np.rint(top + (bottom - top) * along), np.rint(along * (width - 1))
        depth = 0.5 * np.median(truth[truth > 0])
    else:
        side = round(SPOOFED_SIDE * height)
        top, left = generator.integers(0, (height - side, width - side))
        rows, columns = top + generator.integers(0, side, count), left + generator.integers(0, side, count)
        inside = truth[top : top + side, left : left + side]
        inside = inside[inside > 0] if inside.any() else truth[truth > 0]
        depth = 0.5 * inside.min() if spoof == "near" else 2 * inside.max()
    spoofed = sparse_depth.copy()
    spoofed[rows.astype(np.int64), columns.astype(np.int64)] = depth
    return spoofed
