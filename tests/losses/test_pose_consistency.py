"""There and back again, by hand."""

from __future__ import annotations

import pytest
import torch

from kbnet.geometry.pose import transform_from_vector
from kbnet.losses.objective import pose_consistency_loss


def test_a_motion_and_its_inverse_cost_nothing() -> None:
    there = transform_from_vector(torch.tensor([[0.1, -0.2, 0.3, 1.0, 2.0, 3.0]], dtype=torch.float64))
    assert float(pose_consistency_loss([there], [there.inverse()])) == pytest.approx(0, abs=1e-12)


def test_what_is_left_is_squared_and_summed_over_neighbours() -> None:
    still = torch.eye(4).repeat(2, 1, 1)
    moved = still.clone()
    moved[0, :3, 3] = torch.tensor([0.3, 0.0, 0.4])
    assert float(pose_consistency_loss([moved, still], [still, moved])) == pytest.approx((0.25 + 0.25) / 2)


def test_the_gradient_at_no_motion_is_finite() -> None:
    vector = torch.zeros(1, 6, requires_grad=True)
    there = transform_from_vector(vector)
    pose_consistency_loss([there], [there]).backward()
    assert vector.grad is not None
    assert torch.isfinite(vector.grad).all()
