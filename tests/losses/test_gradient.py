"""Gradient loss: 0 for the truth, near 1 for the scaffold, without a unit, finite without ground truth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kbnet.losses.depth_terms import LEAST_REFERENCE, SHIFTS_PX, gradient_loss


def maps() -> tuple[Tensor, Tensor]:
    """Ground truth with a step, and a scaffold that is a slanted sheet."""
    truth = torch.ones(1, 1, 12, 20)
    truth[..., 10:] = 3.0
    return truth, torch.linspace(0.8, 3.2, 20).repeat(1, 1, 12, 1)


def test_exact_depth_costs_nothing_in_any_unit() -> None:
    truth, scaffold = maps()
    assert float(gradient_loss(truth, truth, scaffold)) == 0
    assert float(gradient_loss(5 * truth, truth, scaffold)) == pytest.approx(0, abs=1e-5)


def test_the_scaffold_costs_nearly_one() -> None:
    truth, scaffold = maps()
    assert 0.95 < float(gradient_loss(scaffold, truth, scaffold)) < 1


def test_gradient_loss_by_hand() -> None:
    """One row of error e = 0, 0, 1 in ln depth: mean differences of shift 1 and 2 are 1/2 and 1."""
    truth = torch.ones(1, 1, 1, 3)
    depth = torch.tensor([0.0, 0.0, 1.0]).exp().view(1, 1, 1, 3)
    assert float(gradient_loss(depth, truth, truth)) == pytest.approx(1.5 / LEAST_REFERENCE)
    assert SHIFTS_PX[:2] == (1, 2)


def test_gradient_loss_does_not_depend_on_the_unit() -> None:
    truth, scaffold = maps()
    depth = scaffold * (1 + 0.1 * torch.rand(truth.shape, generator=torch.Generator().manual_seed(0)))
    large = gradient_loss(7 * depth, 7 * truth, 7 * scaffold)
    torch.testing.assert_close(large, gradient_loss(depth, truth, scaffold))


def test_unmeasured_pixels_do_not_count_and_samples_count_by_what_is_measured() -> None:
    truth, scaffold = maps()
    truth[..., 3:5] = 0
    depth = truth.clone()
    depth[..., 3:5] = 9.0
    assert float(gradient_loss(depth, truth, scaffold)) == 0
    wrong = 1 + scaffold
    empty = torch.zeros_like(truth)
    joint = gradient_loss(wrong.repeat(2, 1, 1, 1), torch.cat([truth, empty]), scaffold.repeat(2, 1, 1, 1))
    torch.testing.assert_close(joint, gradient_loss(wrong, truth, scaffold) / 2)


def test_gradients_are_finite_without_ground_truth_and_where_depth_is_0() -> None:
    truth, scaffold = maps()
    for given in (torch.zeros_like(truth), truth):
        depth = torch.zeros_like(truth).requires_grad_()
        loss = gradient_loss(depth, given, torch.zeros_like(scaffold))
        loss.backward()
        assert depth.grad is not None
        assert bool(torch.isfinite(depth.grad).all())
        assert bool(torch.isfinite(loss))
