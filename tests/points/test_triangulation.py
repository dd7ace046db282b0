"""Triangles are those of scipy's defaults, and none where there can be none; tiles have those of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import ConvexHull, Delaunay

from kbnet.points import interpolation, triangulation
from kbnet.points.triangulation import delaunay_triangles


@pytest.mark.parametrize("count", [3, 12, 100, 900])
def test_triangles_are_those_of_the_default_options(count: int) -> None:
    """Many fours of whole pixels lie on one circle, where more than one triangulation is right."""
    rows, columns = np.divmod(np.sort(np.random.default_rng(count).choice(45 * 61, count, replace=False)), 61)
    expected = Delaunay(np.stack([columns, rows], axis=1)).simplices
    np.testing.assert_array_equal(delaunay_triangles(rows, columns), expected)


@pytest.mark.parametrize("points", [[], [(3, 4)], [(3, 4), (9, 1)], [(0, 1), (3, 4), (6, 7), (9, 10)]])
def test_no_triangle_in_few_or_collinear_points(points: list[tuple[int, int]]) -> None:
    rows, columns = np.array(points, np.int64).reshape(-1, 2).T
    assert delaunay_triangles(rows, columns).shape == (0, 3)


def places(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the kinds of points that tiles find hard, row by row."""
    generator = np.random.default_rng(0)
    measured = np.zeros((150, 200), bool)
    if kind == "scattered":
        measured.flat[generator.choice(measured.size, 3000, replace=False)] = True
    elif kind == "scan lines":  # nothing above and below, and wide gaps between the lines
        measured[40:130:7, ::2] = True
    elif kind == "every third pixel":  # all fours of neighbours lie on one circle
        measured[::3, ::3] = True
    elif kind == "a full block":
        measured[60:90, 20:110] = True
    else:  # clusters with empty tiles between them
        for centre in ([20, 30], [120, 40], [70, 180]):
            rows, columns = np.rint(generator.normal(centre, 8, (800, 2))).astype(int).T
            measured[rows.clip(0, 149), columns.clip(0, 199)] = True
    rows, columns = np.nonzero(measured)
    return rows, columns


KINDS = ("scattered", "scan lines", "every third pixel", "a full block", "clusters")


def double_areas(triangles: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    (x1, x2), (y1, y2) = ((v[triangles[:, 1:]] - v[triangles[:, :1]]).T for v in (columns, rows))
    return x1 * y2 - x2 * y1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("points_per_tile", [30, 200])
def test_tiles_cover_the_hull_once_with_circles_that_hold_no_point(
    kind: str, points_per_tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triangulation, "_POINTS_PER_TILE", points_per_tile)
    rows, columns = places(kind)
    triangles = triangulation.tiled_delaunay_triangles(rows, columns)
    areas = double_areas(triangles, rows, columns)
    assert (areas >= 0).all()
    assert areas.sum() == pytest.approx(2 * ConvexHull(np.stack([columns, rows], axis=1)).volume)
    solid = triangles[areas > 0]
    assert len(np.unique(np.sort(solid, axis=1), axis=0)) == len(solid)
    # The circumcircle of whole pixels holds a point if and only if this determinant of whole numbers is positive.
    for some in np.array_split(solid, 1 + len(solid) // 100):  # all at once take memory that no cache holds
        x, y = (value[some][:, :, None] - value for value in (columns, rows))
        squares = x * x + y * y
        minors = [
            squares[:, i] * (x[:, j] * y[:, k] - x[:, k] * y[:, j]) for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
        ]
        assert np.sum(minors, axis=0).max() <= 0


@pytest.mark.parametrize("kind", KINDS)
def test_linear_of_tiles_is_that_of_scipy_on_the_same_triangles(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On points that are moved by 1e-6 pixels alike, so that one triangulation alone is right.

    Pixels in triangles that are flat without this movement are left out.
    """
    rows, columns = places(kind)
    depth = np.zeros((150, 200), np.float32)
    depth[rows, columns] = np.random.default_rng(1).uniform(1, 9, rows.size)
    monkeypatch.setattr(triangulation, "MOST_AT_ONCE", 0)
    monkeypatch.setattr(triangulation, "_POINTS_PER_TILE", 100)
    moved = np.stack([columns, rows], axis=1) + np.random.default_rng(0).uniform(-1e-6, 1e-6, (rows.size, 2))
    y, x = np.indices(depth.shape)
    whole = Delaunay(moved)
    expected = LinearNDInterpolator(whole, depth[rows, columns].astype(np.float64))(x, y)
    solid = double_areas(whole.simplices, rows, columns) != 0
    inside = np.isfinite(expected) & solid[whole.find_simplex(np.stack([x, y], axis=2))]
    assert inside.sum() > 2000
    np.testing.assert_allclose(interpolation.linear(depth)[inside], expected[inside], atol=1e-4)


def test_nearest_points_beside_many_are_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = places("scattered")
    depth = np.zeros((150, 200), np.float32)
    depth[rows, columns] = np.arange(1, rows.size + 1)  # a name for each point
    expected = interpolation.nearest(depth)
    monkeypatch.setattr(triangulation, "MOST_AT_ONCE", 0)
    filled = interpolation.linear(depth)
    outside = ~np.isfinite(LinearNDInterpolator(np.stack([rows, columns], axis=1), rows)(*np.indices(depth.shape)))
    assert outside.any()
    y, x = np.nonzero(outside)

    def distance(names: np.ndarray) -> np.ndarray:
        chosen = names[outside].astype(int) - 1
        return np.hypot(rows[chosen] - y, columns[chosen] - x)

    np.testing.assert_array_equal(distance(filled), distance(expected))


def test_points_on_one_line_have_no_triangle_in_tiles_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triangulation, "MOST_AT_ONCE", 0)
    steps = np.arange(500)
    triangles = delaunay_triangles(steps, steps)
    assert not double_areas(triangles, steps, steps).any()
