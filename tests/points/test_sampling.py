"""Sparse points: at corners, apart from each other, only where depth is known, as wrong as asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist

from kbnet.frame import FloatArray, ImageArray
from kbnet.points.sampling import INTEGRATION_SIGMA_PX, corner_strength, sample_points, spread_corners

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def image() -> ImageArray:
    """Smooth random texture everywhere."""
    texture = gaussian_filter(np.random.default_rng(1).standard_normal((HEIGHT, WIDTH)), 2)
    grey = np.interp(texture, (texture.min(), texture.max()), (0, 255)).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)


@pytest.fixture
def depth() -> FloatArray:
    """A slope from 1 to 4 m, unmeasured in a band in the middle."""
    slope = np.tile(np.linspace(1, 4, WIDTH, dtype=np.float32), (HEIGHT, 1))
    slope[40:56] = 0
    return slope


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("points", [1, 50, 300, 3000])
def test_points_are_as_many_as_asked_for_and_true(image: ImageArray, depth: FloatArray, points: int) -> None:
    sparse = sample_points(image, depth, points, generator(), range_noise=0)
    assert sparse.dtype == np.float32
    assert np.count_nonzero(sparse) == points
    np.testing.assert_array_equal(sparse[sparse > 0], depth[sparse > 0])


def test_points_are_all_measured_pixels_where_those_are_fewer(image: ImageArray) -> None:
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    assert not sample_points(image, depth, 10, generator()).any()
    depth[10:12, 20:22] = 2.0
    np.testing.assert_array_equal(sample_points(image, depth, 10, generator(), range_noise=0), depth)


def test_points_sit_at_the_corners_of_a_square(depth: FloatArray) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    image[10:30, 20:90] = 200
    rows, columns = np.nonzero(sample_points(image, np.ones_like(depth), 4, generator()))
    corners = np.array([[10, 20], [10, 89], [29, 20], [29, 89]])
    assert np.abs(np.stack([rows, columns], axis=1) - corners).max() <= 2


def test_points_stand_apart(image: ImageArray, depth: FloatArray) -> None:
    rows, columns = np.nonzero(sample_points(image, depth, 60, generator()))
    assert pdist(np.stack([rows, columns], axis=1), "chebyshev").min() >= 4
    assert rows.min() < 20
    assert rows.max() > HEIGHT - 20
    assert columns.min() < 20
    assert columns.max() > WIDTH - 20


def test_points_avoid_what_is_blank(image: ImageArray) -> None:
    image[:, : WIDTH // 2] = 128
    sparse = sample_points(image, np.ones((HEIGHT, WIDTH), np.float32), 60, generator())
    assert np.count_nonzero(sparse[:, : WIDTH // 2 - 4]) <= 2


def test_points_in_a_blank_image_are_scattered() -> None:
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    rows, columns = np.nonzero(sample_points(image, np.ones((HEIGHT, WIDTH), np.float32), 200, generator()))
    assert abs(rows.mean() - HEIGHT / 2) < 8
    assert abs(columns.mean() - WIDTH / 2) < 10


def test_corner_strength_equals_the_smaller_eigenvalue(image: ImageArray) -> None:
    grey = image.astype(np.float64) @ [0.299, 0.587, 0.114]
    strength = corner_strength(image)
    radius = round(4 * INTEGRATION_SIGMA_PX)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / INTEGRATION_SIGMA_PX) ** 2)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    for row, column in ((30, 40), (50, 100), (70, 12)):
        tensor = np.zeros((2, 2))
        for i, dy in enumerate(offsets):
            for j, dx in enumerate(offsets):
                patch = grey[row + dy - 1 : row + dy + 2, column + dx - 1 : column + dx + 2]
                gradient = np.array(
                    [
                        np.dot([1, 2, 1], patch[:, 2] - patch[:, 0]),
                        np.dot([1, 2, 1], patch[2] - patch[0]),
                    ]
                )
                tensor += weights[i, j] * np.outer(gradient, gradient)
        assert strength[row, column] == pytest.approx(np.linalg.eigvalsh(tensor)[0], rel=1e-4)


def test_corner_strength_is_nothing_on_a_straight_edge() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 255
    assert corner_strength(image).max() < 1


def test_spread_corners_come_strongest_first(image: ImageArray) -> None:
    strength = corner_strength(image)
    rows, columns = spread_corners(strength, np.ones(strength.shape, bool), 50, generator())
    assert (np.diff(strength[rows, columns]) <= 0).all()


def test_range_noise_is_relative_and_keeps_depth_positive(image: ImageArray, depth: FloatArray) -> None:
    sparse = sample_points(image, depth, 3000, generator(), range_noise=0.05)
    ratio = sparse[sparse > 0] / depth[sparse > 0]
    assert ratio.std() == pytest.approx(0.05, rel=0.1)
    assert ratio.mean() == pytest.approx(1, abs=0.005)
    wild = sample_points(image, depth, 3000, generator(), range_noise=1.0)
    assert np.count_nonzero(wild > 0) == 3000


def test_outliers_are_as_many_as_asked_for_and_within_the_scene(image: ImageArray, depth: FloatArray) -> None:
    sparse = sample_points(image, depth, 1000, generator(), range_noise=0, outlier_share=0.1)
    wrong = (sparse > 0) & (sparse != depth)
    assert np.count_nonzero(wrong) == 100
    assert sparse[wrong].min() >= 1
    assert sparse[wrong].max() <= 4


def test_draws_are_the_generators_alone(image: ImageArray, depth: FloatArray) -> None:
    first, again, other = (sample_points(image, depth, 100, generator(seed), outlier_share=0.1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_bad_input_is_named(image: ImageArray, depth: FloatArray) -> None:
    with pytest.raises(ValueError, match=r"depth is 64x96 .* but image is 128x96"):
        sample_points(image, depth[:, :64], 10, generator())
    with pytest.raises(ValueError, match="at least 1 point, got 0"):
        sample_points(image, depth, 0, generator())
    with pytest.raises(ValueError, match=r"outlier_share in 0\.\.1, got 0\.01 and 1\.5"):
        sample_points(image, depth, 10, generator(), outlier_share=1.5)
