"""Edge-aware smoothness by hand."""

from __future__ import annotations

import math

import pytest
import torch

from kbnet.losses.depth_terms import smoothness_loss


def test_a_step_in_depth_costs_less_where_the_image_has_an_edge() -> None:
    depth = torch.tensor([[1.0, 3.0], [1.0, 3.0]]).view(1, 1, 2, 2)
    image = torch.zeros(1, 3, 2, 2)
    image[0, :, 0, 1] = torch.tensor([0.3, 0.6, 0.9])  # an edge of mean 0.6 along x in the upper row only
    along_x = (math.exp(-0.6) * 2 + 1 * 2) / 2
    assert float(smoothness_loss(depth, image)) == pytest.approx(along_x)


def test_both_directions_count_and_flat_depth_costs_nothing() -> None:
    image = torch.full((2, 3, 3, 4), 0.5)
    rows = torch.arange(3.0).view(1, 1, 3, 1).expand(2, 1, 3, 4)
    columns = torch.arange(4.0).view(1, 1, 1, 4).expand(2, 1, 3, 4)
    assert float(smoothness_loss(5 * rows + 2 * columns, image)) == pytest.approx(7)
    assert float(smoothness_loss(torch.ones(2, 1, 3, 4), image)) == 0


def test_a_difference_counts_by_the_weights_of_both_its_pixels() -> None:
    image = torch.full((1, 3, 1, 4), 0.5)
    depth = torch.tensor([1.0, 2.0, 4.0, 9.0]).view(1, 1, 1, 4)
    mask = torch.tensor([1.0, 2.0, 1.0, 0.0]).view(1, 1, 1, 4)
    image, depth, mask = (x.repeat(1, 1, 2, 1) for x in (image, depth, mask))
    assert float(smoothness_loss(depth, image, mask)) == pytest.approx((2 * 1 + 2 * 2) / (2 + 2))
    assert float(smoothness_loss(depth, image, torch.zeros_like(mask))) == 0
