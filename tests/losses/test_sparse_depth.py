"""Agreement with measured depth, by hand and without any."""

from __future__ import annotations

import math

import pytest
import torch

from kbnet.losses.sparse_depth import measured_depth_loss


def test_each_sample_is_averaged_over_its_own_points_and_then_over_the_batch() -> None:
    depth = torch.full((2, 1, 1, 3), 2.0)
    measured = torch.tensor([[3.0, 5.0, 0.0], [2.5, 0.0, 9.0]]).view(2, 1, 1, 3)
    validity = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).view(2, 1, 1, 3)
    assert float(measured_depth_loss(depth, measured, validity)) == pytest.approx(((1 + 3) / 2 + 0.5) / 2)


def test_a_sample_without_points_gives_zero_and_finite_gradients() -> None:
    depth = torch.full((2, 1, 2, 2), 2.0, requires_grad=True)
    measured = torch.zeros(2, 1, 2, 2)
    measured[0, 0, 0, 0] = 3.0
    loss = measured_depth_loss(depth, measured, (measured > 0).float())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.5)
    assert depth.grad is not None
    assert depth.grad[1].abs().max() == 0
    assert depth.grad[0].flatten().tolist() == [-0.5, 0, 0, 0]


def test_a_robust_loss_is_the_difference_while_it_is_small_and_never_more_than_its_scale() -> None:
    measured = torch.full((4, 1, 1, 1), 2.0)
    depth = (measured + torch.tensor([0.001, 0.1, 1.0, 50.0]).view(4, 1, 1, 1)).requires_grad_()
    losses = [measured_depth_loss(depth[i : i + 1], measured[:1], torch.ones(1, 1, 1, 1), 0.05) for i in range(4)]
    expected = [0.001, 0.1 / math.sqrt(2), 1 / math.sqrt(101), 0.1]  # the scale is 5 % of 2 m
    assert [float(loss.detach()) for loss in losses] == pytest.approx(expected, rel=1e-3)
    torch.stack(losses).sum().backward()
    assert depth.grad is not None
    assert depth.grad.flatten().tolist() == pytest.approx([1, 2**-1.5, 101**-1.5, 0], abs=1e-3)


def test_a_robust_loss_has_finite_gradients_where_nothing_is_measured() -> None:
    depth = torch.full((1, 1, 2, 2), 2.0, requires_grad=True)
    nothing = torch.zeros(1, 1, 2, 2)
    measured_depth_loss(depth, nothing, nothing, 0.05).backward()
    assert depth.grad is not None
    assert depth.grad.abs().max() == 0
