"""Triangles are those of scipy's defaults, and none where there can be none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

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
