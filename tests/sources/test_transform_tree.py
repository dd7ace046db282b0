"""The tree of frames: up and down, fixed and moving, at two times."""

from __future__ import annotations

import tracemalloc

import numpy as np

from kbnet.sources.transform_tree import ALWAYS, TransformTree


def shift(x: float) -> np.ndarray:
    transform = np.eye(4)
    transform[0, 3] = x
    return transform


def add(tree: TransformTree, parent: str, child: str, x: float, time: float = ALWAYS) -> None:
    tree.add(parent, child, np.array([x, 0, 0]), np.array([0, 0, 0, 1]), time)


def robot() -> TransformTree:
    """base drives 10 m/s along x of odom; camera and lidar sit on it, 1 m and 3 m ahead."""
    tree = TransformTree()
    add(tree, "base", "camera", 1)
    add(tree, "base", "lidar", 3)
    for time in (0.0, 0.2, 0.4, 0.6):
        add(tree, "odom", "base", 10 * time, time)
    return tree


def test_between_goes_up_and_down_the_tree() -> None:
    transform = robot().between("camera", 0.5, "lidar", 0.5)
    np.testing.assert_allclose(transform, shift(2))


def test_between_takes_the_motion_between_two_times_into_account() -> None:
    np.testing.assert_allclose(robot().between("camera", 0.6, "lidar", 0.5), shift(1))


def test_between_needs_no_motion_where_none_was_measured() -> None:
    """After the odometry ended, what is fixed on the robot still is."""
    np.testing.assert_allclose(robot().between("camera", 5.0, "lidar", 4.9), shift(2))


def test_between_unconnected_frames_is_unknown() -> None:
    tree = robot()
    add(tree, "table", "cup", 1)
    assert tree.between("camera", 0.5, "cup", 0.5) is None
    assert tree.between("camera", 0.5, "nowhere", 0.5) is None


def test_a_new_parent_replaces_the_old_one() -> None:
    tree = robot()
    add(tree, "map", "base", 7, 0.5)
    assert list(tree.ancestors("camera", 0.5)) == ["camera", "base", "map"]
    assert tree.frames == ["base", "camera", "lidar", "map"]


def test_a_loop_of_frames_ends() -> None:
    tree = TransformTree()
    add(tree, "a", "b", 1)
    add(tree, "b", "a", 1)
    assert list(tree.ancestors("a", 0.0)) == ["a", "b"]


def test_what_is_said_again_and_again_holds_between_and_beyond() -> None:
    """Static transforms that a publisher of old repeats each second on /tf."""
    tree = robot()
    for time in (0.0, 1.0):
        add(tree, "lidar", "imu", 2, time)
    np.testing.assert_allclose(tree.between("camera", 0.3, "imu", 0.3), shift(4))
    np.testing.assert_allclose(tree.between("camera", 5.0, "imu", 5.0), shift(4))


def test_another_tree_adds_to_the_same_parent_and_replaces_another() -> None:
    tree, other = robot(), TransformTree()
    add(other, "odom", "base", 8, 0.8)
    np.testing.assert_allclose(tree.ancestors("base", 0.6)["odom"], shift(6))
    assert "odom" not in tree.ancestors("base", 0.7)
    tree.update(other)
    np.testing.assert_allclose(tree.ancestors("base", 0.7)["odom"], shift(7))
    other = TransformTree()
    add(other, "map", "base", 1, 0.7)
    tree.update(other)
    assert list(tree.ancestors("base", 0.7)) == ["base", "map"]


def test_hours_of_transforms_fit_in_memory() -> None:
    tree = TransformTree()
    tracemalloc.start()
    for index in range(10_000):
        tree.add("odom", "base", np.zeros(3), np.array([0, 0, 0, 1.0]), index / 100)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 100 * 10_000
