"""Harris as OpenCV defines it, and points that lie on edges, on corners or anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.frame import FloatArray, ImageArray
from kbnet.points.clustered_points import (
    POINT_KINDS,
    Clustering,
    PointKind,
    cluster,
    draw_points,
    harris_response,
)

pytest.importorskip("sklearn")


def harris_by_definition(grey: FloatArray) -> FloatArray:
    """Slow loops over pixels, block and aperture; every border index is mirrored about the edge pixel's centre."""
    height, width = grey.shape

    def mirror(index: int, size: int) -> int:
        return -index if index < 0 else 2 * (size - 1) - index if index >= size else index

    def gradient(row: int, column: int) -> tuple[float, float]:
        x = y = 0.0
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                value = float(grey[mirror(row + i, height), mirror(column + j, width)])
                x += j * (2 - abs(i)) * value
                y += i * (2 - abs(j)) * value
        return x, y

    response = np.zeros_like(grey)
    scale = 1 / (4 * 5 * 255)
    for row in range(height):
        for column in range(width):
            xx = yy = xy = 0.0
            for i in range(-2, 3):
                for j in range(-2, 3):
                    x, y = gradient(mirror(row + i, height), mirror(column + j, width))
                    xx, yy, xy = xx + (x * scale) ** 2, yy + (y * scale) ** 2, xy + x * y * scale**2
            response[row, column] = xx * yy - xy**2 - 0.04 * (xx + yy) ** 2
    return response


def square(size: int = 64) -> ImageArray:
    """A bright square on black: four straight edges, four corners."""
    image = np.zeros((size, size, 3), np.uint8)
    image[16:48, 16:48] = 200
    return image


def distance_to_corner(sparse_depth: FloatArray) -> FloatArray:
    pixels = np.argwhere(sparse_depth > 0)
    corners = np.array([[15.5, 15.5], [15.5, 47.5], [47.5, 15.5], [47.5, 47.5]])
    return np.linalg.norm(pixels[:, None] - corners, axis=2).min(axis=1)


def test_harris_response_equals_the_definition() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (13, 11)).astype(np.float32)
    np.testing.assert_allclose(harris_response(grey), harris_by_definition(grey), rtol=1e-4, atol=1e-9)


def test_harris_response_is_positive_at_corners_negative_on_edges_zero_on_flats() -> None:
    response = harris_response(square()[..., 0].astype(np.float32))
    assert response[16, 16] > 0 > response[16, 32]
    assert response[32, 32] == 0


def test_published_points_lie_on_edges_and_corner_points_at_corners() -> None:
    few = Clustering(candidates=60)
    depth = np.full((64, 64), 2, np.float32)
    edges = draw_points("edges", square(), depth, 12, clustering=few)
    corners = draw_points("corners", square(), depth, 12, clustering=few)
    assert distance_to_corner(edges).min() > 3 > np.median(distance_to_corner(corners))


@pytest.mark.parametrize("kind", POINT_KINDS)
def test_draw_points_keeps_measured_depth_only_and_repeats_itself(kind: PointKind) -> None:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    depth = generator.uniform(1, 5, (64, 80)).astype(np.float32) * (generator.random((64, 80)) < 0.3)
    points = draw_points(kind, image, depth, 100, seed=4)
    assert 80 <= np.count_nonzero(points) <= 100
    np.testing.assert_array_equal(points[points > 0], depth[points > 0])
    np.testing.assert_array_equal(points, draw_points(kind, image, depth, 100, seed=4))


def test_uniform_points_follow_the_seed() -> None:
    depth = np.ones((64, 64), np.float32)
    assert (draw_points("uniform", square(), depth, 50, seed=1) != draw_points("uniform", square(), depth, 50)).any()


@pytest.mark.parametrize("kind", POINT_KINDS)
def test_draw_points_takes_what_there_is(kind: PointKind) -> None:
    depth = np.zeros((64, 64), np.float32)
    assert not draw_points(kind, square(), depth, 50).any()
    depth[3, 4:9] = 1
    np.testing.assert_array_equal(draw_points(kind, square(), depth, 50), depth)


def test_cluster_is_the_published_clustering() -> None:
    from sklearn.cluster import MiniBatchKMeans

    candidates = np.argwhere(np.random.default_rng(0).random((60, 80)) < 0.5)
    clustering = MiniBatchKMeans(30, random_state=1, max_iter=2, n_init=1, batch_size=1024).fit(candidates[:, ::-1])
    expected = clustering.cluster_centers_[:, ::-1]
    everywhere = np.ones((60, 80), bool)
    np.testing.assert_array_equal(cluster(candidates, everywhere, 30), np.rint(expected))
    cut = cluster(candidates, everywhere, 30, Clustering(cut=True))
    np.testing.assert_array_equal(cut, np.trunc(expected))


def test_cluster_falls_back_to_the_nearest_candidate_where_depth_is_unknown() -> None:
    measured = np.zeros((9, 9), bool)
    measured[4, [1, 7]] = True
    candidates = np.argwhere(measured)
    assert cluster(candidates, measured, 1).tolist() in ([[4, 1]], [[4, 7]])


def test_draw_points_refuses_zero_points() -> None:
    with pytest.raises(ValueError, match="at least 1 point, got 0"):
        draw_points("edges", square(), np.ones((64, 64), np.float32), 0)
