"""Rendering of point clouds without a display: every point is a small square, the nearest in front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kbnet.frame import ImageArray

BACKGROUND = (255, 255, 255)
FINER = 2
"""Supersampling factor: each pixel is the mean of this many by this many."""
LARGEST_PX = 6
"""Largest edge of a square, supersampled pixels, so that near points do not hide the scene."""
NEAREST = 1e-3
"""Least distance of drawn points from the camera, metres."""


def splat(
    points: NDArray[np.floating],
    colours: ImageArray,
    spacing: NDArray[np.floating] | float,
    K: NDArray[np.floating],
    T_camera_world: NDArray[np.floating],
    size: tuple[int, int],
) -> ImageArray:
    """Render a cloud from a camera.

    Args:
        points: (N, 3), metres.
        colours: RGB, (N, 3), uint8.
        spacing: distance between neighbouring points, metres, the edge of their squares; (N,) or one for all.
        K: pinhole matrix of the picture, (3, 3), pixels, without skew.
        T_camera_world: (4, 4), from the axes of the points to the camera's.
        size: (H, W) of the picture, pixels.

    Returns:
        RGB, (H, W, 3), uint8; white without a point.
    """
    height, width = FINER * size[0], FINER * size[1]
    seen = points @ T_camera_world[:3, :3].T.astype(np.float32) + T_camera_world[:3, 3].astype(np.float32)
    z = np.maximum(seen[:, 2], NEAREST).astype(np.float32)
    # Pixel centres are on whole numbers, so the picture begins at -0.5.
    column = FINER * (K[0, 0] * seen[:, 0] / z + K[0, 2] + 0.5)
    row = FINER * (K[1, 1] * seen[:, 1] / z + K[1, 2] + 0.5)
    edge = np.clip(np.ceil(FINER * K[0, 0] * spacing / z), 1, LARGEST_PX)
    margin = LARGEST_PX
    drawn = (seen[:, 2] > NEAREST) & (np.abs(column - width / 2) < width / 2 + margin)
    chosen = np.flatnonzero(drawn & (np.abs(row - height / 2) < height / 2 + margin))
    left, top = (np.rint((x - edge / 2)[chosen]).astype(np.int64) for x in (column, row))
    edge = edge[chosen]
    # Key: depth in the upper half, index in the lower, so the smallest key is the nearest point.
    keys = (z[chosen].view(np.uint32).astype(np.uint64) << np.uint64(32)) | chosen.astype(np.uint64)
    nearest = np.full(height * width, np.iinfo(np.uint64).max, np.uint64)
    for down in range(int(edge.max(initial=0))):
        for right in range(int(edge.max())):
            x, y = left + right, top + down
            inside = (edge > down) & (edge > right) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            np.minimum.at(nearest, (y * width + x)[inside], keys[inside])
    picture = np.full((height * width, 3), BACKGROUND, np.uint8)
    covered = np.flatnonzero(nearest != np.iinfo(np.uint64).max)
    picture[covered] = colours[(nearest[covered] & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    fine = Image.fromarray(picture.reshape(height, width, 3))
    return np.asarray(fine.resize((size[1], size[0]), Image.Resampling.BOX))
