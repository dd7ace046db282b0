"""Reduced frames: by hand arithmetic, and that the camera matches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kbnet.frame import FloatArray, Frame
from kbnet.network.working_size import (
    enlarged_batch,
    enlarged_values,
    mean_of_cells,
    reduced_depth,
    reduced_frame,
    reduced_image,
    reduced_intrinsics,
    reduced_points,
    spread_points,
    working_factor,
)


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


def test_reduced_image_is_the_mean_colour_of_a_cell() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, :2, 0] = [[10, 20], [30, 41]]
    image[:, 2:, 2] = 255
    assert reduced_image(image, 2).tolist() == [[[25, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize(
    ("cell", "median"), [([1, 2, 3, 4], 2), ([0, 5, 1, 3], 3), ([0, 0, 7, 4], 4), ([0, 0, 0, 6], 6), ([0, 0, 0, 0], 0)]
)
def test_reduced_depth_is_the_lower_median_of_the_measured_pixels(cell: list[float], median: float) -> None:
    assert reduced_depth(np.array(cell, np.float32).reshape(2, 2), 2).tolist() == [[median]]


def test_reduced_depth_is_never_made_up() -> None:
    generator = np.random.default_rng(0)
    depth = np.where(generator.random((9, 12)) < 0.5, generator.uniform(1, 5, (9, 12)), 0).astype(np.float32)
    for reduced in (reduced_depth(depth, 3), reduced_points(depth, 3)):
        assert np.isin(reduced, depth).all()
    cells = depth.reshape(3, 3, 4, 3).transpose(0, 2, 1, 3).reshape(3, 4, 9)
    for row in range(3):
        for column in range(4):
            measured = np.sort(cells[row, column][cells[row, column] > 0])
            expected = measured[(measured.size - 1) // 2] if measured.size else 0
            assert reduced_depth(depth, 3)[row, column] == expected


def test_a_reduced_frame_leaves_out_what_fills_no_cell() -> None:
    generator = np.random.default_rng(0)
    depth = generator.uniform(1, 5, (67, 71)).astype(np.float32)
    image = generator.integers(0, 256, (67, 71, 3), dtype=np.uint8)
    K = np.array([[60, 0, 33], [0, 61, 21], [0, 0, 1]], np.float32)
    frame = Frame(image, depth, K, depth, "0007")
    reduced = reduced_frame(frame, 2)
    assert (reduced.size, reduced.name) == ((33, 35), "0007")
    assert reduced_frame(frame, 1) is frame
    assert reduced_frame(Frame(image, depth, K), 2).ground_truth is None


def test_an_enlarged_frame_holds_the_frame_and_its_rays() -> None:
    image = torch.rand(2, 3, 5, 7)
    points = torch.rand(2, 1, 5, 7)
    K = torch.tensor([[50.0, 0, 3], [0, 60, 2], [0, 0, 1]]).repeat(2, 1, 1)
    larger, spread, K_larger = enlarged_batch(image, points, K, 3)
    assert larger.shape == (2, 3, 15, 21)
    torch.testing.assert_close(larger[..., ::3, ::3], image)
    torch.testing.assert_close(spread[..., ::3, ::3], points)
    assert torch.count_nonzero(spread) == torch.count_nonzero(points)
    pixel = torch.tensor([4.0, 1, 1])
    rays = [
        torch.linalg.solve(matrix, at)
        for matrix, at in ((K[0], pixel), (K_larger[0], pixel * 3 - torch.tensor([0, 0, 2])))
    ]
    torch.testing.assert_close(*rays)
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(enlarged_values(values, 2), [[0, 1, 1, 2, 2, 2], *[[3, 4, 4, 5, 5, 5]] * 3])
