from __future__ import annotations

import numpy as np
import pytest
import torch

from kbnet.data.reduction import mean_of_cells, reduced_intrinsics, reduced_points, spread_points, working_factor
from kbnet.frame import FloatArray


def _points(height: int, width: int, share: float) -> FloatArray:
    generator = np.random.default_rng(0)
    depth = generator.uniform(1, 4, (height, width)).astype(np.float32)
    return np.where(generator.random(depth.shape) < share, depth, np.float32(0))


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_reduced_points_are_the_nearest_of_every_cell(factor: int) -> None:
    points = _points(23, 31, 0.2)
    reduced = reduced_points(points, factor, whole_cells=False)
    assert reduced.shape == (-(-23 // factor), -(-31 // factor))
    for row, column in np.ndindex(reduced.shape):
        cell = points[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        assert reduced[row, column] == min(cell[cell > 0], default=0)
    np.testing.assert_array_equal(reduced_points(points, factor), reduced[: 23 // factor, : 31 // factor])


def test_working_factor_keeps_the_least_size_of_a_frame() -> None:
    assert working_factor((480, 959), 640) == 1
    assert working_factor((3000, 4000), 0) == 1
    assert working_factor((100, 4000), 640) == 3
    assert working_factor((32, 4000), 640) == 1


def test_mean_of_cells_is_the_mean_of_what_lies_in_them() -> None:
    image = torch.randint(0, 256, (2, 3, 103, 41), dtype=torch.uint8)
    reduced = mean_of_cells(image, 3)
    assert reduced.shape == (2, 3, 35, 14)
    torch.testing.assert_close(reduced[:, :, 5, 7], image[:, :, 15:18, 21:24].float().mean(dim=(2, 3)))
    torch.testing.assert_close(reduced[:, :, 34, 13], image[:, :, 102:, 39:].float().mean(dim=(2, 3)))


def test_reduced_intrinsics_see_a_cell_at_its_centre() -> None:
    K = np.array([[60, 1, 20.5], [0, 50, 30], [0, 0, 1]], np.float32)
    reduced = reduced_intrinsics(K, 4)
    centre = np.array([4 * 7 + 1.5, 4 * 3 + 1.5, 1])
    np.testing.assert_allclose(np.linalg.solve(reduced, [7, 3, 1]), np.linalg.solve(K, centre), atol=1e-6)
    np.testing.assert_array_equal(reduced_intrinsics(np.stack([K, K]), 4)[1], reduced)


def test_spread_points_leaves_the_most_central_point_of_every_cell() -> None:
    points = _points(60, 90, 0.5)
    assert spread_points(points, 10_000) is points
    spread = spread_points(points, 300)
    assert np.isin(spread[spread > 0], points).all()
    counts = (spread > 0).reshape(20, 3, 30, 3).sum(axis=(1, 3))
    assert counts.max() == 1
    np.testing.assert_array_equal(counts > 0, (points > 0).reshape(20, 3, 30, 3).any(axis=(1, 3)))
    central = points[1::3, 1::3]
    np.testing.assert_array_equal(spread[1::3, 1::3], central)
