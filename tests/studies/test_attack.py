"""Attacks: they change no more than allowed, raise the error, and reach for their target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from studies.attack import NEARER, AttackName, SpoofName, attack_image, spoof_points

from kbnet.frame import FloatArray, Frame
from kbnet.frames.sequence import Sequence
from kbnet.inference.completer import DepthCompleter
from kbnet.network.depth_network import DepthNetwork


@pytest.fixture
def frame(room: Path) -> Frame:
    return Sequence(room).frame(3)


@pytest.fixture
def network(propagation_network: Callable[..., Any]) -> DepthNetwork:
    """A network whose depth depends on the image."""
    network: DepthNetwork = propagation_network(seed=1)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(0)))
    return network.eval().requires_grad_(False)


def error(network: DepthNetwork, frame: Frame, target: FloatArray) -> float:
    """Mean difference of ln depth."""
    completed = DepthCompleter(network)(frame)
    return float(np.abs(np.log(completed / target))[target > 0].mean())


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("levels", [1, 8])
def test_attack_raises_the_error_within_its_levels(
    frame: Frame, network: DepthNetwork, attack: AttackName, levels: int
) -> None:
    attacked = attack_image(frame, network, attack, levels)
    change = np.abs(attacked.image.astype(int) - frame.image)
    assert 0 < change.max() <= levels
    np.testing.assert_array_equal(attacked.sparse_depth, frame.sparse_depth)
    assert frame.ground_truth is not None
    assert error(network, attacked, frame.ground_truth) > error(network, frame, frame.ground_truth)


def test_pgd_raises_the_error_at_least_as_much_as_fgsm(frame: Frame, network: DepthNetwork) -> None:
    assert frame.ground_truth is not None
    fgsm, pgd = (
        error(network, attack_image(frame, network, attack, 8), frame.ground_truth) for attack in ("fgsm", "pgd")
    )
    assert pgd >= fgsm


def test_target_is_approached(frame: Frame, network: DepthNetwork) -> None:
    target = np.float32(NEARER) * DepthCompleter(network)(frame)
    assert error(network, attack_image(frame, network, "pgd_nearer", 8), target) < error(network, frame, target)


def test_no_levels_and_no_points_change_nothing(frame: Frame, network: DepthNetwork) -> None:
    assert attack_image(frame, network, "pgd", 0) is frame
    assert (
        spoof_points(frame.sparse_depth, frame.sparse_depth, "near", 0, np.random.default_rng(0)) is frame.sparse_depth
    )


@pytest.mark.parametrize(("spoof", "depth"), [("near", 0.5), ("far", 8.0), ("line", 1.0)])
def test_spoofed_points_agree_with_each_other(spoof: SpoofName, depth: float) -> None:
    truth = np.full((60, 80), 2.0, np.float32)
    truth[:, ::2], truth[::5] = 4.0, 1.0
    truth[:, :20] = 2.0
    spoofed = spoof_points(np.zeros_like(truth), truth, spoof, 30, np.random.default_rng(0))
    assert 20 <= np.count_nonzero(spoofed) <= 30, "two may fall on one pixel"
    assert set(np.unique(spoofed)) == {0.0, depth}
