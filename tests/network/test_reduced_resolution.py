from __future__ import annotations

import pytest
import torch

from kbnet.geometry.camera import viewing_rays
from kbnet.network.inputs import NetworkInputs
from kbnet.network.reduced_resolution import cropped, enlarged, halved_inputs


def inputs(points: torch.Tensor, validity: torch.Tensor) -> NetworkInputs:
    K = torch.tensor([[[60.0, 0.0, 2.3], [0.0, 50.0, 1.9], [0.0, 0.0, 1.0]]])
    return NetworkInputs(points.expand(-1, 3, -1, -1), points, validity, K, points)


def test_the_nearest_kept_point_stays_and_a_dropped_one_only_where_it_is_alone() -> None:
    points = torch.tensor([[5.0, 3.0, 0.0, 0.0, 2.0], [4.0, 0.0, 0.0, 1.0, 0.0]])[None, None]
    validity = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 0.0]])[None, None]
    halved = halved_inputs(inputs(points, validity))
    assert halved.sparse_depth.tolist() == [[[[4.0, 1.0, 2.0]]]]
    assert halved.validity.tolist() == [[[[1.0, 0.0, 1.0]]]]


def test_rays_of_the_half_are_means_of_the_rays_it_stands_for() -> None:
    points = torch.rand(1, 1, 6, 8)
    halved = halved_inputs(inputs(points, torch.ones_like(points)))
    rays = viewing_rays(inputs(points, points).intrinsics, 6, 8)
    means = torch.nn.functional.avg_pool2d(rays, 2)
    torch.testing.assert_close(viewing_rays(halved.intrinsics, 3, 4), means)


def test_a_last_odd_row_and_column_is_not_mixed_with_a_border() -> None:
    points = torch.full((1, 1, 5, 7), 2.0)
    halved = halved_inputs(inputs(points, torch.ones_like(points)))
    assert halved.scaffold is not None
    assert halved.scaffold.shape == (1, 1, 3, 4)
    assert (halved.scaffold == 2).all()


@pytest.mark.parametrize("scale", [2, 4])
def test_what_is_enlarged_lies_where_it_came_from(scale: int) -> None:
    """A slope stays the same slope, away from the border."""
    slope = torch.arange(16.0).repeat(1, 1, 8, 1)
    large = enlarged(torch.nn.functional.avg_pool2d(slope, scale), scale, (7, 15))
    assert large.shape == (1, 1, 7, 15)
    inner = slice(scale // 2, 16 - scale)
    torch.testing.assert_close(large[..., inner], slope[..., :7, inner])


@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7), (5, 8)])
def test_halving_and_cropping_are_the_same_where_a_graph_is_recorded(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = torch.rand(2, 1, height, width) * (torch.rand(2, 1, height, width) < 0.5)
    given = inputs(points, (points > 0.3).float())
    expected, cut = halved_inputs(given), cropped(points, (4, 7))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert all(torch.equal(one, other) for one, other in zip(halved_inputs(given), expected, strict=True))
    assert torch.equal(cropped(points, (4, 7)), cut)
