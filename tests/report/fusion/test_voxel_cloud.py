"""Points in cubes: equal to a slow loop, whatever the order; far from the origin in one clear line."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from kbnet.report.fusion.voxel_cloud import VoxelCloud, fitting_voxel


def test_voxel_cloud_equals_a_slow_loop() -> None:
    generator = np.random.default_rng(0)
    frames = [
        (generator.normal(0, 0.2, (200, 3)), generator.integers(0, 256, (200, 3), dtype=np.uint8)) for _ in range(4)
    ]
    cloud = VoxelCloud(0.1)
    cubes: dict[tuple[int, ...], list[tuple[int, Any, Any]]] = defaultdict(list)
    for number, (points, colours) in enumerate(frames):
        cloud.add_points(points, colours)
        for point, colour in zip(points, colours, strict=True):
            cubes[tuple(np.floor(point / 0.1).astype(int))].append((number, point, colour))
    assert len(cloud) == len(cubes)
    for seen in (1, 3):
        kept = [members for _, members in sorted(cubes.items()) if len({number for number, *_ in members}) >= seen]
        points, colours = cloud.points(seen)
        np.testing.assert_allclose(points, [np.mean([m[1] for m in members], axis=0) for members in kept], atol=1e-6)
        expected = [np.mean([m[2] for m in members], axis=0) for members in kept]
        assert np.abs(colours.astype(float) - expected).max() <= 0.5 + 1e-9
    assert points.dtype == np.float32


def test_voxel_cloud_of_nothing_is_empty() -> None:
    cloud = VoxelCloud(0.1)
    cloud.add_points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    points, colours = cloud.points()
    assert points.shape == colours.shape == (0, 3)


def test_voxel_cloud_names_what_lies_too_far_out() -> None:
    cloud = VoxelCloud(0.001)
    with pytest.raises(ValueError, match=r"within 1049 m of the world's origin .* got one 2000 m away; choose larger"):
        cloud.add_points(np.array([[0.0, -2000.0, 0.0]]), np.zeros((1, 3), np.uint8))
    with pytest.raises(ValueError, match="more than 0 m, got 0"):
        VoxelCloud(0)


def test_fitting_voxel_is_a_round_number_whatever_the_depth() -> None:
    assert fitting_voxel(np.zeros((4, 4), np.float32)) == 0.02
    assert [fitting_voxel(np.full((4, 4), depth, np.float32)) for depth in (0.5, 1.4, 2.6, 6, 30)] == [
        *(0.01, 0.02, 0.05, 0.1, 0.5)
    ]
