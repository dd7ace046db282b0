"""Points on the border: on the plane where the measured ones lie on one, else as far away as the nearest."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.points.extrapolation import extrapolated_to_border
from kbnet.points.interpolation import linear

HEIGHT, WIDTH = 96, 128


def plane(slope_x: float, slope_y: float) -> np.ndarray:
    """Depth of a plane at 2 m in the middle: its inverse is linear in the pixel."""
    y, x = np.indices((HEIGHT, WIDTH)).astype(np.float64)
    inverse = 0.5 * (1 + slope_x * (x / WIDTH - 0.5) + slope_y * (y / WIDTH - 0.375))
    return (1 / inverse).astype(np.float32)


def inner_points(depth: np.ndarray, count: int = 40) -> np.ndarray:
    """Points of the middle of the image alone."""
    generator = np.random.default_rng(0)
    sparse_depth = np.zeros_like(depth)
    rows, columns = generator.integers(24, 72, count), generator.integers(32, 96, count)
    sparse_depth[rows, columns] = depth[rows, columns]
    return sparse_depth


@pytest.mark.parametrize("slopes", [(0.0, 0.0), (0.6, 0.0), (-0.3, 0.8)])
def test_a_plane_goes_on_to_the_border(slopes: tuple[float, float]) -> None:
    depth = plane(*slopes)
    sparse_depth = inner_points(depth)
    error = np.abs(linear(extrapolated_to_border(sparse_depth)) - depth) / depth
    assert (
        error.max() < 0.05
    )  # the fit is drawn to level, and depth between points is linear where its inverse should be
    if any(slopes):
        assert (np.abs(linear(sparse_depth) - depth) / depth).max() > 0.1


def test_points_on_no_plane_leave_the_depth_of_the_nearest() -> None:
    generator = np.random.default_rng(1)
    sparse_depth = inner_points(generator.uniform(1.0, 3.0, (HEIGHT, WIDTH)).astype(np.float32))
    added = (extrapolated_to_border(sparse_depth) > 0) & (sparse_depth == 0)
    level = linear(sparse_depth)[added]
    # With 12 points the noise itself suggests a slope, of which little may be left.
    assert np.median(np.abs(extrapolated_to_border(sparse_depth)[added] / level - 1)) < 0.15


def test_measured_points_stay_and_the_corners_are_added() -> None:
    sparse_depth = inner_points(plane(0.3, 0.3))
    sparse_depth[0, 0] = 7.0
    continued = extrapolated_to_border(sparse_depth)
    np.testing.assert_array_equal(continued[sparse_depth > 0], sparse_depth[sparse_depth > 0])
    assert (continued[[0, 0, -1, -1], [0, -1, 0, -1]] > 0).all()
    rows, columns = np.nonzero((continued > 0) & (sparse_depth == 0))
    assert (np.isin(rows, [0, HEIGHT - 1]) | np.isin(columns, [0, WIDTH - 1])).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_points_for_a_plane_are_left_alone(count: int) -> None:
    sparse_depth = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse_depth[10, 10 : 10 + count] = 2.0
    np.testing.assert_array_equal(extrapolated_to_border(sparse_depth), sparse_depth)


@pytest.mark.parametrize("where", ["line", "cluster"])
def test_points_without_a_plane_stay_finite(where: str) -> None:
    sparse_depth = np.zeros((HEIGHT, WIDTH), np.float32)
    if where == "line":
        sparse_depth[40, 10:100:7] = np.linspace(0.5, 6, 13)
    else:
        sparse_depth[40:43, 50:53] = np.random.default_rng(2).uniform(0.5, 6, (3, 3))
    continued = extrapolated_to_border(sparse_depth)
    assert np.isfinite(continued).all()
    assert (continued[continued > 0] > 0.1).all()
    assert continued.max() < 20
