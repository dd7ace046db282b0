"""Reduced frames: by hand arithmetic, and that the camera matches."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.data.reduction import (
    reduced_depth,
    reduced_frame,
    reduced_image,
    reduced_intrinsics,
    reduced_points,
)
from kbnet.frame import Frame


def test_reduced_image_is_the_mean_colour_of_a_cell() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, :2, 0] = [[10, 20], [30, 41]]
    image[:, 2:, 2] = 255
    assert reduced_image(image, 2).tolist() == [[[25, 0, 0], [0, 0, 255]]]


def test_reduced_points_are_the_nearest_of_a_cell() -> None:
    points = np.array([[0, 3, 0, 0], [2, 0, 0, 0]], np.float32)
    assert reduced_points(points, 2).tolist() == [[2, 0]]


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


@pytest.mark.parametrize("factor", [2, 3])
def test_reduced_intrinsics_project_to_the_middle_of_the_pixels_that_a_pixel_covers(factor: int) -> None:
    K = np.array([[60, 0.5, 33], [0, 61, 21], [0, 0, 1]], np.float32)
    reduced = reduced_intrinsics(K, factor)
    row, column = 4, 7
    covered = np.array([factor * column + (factor - 1) / 2, factor * row + (factor - 1) / 2, 1])
    projected = reduced @ np.linalg.inv(K) @ covered
    np.testing.assert_allclose(projected, [column, row, 1], rtol=1e-5)


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
