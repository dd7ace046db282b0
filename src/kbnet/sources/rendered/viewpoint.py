"""Where a camera stands in a room, and which of its views are worth a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kbnet.frame import Float64Array, FloatArray
from kbnet.sources.rendered.picture import View, cast_view, depth_map
from kbnet.sources.rendered.ray_scene import RayScene
from kbnet.sources.rendered.room import Room

FIELD_OF_VIEW = (45.0, 85.0)
"""Horizontal, degrees."""
LEAST_DEPTH, MEDIAN_DEPTH = 0.25, (0.4, 9.0)
"""Views nearer than this, or with another median, are drawn again, metres."""
LEAST_MEASURED = 0.7
"""Share of the pixels that must have depth."""
LEAST_RELIEF = 0.15
"""Standard deviation of ln(depth) that a view must have; one in ten may be flatter."""
LOOKED_AT = (24, 32)
"""Height and width of the image on which a view is judged, pixels."""
TRIES = 200


def draw_intrinsics(size: tuple[int, int], generator: np.random.Generator) -> FloatArray:
    """K of a camera, (3, 3), pixels; ``size`` is (H, W)."""
    height, width = size
    f_px = width / 2 / np.tan(np.radians(generator.uniform(*FIELD_OF_VIEW)) / 2)
    cx, cy = (width - 1) / 2 + generator.normal(0, 0.01) * width, (height - 1) / 2 + generator.normal(0, 0.01) * height
    return np.array([[f_px, 0, cx], [0, f_px, cy], [0, 0, 1]], np.float32)


def draw_views(
    room: Room, scene: RayScene, K: FloatArray, size: tuple[int, int], count: int, generator: np.random.Generator
) -> Iterator[View]:
    """Single views of a room; fewer than ``count`` where it has too few good ones."""
    found = 0
    for _ in range(TRIES * count):
        view = View(K, size, _draw_pose(room, generator))
        if found < count and is_worthwhile(room, scene, view, generator):
            found += 1
            yield view
        if found == count:
            return


def draw_path(
    room: Room, scene: RayScene, K: FloatArray, size: tuple[int, int], count: int, generator: np.random.Generator
) -> list[View]:
    """Views along a smooth path, 1 to 6 cm apart; empty where no path was found."""
    for _ in range(TRIES):
        start = _draw_pose(room, generator)
        heading = generator.normal(0, 1, 3) * (1, 0.4, 1)
        heading *= generator.uniform(0.01, 0.06) / np.linalg.norm(heading)
        turn = generator.normal(0, 0.008, 3)
        bend = generator.normal(0, 0.1)
        views = []
        for index in range(count):
            pose = start.copy()
            shift = heading * index + np.cross(heading, [0, 1, 0]) * bend * index**2 / max(count, 1)
            wobble = 0.004 * np.sin(index * np.array([1.3, 1.7, 1.1]) + turn * 100)
            pose[:3, 3] += shift + wobble * 0.5
            pose[:3, :3] = pose[:3, :3] @ _small_rotation(turn * index + wobble)
            views.append(View(K, size, pose))
        if all(is_worthwhile(room, scene, view, generator) for view in views):
            return views
    return []


def is_worthwhile(room: Room, scene: RayScene, view: View, generator: np.random.Generator) -> bool:
    """Whether a view is from free space, not too near, and not nearly flat."""
    x, y, z = view.origin
    width, height, depth = room.size
    if not (0.15 < x < width - 0.15 and 0.1 < y < height - 0.1 and 0.15 < z < depth - 0.15):
        return False
    for low, high in room.solid:
        if low[0] < x < high[0] and low[1] < y < high[1] and low[2] < z < high[2]:
            return False
    scale = np.array([[LOOKED_AT[1] / view.size[1]], [LOOKED_AT[0] / view.size[0]], [1]], np.float32)
    K = view.K * scale
    K[:2, 2] += (scale[:2, 0] - 1) / 2
    small = View(K, LOOKED_AT, view.T_room_camera)
    hits, _ = cast_view(scene, small)
    seen = depth_map(hits, LOOKED_AT)
    inside = seen[seen > 0]
    if inside.size < LEAST_MEASURED * seen.size or inside.min() < LEAST_DEPTH + 0.02:
        return False
    least = 0.0 if generator.random() < 0.1 else LEAST_RELIEF
    return bool(MEDIAN_DEPTH[0] < np.median(inside) < MEDIAN_DEPTH[1] and np.log(inside).std() > least)


def _draw_pose(room: Room, generator: np.random.Generator) -> Float64Array:
    """Camera in the room that looks at something, ``T_room_camera``, (4, 4), metres."""
    width, height, depth = room.size
    near = room.focus and generator.random() < 0.72
    if near:
        target = np.array(room.focus[generator.integers(len(room.focus))]) + generator.normal(0, 0.12, 3)
        distance = np.exp(generator.uniform(np.log(0.4), np.log(4.0)))
        azimuth, elevation = generator.uniform(0, 2 * np.pi), np.radians(generator.normal(22, 18))
        out = [np.cos(elevation) * np.cos(azimuth), np.sin(elevation), np.cos(elevation) * np.sin(azimuth)]
        centre = target + distance * np.array(out)
    else:
        centre = np.array([width, 0, depth]) * generator.uniform(0.08, 0.92, 3)
        centre[1] = np.clip(generator.normal(1.35, 0.35), 0.3, height - 0.2)
        target = np.array([width, 0, depth]) * generator.uniform(0, 1, 3)
        target[1] = generator.uniform(0.1, 1.5)
    return looking_at(centre, target, float(np.radians(generator.normal(0, 5))), generator.normal(0, 0.08, 2))


def looking_at(centre: Float64Array, target: Float64Array, roll_rad: float, aside: Float64Array) -> Float64Array:
    """``T_room_camera``, (4, 4), of a camera at ``centre`` that looks near ``target``, (3,) each, metres.

    Args:
        roll_rad: turn about the axis of view.
        aside: tangents of the angles by which it looks past the target, (2,).
    """
    forward = target - centre
    forward /= max(float(np.linalg.norm(forward)), 1e-9)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    if np.linalg.norm(right) < 1e-3:
        right = np.array([1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, down, forward], axis=1)
    pose[:3, 3] = centre
    pose[:3, :3] = pose[:3, :3] @ _small_rotation(np.array([aside[1], aside[0], roll_rad]))
    return pose


def _small_rotation(turns_rad: Float64Array) -> Float64Array:
    """Rotation matrix of a rotation vector, (3, 3) (Rodrigues)."""
    angle = float(np.linalg.norm(turns_rad))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = turns_rad / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
