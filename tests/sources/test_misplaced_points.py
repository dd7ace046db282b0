"""Points that miss an image: where they lie, and which mistake in the extrinsics explains it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kbnet.sources.misplaced_points import FORWARD_LEFT_UP, explain_misses, where_they_lie

K = np.array([[50, 0, 31.5], [0, 50, 23.5], [0, 0, 1]], np.float32)
SIZE = (48, 64)
WALL = np.stack(np.meshgrid(np.linspace(-3, 3, 20), np.linspace(-2, 2, 20), 8.0), -1).reshape(-1, 3)
"""In the camera's axes, ahead of it."""


def test_where_they_lie_names_the_two_largest_sides() -> None:
    assert where_they_lie(np.array([[0, 0, 1.0]] * 3 + [[0, -5, 1]])) == (
        "75 % of the points lie ahead of it, 25 % above it"
    )
    assert where_they_lie(np.zeros((0, 3))) == "there are no points"


@pytest.mark.parametrize(
    ("mistaken", "hint"),
    [
        (lambda T: np.linalg.inv(T), "their inverse would put 400 into it"),
        (lambda T: T @ np.linalg.inv(FORWARD_LEFT_UP), "camera's axes before them would put 400 into it"),
        (lambda T: np.linalg.inv(FORWARD_LEFT_UP) @ T, "camera's axes after them would put 400 into it"),
    ],
)
def test_the_mistake_that_explains_the_misses_is_named(mistaken: object, hint: str) -> None:
    T_camera_lidar = FORWARD_LEFT_UP.copy()
    T_camera_lidar[:3, 3] = 0.5, -0.2, 20.0 if "inverse" in hint else 0.3
    if "before" in hint:  # a lidar that is turned by 30 degrees too
        T_camera_lidar[:3, :3] = Rotation.from_euler("y", 30, degrees=True).as_matrix() @ T_camera_lidar[:3, :3]
    points = (WALL - T_camera_lidar[:3, 3]) @ T_camera_lidar[:3, :3]
    assert callable(mistaken)
    assert hint in explain_misses(points, mistaken(T_camera_lidar), K, SIZE)


def test_no_mistake_is_named_where_none_explains_it() -> None:
    assert explain_misses(WALL * [1, 1, -1], np.eye(4), K, SIZE) == "100 % of the points lie behind it"
