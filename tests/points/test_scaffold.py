"""The scaffold is the interpolation, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kbnet.points.interpolation import linear
from kbnet.points.scaffold import scaffold_from_points, scaffold_of_supported_points


def test_scaffold_equals_the_interpolation_of_every_sample() -> None:
    generator = torch.Generator().manual_seed(0)
    points = (1 + torch.rand(2, 1, 20, 30, generator=generator)) * (torch.rand(2, 1, 20, 30, generator=generator) < 0.1)
    dense = scaffold_from_points(points, "linear")
    assert dense is not None
    for sample, expected in zip(dense[:, 0].numpy(), points[:, 0].numpy(), strict=True):
        np.testing.assert_array_equal(sample, linear(expected))


def test_scaffold_of_a_sample_without_points_is_zero_and_the_type_stays() -> None:
    points = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    points[0, 0, 3, 3] = 2.0
    dense = scaffold_from_points(points, "linear")
    assert dense is not None
    assert dense.dtype == torch.float64
    assert (dense[0] == 2).all()
    assert not dense[1].any()


def test_no_scaffold_is_none() -> None:
    assert scaffold_from_points(torch.ones(1, 1, 8, 8), "none") is None


@pytest.mark.parametrize("size", [(33, 41), (32, 40), (30, 43)])
@pytest.mark.parametrize("step", [2, 4])
def test_a_coarse_scaffold_is_the_interpolation_on_its_grid_and_linear_between(
    step: int, size: tuple[int, int]
) -> None:
    points = torch.zeros(1, 1, *size)
    points[0, 0, [0, 0, size[0] - 1, size[0] - 1], [0, size[1] - 1, 0, size[1] - 1]] = torch.tensor(
        [1.0, 2.0, 3.0, 4.0]
    )
    dense, coarse = scaffold_from_points(points, "linear"), scaffold_from_points(points, "linear", step)
    assert dense is not None
    assert coarse is not None
    assert coarse.shape == points.shape
    torch.testing.assert_close(coarse[..., ::step, ::step], dense[..., ::step, ::step])
    on_planes = (
        coarse - dense
    ).abs() < 1e-5  # all but the pixels around the diagonal, and beyond the last row on the grid
    assert on_planes[..., : size[0] - step, : size[1] - step].float().mean() > 0.8


def test_scaffold_of_supported_points_has_no_outlier_and_is_zero_without_points() -> None:
    intrinsics = np.array([[40, 0, 20], [0, 40, 16], [0, 0, 1]], np.float32)
    points = np.zeros((32, 40), np.float32)
    points[4:28:4, 4:36:4] = 2.0
    points[16, 20] = 9.0
    dense = scaffold_of_supported_points(points, intrinsics)
    assert dense.dtype == np.float32
    np.testing.assert_allclose(dense, 2.0, rtol=1e-5)
    assert not scaffold_of_supported_points(np.zeros_like(points), intrinsics).any()
