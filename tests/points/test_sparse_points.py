"""Points and maps: what is measured comes back, the nearest stays, nothing else gets in."""

from __future__ import annotations

import numpy as np

from kbnet.points.sparse_points import map_to_points, points_to_map


def test_points_of_a_map_make_the_map() -> None:
    generator = np.random.default_rng(0)
    depth = np.where(generator.random((7, 9)) < 0.3, generator.uniform(1, 5, (7, 9)), 0).astype(np.float32)
    np.testing.assert_array_equal(points_to_map(*map_to_points(depth), (7, 9)), depth)


def test_only_points_inside_with_depth_are_kept() -> None:
    pixels = np.array([[0, 0], [2.6, 0], [-0.6, 0], [1, np.nan], [1, 0], [1, 0], [1, 0]])
    depth = np.array([1, 1, 1, 1, 0, -2, np.inf])
    assert points_to_map(pixels, depth, (1, 3)).tolist() == [[1, 0, 0]]
