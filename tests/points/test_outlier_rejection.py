"""The published window rule against loops, and our own support rule on planes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kbnet.points.outlier_rejection import kept_points, supported_points, unoccluded_points

HEIGHT, WIDTH, FOCAL_LENGTH = 60, 80, 70.0
INTRINSICS = torch.tensor([[[FOCAL_LENGTH, 0, 39.5], [0, FOCAL_LENGTH, 29.5], [0, 0, 1]]])


def slow_unoccluded(depth: Tensor, window: int, threshold: float) -> Tensor:
    kept, reach = torch.zeros_like(depth), window // 2
    for b in range(depth.shape[0]):
        far = 10 * depth[b].max()
        for y in range(depth.shape[2]):
            for x in range(depth.shape[3]):
                around = depth[b, 0, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
                nearest = torch.where(around > 0, around, far).min()
                here = depth[b, 0, y, x]
                kept[b, 0, y, x] = float(here > 0 and not nearest < here - threshold)
    return kept


def scattered(plane: Tensor, *, points: int = 120, seed: int = 0) -> Tensor:
    """The depth of a plane at random pixels, (1, 1, H, W)."""
    chosen = torch.randperm(plane.numel(), generator=torch.Generator().manual_seed(seed))[:points]
    sparse = torch.zeros(plane.numel())
    sparse[chosen] = plane.flatten()[chosen]
    return sparse.view(1, 1, HEIGHT, WIDTH)


def plane(tilt_deg: float) -> Tensor:
    """Depth of a plane 2 m ahead whose normal is turned by ``tilt_deg`` about the vertical axis, (H, W)."""
    ray_x = (torch.arange(WIDTH) - 39.5) / FOCAL_LENGTH
    return (2 / (1 - np.tan(np.deg2rad(tilt_deg)) * ray_x)).expand(HEIGHT, WIDTH)


@pytest.mark.parametrize(("window", "threshold"), [(7, 1.5), (3, 0.4), (1, 0.1)])
@pytest.mark.parametrize("measured", [0.03, 0.4, 1.0])
def test_window_rule_equals_loops(window: int, threshold: float, measured: float) -> None:
    generator = torch.Generator().manual_seed(0)
    depth = 5 * torch.rand(2, 1, 12, 15, generator=generator) + 0.1
    depth = depth * (torch.rand(depth.shape, generator=generator) < measured)
    assert torch.equal(unoccluded_points(depth, window, threshold), slow_unoccluded(depth, window, threshold))


def test_window_rule_drops_the_farther_point_only_beyond_the_threshold() -> None:
    depth = torch.zeros(1, 1, 9, 20)
    depth[0, 0, 4, [4, 6]] = torch.tensor([1.0, 2.5])
    depth[0, 0, 4, [14, 16]] = torch.tensor([1.0, 2.5625])
    kept = unoccluded_points(depth)[0, 0]
    assert kept.nonzero().tolist() == [[4, 4], [4, 6], [4, 14]]


@pytest.mark.parametrize("rule", ["window", "support"])
def test_an_empty_map_keeps_nothing(rule: str) -> None:
    empty = torch.zeros(2, 1, 40, 40)
    assert not kept_points(empty, INTRINSICS.expand(2, 3, 3), rule=rule).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, 50.0, -50.0])
def test_support_rule_keeps_a_plane_seen_at_a_slant(tilt_deg: float) -> None:
    depth = scattered(plane(tilt_deg))
    assert torch.equal(supported_points(depth, INTRINSICS), (depth > 0).float())


@pytest.mark.parametrize("factor", [0.4, 2.5])
@pytest.mark.parametrize("tilt_deg", [0.0, 45.0])
def test_support_rule_drops_one_wrong_point_and_nothing_else(factor: float, tilt_deg: float) -> None:
    depth = scattered(plane(tilt_deg), points=250)
    row, column = (depth[0, 0, 20:40, 30:50] > 0).nonzero()[0].add(torch.tensor([20, 30])).tolist()
    depth[0, 0, row, column] *= factor
    dropped = (depth > 0).float() - supported_points(depth, INTRINSICS)
    assert dropped[0, 0].nonzero().tolist() == [[row, column]]


def test_support_rule_keeps_both_sides_of_a_step() -> None:
    step = torch.where(torch.arange(WIDTH) < 40, 1.5, 6.0).expand(HEIGHT, WIDTH)
    depth = scattered(step, points=200)
    assert torch.equal(supported_points(depth, INTRINSICS), (depth > 0).float())


@pytest.mark.parametrize("points", [1, 2, 3])
def test_support_rule_keeps_too_few_points_to_judge(points: int) -> None:
    depth = scattered(plane(0.0), points=points)
    depth[depth > 0] = torch.tensor([1.0, 5.0, 20.0])[:points]
    assert torch.equal(supported_points(depth, INTRINSICS), (depth > 0).float())


def test_support_rule_keeps_points_on_one_line() -> None:
    depth = torch.zeros(1, 1, HEIGHT, WIDTH)
    depth[0, 0, 10, ::9] = torch.linspace(1, 30, 9)
    assert torch.equal(supported_points(depth, INTRINSICS), (depth > 0).float())


def test_support_rule_judges_samples_apart_and_keeps_the_type() -> None:
    depth = torch.cat([scattered(plane(0.0)), torch.zeros(1, 1, HEIGHT, WIDTH)]).double()
    kept = supported_points(depth, INTRINSICS.expand(2, 3, 3))
    assert kept.dtype == torch.float64
    assert kept[0].sum() == 120
    assert kept[1].sum() == 0
