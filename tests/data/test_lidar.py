"""Lidar: scans are read as stored, points land on the pixel they are seen at, the nearest one stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.data.lidar import project_points, read_velodyne

K = np.array([[40, 0, 23.5], [0, 50, 15.5], [0, 0, 1]], np.float32)
SIZE = (32, 48)
AXES = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64)
"""Lidar x forward, y left, z up to camera x right, y down, z forward."""


def test_read_velodyne_gives_what_was_stored(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    points.tofile(tmp_path / "scan.bin")
    np.testing.assert_array_equal(read_velodyne(tmp_path / "scan.bin"), points)


def test_read_velodyne_refuses_part_of_a_point(tmp_path: Path) -> None:
    (tmp_path / "scan.bin").write_bytes(b"\0" * 40)
    with pytest.raises(ValueError, match=r"16 bytes a point .* got 40 bytes .*scan\.bin"):
        read_velodyne(tmp_path / "scan.bin")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_velodyne(tmp_path / "none.bin")


def test_project_points_of_a_slanted_plane_gives_its_depth_at_every_pixel() -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([(columns - 23.5) / 40, (rows - 15.5) / 50, np.ones(SIZE)], axis=-1)
    normal, distance = np.array([0.2, -0.1, 1.0]), 6.0
    depth = distance / (rays @ normal)
    T_camera_lidar = AXES.copy()
    T_camera_lidar[:3, 3] = [0.3, -0.2, 0.5]
    in_camera = np.concatenate([(rays * depth[..., None]).reshape(-1, 3), np.ones((rows.size, 1))], axis=1)
    in_lidar = np.linalg.solve(T_camera_lidar, in_camera.T).T
    np.testing.assert_allclose(project_points(in_lidar, K, T_camera_lidar, SIZE), depth, rtol=1e-6)


def test_project_points_keeps_the_nearest_whatever_the_order() -> None:
    points = np.array([[5.0, 0, 0], [3.0, 0, 0], [9.0, 0, 0]])
    for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        depth = project_points(points[order], K, AXES, SIZE)
        assert depth.max() == 3
        assert np.count_nonzero(depth) == 1


def test_project_points_drops_what_the_camera_does_not_see() -> None:
    behind_or_aside = [[-5.0, 0, 0], [0, 1, 0], [5, 9, 0], [5, -9, 0], [5, 0, 9], [5, 0, -9]]
    unseen = np.array([*behind_or_aside, [np.nan, 0, 0], [5, np.inf, 0]])
    assert not project_points(unseen, K, AXES, SIZE).any()
    assert not project_points(np.zeros((0, 4)), K, AXES, SIZE).any()


def test_project_points_rounds_to_the_pixel_whose_centre_is_nearest() -> None:
    for column, seen in ((-0.51, None), (-0.49, 0), (0.49, 0), (0.51, 1), (47.49, 47), (47.51, None)):
        point = np.array([[4.0, -4 * (column - 23.5) / 40, -4 * (10 - 15.5) / 50]])
        found = np.argwhere(project_points(point, K, AXES, SIZE)).tolist()
        assert found == ([] if seen is None else [[10, seen]])


def test_project_points_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(N, 3\) or \(N, 4\)"):
        project_points(np.zeros((4, 2)), K, AXES, SIZE)
    with pytest.raises(ValueError, match="pinhole"):
        project_points(np.zeros((4, 3)), np.zeros((3, 3), np.float32), AXES, SIZE)
    with pytest.raises(ValueError, match="T_camera_lidar is not a rigid"):
        project_points(np.zeros((4, 3)), K, np.zeros((4, 4)), SIZE)
