"""Depth images of one camera in the image of another: points along rays, projection, and the frame of them."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import Float64Array, FloatArray, Frame, ImageArray
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.points.projection import drop_hidden_points, project_points
from kbnet.points.sampling import sample_points
from kbnet.sources.rectification import Camera


class DepthCamera:
    """A calibrated depth camera; the ray of each pixel is calculated once.

    Args:
        largest_radius: of x / z, y / z; farther from the axis nothing is measured. Infinity = no limit.
    """

    def __init__(self, camera: Camera, largest_radius: float = math.inf) -> None:
        self.camera, self._largest_radius = camera, largest_radius

    @cached_property
    def _rays(self) -> Float64Array:
        """x / z and y / z of each pixel, (H, W, 2); NaN where the lens shows none."""
        rows, columns = np.indices(self.camera.size).astype(np.float64)
        rays = self.camera.to_rays(np.stack([columns, rows], axis=-1))
        return np.where(np.hypot(rays[..., :1], rays[..., 1:]) <= self._largest_radius, rays, np.nan)

    def points(self, depth: FloatArray) -> Float64Array:
        """Points of a depth image.

        Args:
            depth: along z, of the camera's size, (H, W), metres; 0 = unmeasured.

        Returns:
            Points in the camera, (N, 3), metres; NaN where the lens shows no ray.
        """
        measured = depth > 0
        rays, z = self._rays[measured], depth[measured].astype(np.float64)
        return np.concatenate([rays, np.ones((len(z), 1))], axis=1) * z[:, None]


def points_in_image(
    points: Float64Array, T_camera_points: NDArray[np.floating], target: Camera, *, keep_hidden: bool = False
) -> FloatArray:
    """Depth of points in the image of a pinhole camera; on one pixel the nearest stays, and hidden ones are dropped.

    Args:
        points: (N, 3), metres; those that are not finite are dropped.
        T_camera_points: (4, 4), metres: a point x is ``T_camera_points @ x`` in the camera.
        keep_hidden: keep far points that are seen through a near surface.

    Returns:
        Sparse depth, (H, W), float32 metres; 0 = unmeasured, also beyond `MAXIMUM_DEPTH`.
    """
    depth = project_points(points, target.K, T_camera_points, target.size)
    depth[depth > MAXIMUM_DEPTH] = 0
    return depth if keep_hidden else drop_hidden_points(depth)


def frame_of_dense_depth(
    image: ImageArray, depth: FloatArray, intrinsics: FloatArray, points: int, index: int, name: str
) -> Frame:
    """A frame with depth as ground truth, and sparse depth at corners of the image.

    Args:
        image: RGB, (H, W, 3), uint8.
        depth: along z, (H, W), metres; 0 = unmeasured.
        intrinsics: K, (3, 3), pixels.
        index: of the frame; the same one gives the same points.
    """
    sparse = sample_points(image, depth, points, np.random.default_rng(index), range_noise=0)
    return Frame(image, sparse, intrinsics, depth, name)
