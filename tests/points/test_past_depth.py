"""Depth of an earlier frame from another camera, and alignment of poses to its surface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kbnet.frame import FloatArray, Frame
from kbnet.points.past_depth import LARGEST_WEIGHT, LEAST_ALIGNED, PastDepth, weight_as_prior
from kbnet.points.sparse_points import measured_pixels
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

K = np.array([[150, 0, 79.5], [0, 150, 63.5], [0, 0, 1]], np.float32)


def moved(pose: NDArray[np.float64], metres: tuple[float, float, float], degrees: float) -> NDArray[np.float64]:
    """A pose with an error in the axes of its camera."""
    motion = np.eye(4)
    motion[:3, 3] = metres
    motion[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.64, 0.48])).as_matrix()
    return pose @ motion


def two_frames() -> tuple[PastDepth, Frame]:
    """Exact depth of a frame of a room, and a later frame of the same room."""
    config = SyntheticConfig(frames=4, width=160, height=128, points=400)
    first, *_, last = (replace(frame, T_world_camera=pose) for frame, pose, _ in synthetic_frames(config))
    assert first.ground_truth is not None
    assert first.T_world_camera is not None
    return PastDepth(first.ground_truth, first.intrinsics, first.T_world_camera.astype(np.float64)), last


def disagreement(past: PastDepth, frame: Frame, pose: NDArray[np.float64]) -> float:
    """Median difference of ln depth between the past as seen from a pose, and the true depth of the frame."""
    assert frame.ground_truth is not None
    seen = past.seen_from(frame.intrinsics, pose, frame.size, 1)
    both = (seen > 0) & (frame.ground_truth > 0)
    return float(np.median(np.abs(np.log(seen[both] / frame.ground_truth[both]))))


def test_errors_of_a_pose_are_mended() -> None:
    past, frame = two_frames()
    assert frame.T_world_camera is not None
    given = moved(frame.T_world_camera.astype(np.float64), (0.02, -0.01, 0.06), 1.0)
    aligned = past.aligned_pose(frame.sparse_depth, frame.intrinsics, given)
    assert disagreement(past, frame, aligned) < 0.25 * disagreement(past, frame, given)


def test_a_true_pose_stays_also_with_outliers() -> None:
    past, frame = two_frames()
    assert frame.T_world_camera is not None
    true = frame.T_world_camera.astype(np.float64)
    points = frame.sparse_depth.copy()
    rows, columns = measured_pixels(points)
    points[rows[::5], columns[::5]] *= 0.5
    for given in (frame.sparse_depth, points):
        difference = np.linalg.inv(true) @ past.aligned_pose(given, frame.intrinsics, true)
        assert np.linalg.norm(difference[:3, 3]) < 0.01 * np.median(frame.sparse_depth[frame.sparse_depth > 0])
        assert Rotation.from_matrix(difference[:3, :3]).magnitude() < np.deg2rad(0.3)


def wall(points: int) -> tuple[PastDepth, FloatArray]:
    """A wall in front of the camera, and points on it."""
    rng = np.random.default_rng(0)
    sparse = np.zeros((128, 160), np.float32)
    sparse.flat[rng.choice(sparse.size, points, replace=False)] = 2.0
    return PastDepth(np.full((128, 160), 2.0, np.float32), K, np.eye(4)), sparse


def test_along_a_wall_the_given_pose_is_kept_and_across_it_the_points_decide() -> None:
    past, points = wall(300)
    given = moved(np.eye(4), (0.03, 0.02, 0.04), 0.0)
    aligned = past.aligned_pose(points, K, given)
    np.testing.assert_allclose(aligned[:3, 3], (0.03, 0.02, 0.0), atol=0.005)


def test_a_pose_stays_as_it_is_if_few_points_lie_on_the_surface() -> None:
    past, points = wall(LEAST_ALIGNED - 1)
    given = moved(np.eye(4), (0.0, 0.0, 0.04), 0.0)
    np.testing.assert_array_equal(past.aligned_pose(points, K, given), given)
    past, points = wall(300)
    behind = moved(np.eye(4), (0.0, 0.0, -9.0), 0.0)
    np.testing.assert_array_equal(past.aligned_pose(points, K, behind), behind)


def test_depth_is_seen_from_a_camera_that_moved_forward() -> None:
    past, _ = wall(1)
    forward = moved(np.eye(4), (0.0, 0.0, 0.5), 0.0)
    seen = past.seen_from(K, forward, (128, 160), 1)
    np.testing.assert_allclose(seen[40:90, 50:110][seen[40:90, 50:110] > 0], 1.5, rtol=1e-6)
    assert (seen[40:90, 50:110] > 0).mean() > 0.9


def test_past_depth_is_no_prior_at_its_edges_near_points() -> None:
    past = np.full((64, 80), np.float32(3))
    past[:, 40:] = 2
    points = np.zeros((128, 160), np.float32)
    points[20, 80] = 2
    weight = weight_as_prior(past, points, 2)
    assert (weight[5:15, 38:42] == 0).all()
    np.testing.assert_allclose(weight[40:], LARGEST_WEIGHT)  # the edge far from the point
    np.testing.assert_allclose(weight[:, :30], LARGEST_WEIGHT)
