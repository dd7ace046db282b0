"""Projection: points land on the pixel they are seen at, the nearest one stays, occluded points go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.points.projection import drop_hidden_points, project_points, scan_line_gap
from kbnet.sources.scan_columns import KITTI, read_columns

K = np.array([[40, 0, 23.5], [0, 50, 15.5], [0, 0, 1]], np.float32)
SIZE = (32, 48)
AXES = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64)
"""Lidar x forward, y left, z up to camera x right, y down, z forward."""


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


def lines(gap: int, depth: float, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """Scan lines every ``gap`` rows, a point on every second pixel."""
    scan = np.zeros(size, np.float32)
    scan[::gap, ::2] = depth
    return scan


def test_drop_hidden_points_drops_the_wall_seen_through_a_near_post_and_keeps_it_beside() -> None:
    wall, post = lines(5, 20.0), lines(5, 4.0)
    wall = np.roll(wall, 2, axis=0)  # the lines of the wall fall between those of the post
    post[:, :30], post[:, 50:] = 0, 0
    seen = drop_hidden_points(np.where(post > 0, post, wall))
    np.testing.assert_array_equal(seen == 4, post > 0)
    between = np.s_[5:55, 32:48]
    assert not (seen[between] == 20).any()
    for beside in (np.s_[:, :30], np.s_[:, 49:]):
        np.testing.assert_array_equal(seen[beside], wall[beside])


@pytest.mark.parametrize("normal", [(0, -1, 0.02), (1, 0, 0.1), (0.6, -0.8, 0.05), (0, 0, 1)])
@pytest.mark.parametrize("gap", [1, 5, 12])
def test_drop_hidden_points_keeps_a_plane_however_slanted(normal: tuple[float, float, float], gap: int) -> None:
    rows, columns = np.mgrid[:90, :120]
    inverse_depth = np.stack([(columns - 59.5) / 100, (rows - 44.5) / 100, np.ones((90, 120))], axis=-1) @ normal
    depth = np.where(np.abs(inverse_depth) > 0.01, 1 / np.abs(inverse_depth), 0).astype(np.float32)
    depth[np.sign(inverse_depth) != np.sign(inverse_depth[80, 10])] = 0
    scan = np.where(lines(gap, 1.0, (90, 120)) > 0, depth, np.float32(0))
    assert np.count_nonzero(scan) > 50
    np.testing.assert_array_equal(drop_hidden_points(scan), scan)


def test_drop_hidden_points_agrees_with_a_slow_loop() -> None:
    generator = np.random.default_rng(0)
    depth = np.where(generator.random((20, 24)) < 0.4, generator.uniform(1, 9, (20, 24)), 0).astype(np.float32)
    for radius in (1, 2, 3, 4):
        expected = depth.copy()
        for row, column in np.argwhere(depth):
            quadrants = set()
            for y, x in np.argwhere((depth > 0) & (depth < np.float32(0.9) * depth[row, column])):
                down, right = y - row, x - column
                if max(abs(down), abs(right)) <= radius:
                    quadrants.add((right >= 0 and down > 0, right < 0 and down >= 0, right <= 0 and down < 0))
            if len(quadrants) == 4:
                expected[row, column] = 0
        assert 0 < np.count_nonzero(expected) < np.count_nonzero(depth)
        np.testing.assert_array_equal(drop_hidden_points(depth, radius), expected)


def test_drop_hidden_points_of_nothing_or_with_radius_0_changes_nothing() -> None:
    empty = np.zeros(SIZE, np.float32)
    np.testing.assert_array_equal(drop_hidden_points(empty), empty)
    scan = lines(5, 4.0)
    scan[12, 41] = 20
    np.testing.assert_array_equal(drop_hidden_points(scan, 0), scan)
    assert drop_hidden_points(scan)[12, 41] == 0
    with pytest.raises(ValueError, match="at least 0 pixels"):
        drop_hidden_points(scan, -1)


@pytest.mark.parametrize("gap", [1, 2, 5, 12, 30])
def test_scan_line_gap_is_the_distance_of_the_lines(gap: int) -> None:
    assert scan_line_gap(lines(gap, 3.0, (90, 80))) == gap
    assert scan_line_gap(np.zeros((90, 80), np.float32)) == 1


def test_drop_hidden_points_drops_few_of_a_real_scan_and_only_far_ones(shared: Path) -> None:
    recording = shared / "data" / "kitti_seq00"
    calibration = dict(line.split(":") for line in (recording / "calib.txt").read_text().splitlines() if line)
    P2, Tr = (np.array(calibration[key].split(), float).reshape(3, 4) for key in ("P2", "Tr"))
    T_camera_lidar = np.vstack([Tr, [0, 0, 0, 1]])
    T_camera_lidar[:3, 3] += np.linalg.solve(P2[:, :3], P2[:, 3])
    scan = read_columns(recording / "velodyne" / "000000.bin", KITTI)
    depth = project_points(scan, P2[:, :3].astype(np.float32), T_camera_lidar, (376, 1241))
    assert scan_line_gap(depth) == 5  # 64 beams 0.4° apart, f = 719 px
    seen = drop_hidden_points(depth)
    dropped = (depth > 0) & (seen == 0)
    np.testing.assert_array_equal(seen[~dropped], depth[~dropped])
    assert 0.01 < dropped.sum() / np.count_nonzero(depth) < 0.03
    roof = np.s_[195:204, 830:910]  # of the car 8 m ahead: past it the lidar, higher up, sees the wall 20 m away
    assert np.count_nonzero(depth[roof] > 15) > 30
    assert not (seen[roof] > 15).any()
