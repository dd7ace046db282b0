"""The fused surface of a slanted plane is that plane, to a fraction of a pixel, from wherever it was seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kbnet.frame import FloatArray
from kbnet.report.fusion.surface import Surface
from kbnet.report.fusion.view import DepthView

pytest.importorskip("open3d")

K = np.array([[80, 0, 47.5], [0, 90, 35.5], [0, 0, 1]], np.float32)
SIZE = (72, 96)
NORMAL = np.array([0.5, 0.3, 1.0]) / np.linalg.norm([0.5, 0.3, 1.0])
DISTANCE, VOXEL = 1.5, 0.02


def _depth(T_world_camera: NDArray[np.float64]) -> FloatArray:
    """Of the plane NORMAL · x = DISTANCE, by the closed form."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(SIZE)], axis=-1)
    along = rays @ T_world_camera[:3, :3].T @ NORMAL
    return ((DISTANCE - T_world_camera[:3, 3] @ NORMAL) / along).astype(np.float32)


def _view(T_world_camera: NDArray[np.float64]) -> DepthView:
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:] = (200, 100, 50)
    return DepthView(image, _depth(T_world_camera), K, T_world_camera)


def _pose(turned: tuple[float, float, float], at: tuple[float, float, float]) -> NDArray[np.float64]:
    T_world_camera = np.eye(4)
    T_world_camera[:3, :3], T_world_camera[:3, 3] = Rotation.from_rotvec(turned).as_matrix(), at
    return T_world_camera


def test_surface_lies_on_the_plane_that_was_seen() -> None:
    surface = Surface(VOXEL)
    surface.add(_view(np.eye(4)))
    corners, colours, triangles = surface.mesh()
    off = corners @ NORMAL - DISTANCE
    assert len(triangles) > 5000
    assert abs(off.mean()) < 0.001, "half a pixel would be 7 mm"
    assert np.abs(off).max() < VOXEL
    assert triangles.max() < len(corners)
    assert np.abs(colours - np.array([200.0, 100, 50])).max() <= 1


def test_surface_puts_views_where_their_poses_say() -> None:
    poses = [np.eye(4), _pose((0.1, -0.2, 0.05), (0.2, 0.0, -0.1)), _pose((-0.1, 0.1, 0.3), (-0.1, 0.1, 0.1))]
    surface = Surface(VOXEL)
    for pose in poses:
        surface.add(_view(pose))
    one, three = (surface.mesh(seen)[0] for seen in (1, 3))
    off = one @ NORMAL - DISTANCE
    assert abs(off.mean()) < 0.002
    assert np.percentile(np.abs(off), 99) < VOXEL
    assert 0 < len(three) < len(one)
    assert len(surface.mesh(seen=4)[0]) == 0


def test_surface_of_nothing_is_empty() -> None:
    surface = Surface(VOXEL)
    surface.add(DepthView(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.float32), K, np.eye(4)))
    corners, colours, triangles = surface.mesh()
    assert corners.shape == colours.shape == triangles.shape == (0, 3)
