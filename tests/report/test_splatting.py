"""Points drawn where a camera sees them, the nearest in front."""

from __future__ import annotations

import numpy as np

from kbnet.report.turntable import splat

K = np.array([[40.0, 0, 23.5], [0, 40.0, 15.5], [0, 0, 1]])
SIZE = (32, 48)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def _draw(points: list[list[float]], colours: list[tuple[int, int, int]], spacing: float = 0.001) -> np.ndarray:
    return splat(np.array(points), np.array(colours, np.uint8), spacing, K, np.eye(4), SIZE)


def test_splat_draws_a_point_at_its_pixel() -> None:
    # Pixel (30, 10) has its centre at (30 - 23.5) / 40, (10 - 15.5) / 40.
    picture = _draw([[2 * 6.5 / 40, 2 * -5.5 / 40, 2.0]], [RED], spacing=2 / 40)
    rows, columns = np.nonzero((picture != 255).any(axis=2))
    assert (rows.tolist(), columns.tolist()) == ([10], [30])
    assert picture[10, 30].tolist() == [255, 0, 0]


def test_splat_shows_the_nearest_whatever_the_order() -> None:
    points, colours = [[0.0, 0, 1.0], [0.0, 0, 2.0]], [RED, BLUE]
    for order in ([0, 1], [1, 0]):
        picture = _draw([points[i] for i in order], [colours[i] for i in order], spacing=0.2)
        assert picture[15, 23].tolist() == [255, 0, 0]


def test_splat_leaves_out_what_lies_behind_or_beside() -> None:
    assert (_draw([[0.0, 0, -1.0], [0.0, 0, 0.0], [90.0, 0, 1.0], [0.0, -90.0, 1.0]], [RED] * 4) == 255).all()
    assert (splat(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), 0.1, K, np.eye(4), SIZE) == 255).all()


def test_splat_closes_a_plane_whose_points_lie_a_spacing_apart() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-1, 1, 0.05), np.arange(-1, 1, 0.05)))
    points = np.stack([x, y, np.full_like(x, 1.9)], axis=1)
    picture = splat(points, np.zeros((len(x), 3), np.uint8), 0.05, K, np.eye(4), SIZE)
    assert not picture[4:-4, 8:-8].any()


def test_splat_moves_the_camera_not_the_points() -> None:
    T_camera_world = np.eye(4)
    T_camera_world[0, 3] = -0.5  # the camera stands half a metre to the right, so the point is left of it
    picture = splat(np.array([[0.0, 0, 2.0]]), np.array([RED], np.uint8), 0.05, K, T_camera_world, SIZE)
    columns = np.nonzero((picture != 255).any(axis=2))[1]
    assert columns.mean() < 15
