"""Nearest and linear interpolation against brute force and against scipy's point-by-point interpolator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from kbnet.frames.sequence import Sequence
from kbnet.points import interpolation
from kbnet.points.interpolation import linear, linear_in_hull, nearest

HEIGHT, WIDTH = 45, 61
Interpolation = Callable[[np.ndarray], np.ndarray]


def scatter(seed: int, count: int, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    generator = np.random.default_rng(seed)
    depth = np.zeros(shape, np.float32)
    depth.flat[generator.choice(depth.size, count, replace=False)] = generator.uniform(0.5, 8.0, count)
    return depth


def interpolate_point_by_point(sparse_depth: np.ndarray) -> np.ndarray:
    """Linear interpolation on the same triangles by scipy; nan outside the hull."""
    rows, columns = np.nonzero(sparse_depth)
    triangulation = Delaunay(np.stack([columns, rows], axis=1))
    y, x = np.indices(sparse_depth.shape)
    result: np.ndarray = LinearNDInterpolator(triangulation, sparse_depth[rows, columns].astype(np.float64))(x, y)
    return result


@pytest.mark.parametrize("count", [1, 2, 7, 300])
def test_nearest_takes_a_closest_point(count: int) -> None:
    sparse_depth = scatter(count, count)
    rows, columns = np.nonzero(sparse_depth)
    y, x = np.indices(sparse_depth.shape)
    squared = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2
    chosen = nearest(sparse_depth)[..., None] == sparse_depth[rows, columns]
    assert chosen.any(axis=2).all()
    np.testing.assert_array_equal(np.where(chosen, squared, np.inf).min(axis=2), squared.min(axis=2))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [3, 4, 12, 100, 900])
def test_linear_agrees_with_scipy_inside_the_hull_and_is_nearest_outside(seed: int, count: int) -> None:
    sparse_depth = scatter(100 * seed + count, count)
    expected = interpolate_point_by_point(sparse_depth)
    inside = np.isfinite(expected)
    depth = linear(sparse_depth)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[inside], expected[inside], atol=1e-5)
    np.testing.assert_array_equal(depth[~inside], nearest(sparse_depth)[~inside])


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("count", [3, 12, 100, 900])
def test_linear_of_some_pixels_has_their_values(step: int, count: int) -> None:
    sparse_depth = scatter(count, count)
    inside = np.isfinite(interpolate_point_by_point(sparse_depth))[::step, ::step]
    grid = linear(sparse_depth, step)
    assert grid.shape == (-(-(HEIGHT - 1) // step) + 1, -(-(WIDTH - 1) // step) + 1)
    rows, columns = inside.shape
    np.testing.assert_allclose(
        grid[:rows, :columns][inside], linear(sparse_depth)[::step, ::step][inside], rtol=1e-5, atol=1e-5
    )
    assert np.isin(grid[:rows, :columns][~inside], sparse_depth).all()


def test_linear_does_not_depend_on_how_many_triangles_are_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sparse_depth = scatter(0, 400)
    at_once = linear(sparse_depth)
    monkeypatch.setattr(interpolation, "_BLOCK", 7)
    np.testing.assert_allclose(linear(sparse_depth), at_once, atol=1e-5)


def test_linear_reproduces_a_plane_between_points_at_the_corners() -> None:
    y, x = np.indices((HEIGHT, WIDTH))
    plane = (1.0 + 0.02 * x + 0.05 * y).astype(np.float32)
    measured = scatter(3, 50) > 0
    measured[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    np.testing.assert_allclose(linear(np.where(measured, plane, 0).astype(np.float32)), plane, atol=1e-5)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_linear_on_a_regular_grid_stays_between_the_corners_of_each_cell(step: int) -> None:
    depth = np.random.default_rng(0).uniform(1.0, 5.0, (41, 51)).astype(np.float32)
    sparse_depth = np.zeros_like(depth)
    sparse_depth[::step, ::step] = depth[::step, ::step]
    filled = linear(sparse_depth)
    y, x = np.indices(depth.shape)
    top, left = y // step * step, x // step * step
    bottom, right = np.minimum(top + step, 40), np.minimum(left + step, 50)
    corners = np.stack([sparse_depth[a, b] for a in (top, bottom) for b in (left, right)])
    assert (filled >= corners.min(axis=0) - 1e-5).all()
    assert (filled <= corners.max(axis=0) + 1e-5).all()


def test_linear_is_exact_on_a_triangle_by_hand() -> None:
    sparse_depth = np.zeros((4, 5), np.float32)
    sparse_depth[0, 0], sparse_depth[0, 4], sparse_depth[2, 0] = 1.0, 5.0, 3.0
    np.testing.assert_allclose(
        linear(sparse_depth), [[1, 2, 3, 4, 5], [2, 3, 4, 5, 5], [3, 3, 3, 5, 5], [3, 3, 3, 3, 5]], atol=1e-6
    )


@pytest.mark.parametrize("interpolate", [nearest, linear])
def test_interpolation_keeps_the_measured_depth(interpolate: Interpolation) -> None:
    sparse_depth = scatter(5, 200)
    measured = sparse_depth > 0
    np.testing.assert_array_equal(interpolate(sparse_depth)[measured], sparse_depth[measured])


@pytest.mark.parametrize("interpolate", [nearest, linear])
def test_interpolation_of_nothing_is_zero(interpolate: Interpolation) -> None:
    depth = interpolate(np.zeros((6, 8), np.float32))
    assert depth.dtype == np.float32
    assert depth.shape == (6, 8)
    assert not depth.any()


@pytest.mark.parametrize(
    "points", [[(3, 4)], [(3, 4), (9, 1)], [(2, 0), (2, 5), (2, 9)], [(0, 1), (3, 4), (6, 7)], [(0, 0), (4, 2), (8, 4)]]
)
def test_linear_of_few_or_collinear_points_is_nearest(points: list[tuple[int, int]]) -> None:
    sparse_depth = np.zeros((12, 15), np.float32)
    for i, point in enumerate(points):
        sparse_depth[point] = 1.0 + i
    np.testing.assert_array_equal(linear(sparse_depth), nearest(sparse_depth))


def test_linear_takes_double_precision_and_leaves_its_input_alone() -> None:
    sparse_depth = scatter(6, 60).astype(np.float64)
    before = sparse_depth.copy()
    assert linear(sparse_depth).dtype == np.float32
    np.testing.assert_array_equal(sparse_depth, before)


@pytest.mark.parametrize("name", ["redkitchen", "hololens", "fr3_cabinet"])
@pytest.mark.parametrize("points", [1500, 150])
def test_linear_agrees_with_scipy_on_real_sparse_points(shared: Path, name: str, points: int) -> None:
    sequence = Sequence(shared / "data" / "test" / name, sparse_depth=f"sparse_depth_{points}")
    sparse_depth = sequence.sparse_depth(20)
    expected = interpolate_point_by_point(sparse_depth)
    inside = np.isfinite(expected)
    assert inside.mean() > 0.4
    np.testing.assert_allclose(linear(sparse_depth)[inside], expected[inside], atol=1e-5)


def test_linear_in_hull_is_zero_outside_it_and_includes_its_boundary() -> None:
    sparse = np.zeros((5, 6), np.float32)
    sparse[1, 1], sparse[1, 4], sparse[4, 1] = 1.0, 4.0, 4.0
    dense = linear_in_hull(sparse)
    expected = np.zeros_like(sparse)
    expected[1, 1:5], expected[2, 1:4], expected[3, 1:3], expected[4, 1] = [1, 2, 3, 4], [2, 3, 4], [3, 4], 4
    np.testing.assert_allclose(dense, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("points", "found"), [([], "0"), ([(1, 1)], "1"), ([(1, 1), (3, 2)], "2 on"), ([(0, 0), (2, 2), (5, 5)], "3 on")]
)
def test_linear_in_hull_names_points_that_have_no_triangle(points: list[tuple[int, int]], found: str) -> None:
    sparse = np.zeros((8, 8), np.float32)
    for row, column in points:
        sparse[row, column] = 2.0
    with pytest.raises(ValueError, match=f"three sparse points that are not on one line, got {found}"):
        linear_in_hull(sparse)
