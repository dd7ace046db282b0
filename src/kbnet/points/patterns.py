"""Sampling patterns for experiments: sparse points from dense depth at corners, at random, or on lidar rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.frame import Float64Array, FloatArray, ImageArray, IntArray, check_depth, check_intrinsics


@dataclass(frozen=True)
class SparsePattern:
    """Sampling pattern and noise of sparse points; equal values give equal points."""

    pattern: Literal["corners", "uniform", "rings"] = "corners"
    """corners: the strongest corners of the image, as in visual-inertial odometry. uniform: random pixels. rings: scan
    lines of a lidar at the camera."""
    points: int = 500
    """Points in a frame; fewer if depth is missing or rings leave the image."""
    rings: int = 16
    """Scan lines of the pattern rings over the height of the image, evenly spaced in angle."""
    range_noise: float = 0.0
    """Relative standard deviation of the measured depth; 0.01 is typical of odometry."""
    outlier_share: float = 0.0
    """Fraction of the points with a wrong depth."""
    seed: int = 0
    """Random seed."""

    def check(self) -> None:
        """Check the values.

        Not done on construction, because the command line would wrap the error into a page of help.

        Raises:
            KBNetError: a value is out of range.
        """
        check_finite_numbers(self)
        if self.points < 1 or self.rings < 1 or self.seed < 0:
            raise KBNetError(
                f"expected at least 1 point, 1 ring and a seed of at least 0, got {self.points}, {self.rings} and "
                f"{self.seed}"
            )
        if self.range_noise < 0 or not 0 <= self.outlier_share <= 1:
            raise KBNetError(
                f"expected range_noise of at least 0 and outlier_share in 0..1, got {self.range_noise} and "
                f"{self.outlier_share}"
            )

    def measure(self, image: ImageArray, depth: FloatArray, intrinsics: FloatArray, index: int = 0) -> FloatArray:
        """Measure one frame.

        Args:
            image: RGB, (H, W, 3), uint8.
            depth: true depth along z, (H, W), metres; 0 = unmeasured, never sampled.
            intrinsics: K, (3, 3), pixels.
            index: index of the frame in its sequence; every frame has its own random numbers.

        Returns:
            Sparse depth, (H, W), float32 metres; 0 = unmeasured.
        """
        # Imported here: the help of the command line reads the fields above, and scipy would slow it down.
        from kbnet.points.sampling import corner_strength, measure_points, spread_corners

        self.check()
        depth = check_depth(depth, "depth", image.shape[:2])
        generator = np.random.default_rng((self.seed, index))
        if self.pattern == "corners":
            rows, columns = spread_corners(corner_strength(image), depth > 0, self.points, generator)
        elif self.pattern == "uniform":
            rows, columns = generator.permutation(np.argwhere(depth > 0))[: self.points].T
        else:
            rows, columns = ring_pixels(intrinsics, depth.shape, self.rings, self.points)
            measured = depth[rows, columns] > 0
            rows, columns = rows[measured], columns[measured]
        return measure_points(
            depth, rows, columns, generator, range_noise=self.range_noise, outlier_share=self.outlier_share
        )


def ring_pixels(intrinsics: FloatArray, size: tuple[int, ...], rings: int, points: int) -> tuple[IntArray, IntArray]:
    """Pixels measured by a rotating lidar at the camera: equal azimuth steps on cones with equal spacing.

    At the middle column, the lowest and the highest ring lie half a spacing inside the lower and upper edge. A cone is
    a hyperbola in the image, so the outer rings leave the image towards its sides.

    Args:
        intrinsics: K, (3, 3), pixels.
        size: (H, W), pixels.
        points: number of points on all rings together, with those outside the image.

    Returns:
        Rows and columns of distinct pixels, (N,) each.
    """
    K = check_intrinsics(intrinsics).astype(np.float64)
    height, width = size
    steps = max(1, points // rings)
    edges_x, edges_y = np.array([-0.5, width - 0.5]), np.array([-0.5, height - 0.5])
    azimuth_rad = _middles(np.arctan((edges_x - K[0, 2]) / K[0, 0]), steps)
    elevation_rad = _middles(np.arctan((edges_y - K[1, 2]) / K[1, 1]), rings)[:, None]
    y = np.tan(elevation_rad) / np.cos(azimuth_rad)
    x = np.broadcast_to(np.tan(azimuth_rad), y.shape)
    columns = np.rint(K[0, 0] * x + K[0, 1] * y + K[0, 2]).astype(np.int64)
    rows = np.rint(K[1, 1] * y + K[1, 2]).astype(np.int64)
    seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = np.unique(np.stack([rows[seen], columns[seen]]), axis=1)
    return rows, columns


def _middles(ends: Float64Array, count: int) -> Float64Array:
    """Centres of ``count`` equal parts between two ends."""
    middles: Float64Array = ends[0] + (ends[1] - ends[0]) * (np.arange(count) + 0.5) / count
    return middles
