"""Why no point falls into an image: where the points lie as the camera sees them, and what would turn them to it."""

from __future__ import annotations

import numpy as np

from kbnet.frame import Float64Array, FloatArray
from kbnet.points.projection import project_points

FORWARD_LEFT_UP = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
"""From x forward, y left, z up, as lidars and robots have it, to a camera's x right, y down, z forward."""
WORTH_NAMING = 10
"""Points that another transform must put into the image for it to be named."""
_SIDES = (("right of it", 0, 1), ("left of it", 0, -1), ("below it", 1, 1), ("above it", 1, -1), ("behind it", 2, -1))


def explain_misses(
    points: Float64Array, T_camera_points: Float64Array, intrinsics: FloatArray, size: tuple[int, int]
) -> str:
    """Say where points lie that miss an image, and which mistake in the extrinsics would explain it.

    Args:
        points: (N, 3), metres, in their own axes.
        T_camera_points: from these to the camera, (4, 4), metres.
        intrinsics: K, (3, 3), pixels.
        size: (H, W) of the image, pixels.

    Example:
        >>> ahead = np.stack(np.meshgrid(5, [-1, 0, 1], [-1, 0, 1, 2]), -1).reshape(-1, 3)
        >>> explain_misses(ahead, np.eye(4), np.array([[9, 0, 9], [0, 9, 9], [0, 0, 1]], np.float32), (19, 19))
        "100 % of the points lie right of it; turning x forward, y left, z up to the camera's axes after them would ..."
    """
    mistakes = {
        "their inverse": np.linalg.inv(T_camera_points),
        "turning x forward, y left, z up to the camera's axes after them": FORWARD_LEFT_UP @ T_camera_points,
        "turning x forward, y left, z up to the camera's axes before them": T_camera_points @ FORWARD_LEFT_UP,
    }
    counts = {what: int(np.count_nonzero(project_points(points, intrinsics, T, size))) for what, T in mistakes.items()}
    best = max(counts, key=lambda what: counts[what])
    remedy = f"; {best} would put {counts[best]:,} into it" if counts[best] >= WORTH_NAMING else ""
    return where_they_lie(points @ T_camera_points[:3, :3].T + T_camera_points[:3, 3]) + remedy


def where_they_lie(points: Float64Array) -> str:
    """Say where points, (N, 3), lie as seen from a camera (x right, y down, z forward).

    Example:
        >>> where_they_lie(np.array([[5.0, 0, 0.5], [6, 1, 1], [0, 0, -3]]))
        '67 % of the points lie right of it, 33 % behind it'
    """
    if not len(points):
        return "there are no points"
    along = np.stack([sign * points[:, axis] for _, axis, sign in _SIDES] + [points[:, 2]], axis=1)
    share = np.bincount(along.argmax(axis=1), minlength=len(_SIDES) + 1) / len(points)
    names = [*(name for name, _, _ in _SIDES), "ahead of it"]
    order = [index for index in np.argsort(-share, kind="stable") if share[index] >= 0.1][:2]
    first, *rest = [f"{share[index]:.0%}".replace("%", " %") + f" {{}}{names[index]}" for index in order]
    return ", ".join([first.format("of the points lie "), *(text.format("") for text in rest)])
