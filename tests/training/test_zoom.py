"""Zoom: images, points, ground truth and the camera stay together."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.frame import Frame, Triplet
from kbnet.training.zoom import enlarge


def make_triplet(*, alone: bool = True) -> Triplet:
    generator = np.random.default_rng(0)
    image, other = generator.integers(0, 256, (2, 32, 40, 3), dtype=np.uint8)
    depth = generator.uniform(1, 3, (32, 40)).astype(np.float32)
    points = np.where(generator.random(depth.shape) < 0.1, depth, np.float32(0))
    K = np.array([[45, 0, 22], [0, 47, 18.25], [0, 0, 1]], np.float32)
    frame = Frame(image, points, K, ground_truth=depth, name="0007")
    return Triplet(frame, image, image) if alone else Triplet(frame, other, other)


@pytest.mark.parametrize(("height", "width"), [(64, 80), (41, 63)])
def test_an_enlarged_pixel_sees_the_ray_of_the_pixel_that_it_came_from(height: int, width: int) -> None:
    """The centre of a pixel is on a whole number, so its left edge is at half a pixel less."""
    triplet = make_triplet()
    enlarged = enlarge(triplet, height, width)
    x, y = 12.0, 7.0
    large = np.array([(x + 0.5) * width / 40 - 0.5, (y + 0.5) * height / 32 - 0.5, 1])
    ray = np.linalg.inv(triplet.frame.intrinsics) @ [x, y, 1]
    np.testing.assert_allclose(enlarged.frame.intrinsics @ ray, large, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 80), (41, 63), (32, 40)])
def test_enlarged_points_lie_on_their_ground_truth_and_none_is_lost(height: int, width: int) -> None:
    triplet = make_triplet()
    enlarged = enlarge(triplet, height, width).frame
    assert enlarged.size == (height, width)
    assert enlarged.ground_truth is not None
    found = enlarged.sparse_depth > 0
    assert found.sum() == np.count_nonzero(triplet.frame.sparse_depth)
    np.testing.assert_array_equal(enlarged.sparse_depth[found], enlarged.ground_truth[found])
    assert np.isin(enlarged.ground_truth, triplet.frame.ground_truth).all()


def test_neighbours_are_enlarged_too() -> None:
    alone, together = enlarge(make_triplet(), 64, 80), enlarge(make_triplet(alone=False), 64, 80)
    assert alone.previous_image is alone.frame.image
    assert together.next_image.shape == (64, 80, 3)
    assert not np.array_equal(together.next_image, together.frame.image)
