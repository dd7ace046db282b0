"""Agreement with measured depth, by hand and without any."""

from __future__ import annotations

import pytest
import torch

from kbnet.losses.depth_terms import measured_depth_loss


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
