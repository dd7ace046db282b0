"""Random sparse points for every training sample: number, pattern, noise and outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.frame import BoolArray, FloatArray, ImageArray, IntArray
from kbnet.points.patterns import ring_pixels

PATTERNS = {"corners": 0.5, "uniform": 0.15, "lines": 0.1, "grid": 0.1, "clusters": 0.1, "side": 0.05}
"""Probability of each pattern: tracked corners, uniformly random pixels, scan lines, the grid of a time-of-flight
camera, corners in a few clusters, corners on one side of the image."""

LINE_SPACING_DEG = 0.42
"""Angle between neighbouring scan lines of a lidar with 64 lines over 26.9 degrees."""

Generator = np.random.Generator


@dataclass(frozen=True)
class PointDrawing:
    """Sparse points drawn from the ground truth of a training sample, in place of those of its sequence."""

    probability: float = 0.0
    """Probability of drawing points; 0 = always the points of the sequence."""
    count: tuple[int, int] = (20, 2000)
    """Range of the number of points in a crop, log-uniform."""
    range_noise: tuple[float, float] = (0.0, 0.02)
    """Range of the relative standard deviation of their depth."""
    outlier_share: tuple[float, float] = (0.0, 0.06)
    """Range of the fraction of points with a wrong depth."""
    thinning: float = 0.0
    """Probability of removing measured points: whole scan lines, or down to a number in the range of count."""

    def __post_init__(self) -> None:
        for name in ("count", "range_noise", "outlier_share"):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) != 2:
                raise KBNetError(f"expected points.{name} as two numbers, smallest and largest, got {values}")
        check_finite_numbers(self, "points.")
        for name in ("count", "range_noise", "outlier_share"):
            low, high = getattr(self, name)
            if not 0 <= low <= high or (name == "count" and low < 1) or (name == "outlier_share" and high > 1):
                raise KBNetError(f"expected an ascending range of points.{name}, got {low} to {high}")
        for name in ("probability", "thinning"):
            if not 0 <= getattr(self, name) <= 1:
                raise KBNetError(f"expected points.{name} in 0..1, got {getattr(self, name)}")

    def draw(self, image: ImageArray, depth: FloatArray, intrinsics: FloatArray, generator: Generator) -> FloatArray:
        """Draw the points of one sample.

        Args:
            image: RGB, (H, W, 3), uint8.
            depth: ground truth, (H, W), metres; 0 = unmeasured, never drawn.
            intrinsics: K, (3, 3), pixels.

        Returns:
            Sparse depth, (H, W), float32 metres; 0 = unmeasured.
        """
        # Imported here: the help of the command line reads the fields above, and scipy would slow it down.
        from kbnet.points.sampling import measure_points

        count = round(np.exp(generator.uniform(*np.log(self.count))))
        pattern = str(generator.choice(list(PATTERNS), p=list(PATTERNS.values())))
        rows, columns = _pixels(pattern, image, depth, intrinsics, count, generator)
        return measure_points(
            depth,
            rows,
            columns,
            generator,
            range_noise=generator.uniform(*self.range_noise),
            outlier_share=generator.uniform(*self.outlier_share),
        )

    def thinned(self, sparse_depth: FloatArray, intrinsics: FloatArray, generator: Generator) -> FloatArray:
        """Remove measured points, to imitate a sensor with fewer points.

        This happens with the probability ``thinning``. Three ways are equally likely: keep every second scan line of a
        64-line lidar, keep every fourth, or keep a random number of points in the range of ``count``.

        Args:
            sparse_depth: (H, W), metres; 0 = unmeasured.
            intrinsics: K, (3, 3), pixels.

        Returns:
            Sparse depth with fewer points, (H, W), float32 metres; 0 = unmeasured.
        """
        if generator.random() >= self.thinning:
            return sparse_depth
        step = int(generator.choice([2, 4, 0]))
        if step:
            return every_nth_line(sparse_depth, intrinsics, step, phase=generator.uniform(0, step))
        measured = np.flatnonzero(sparse_depth)
        count = round(np.exp(generator.uniform(*np.log(self.count))))
        fewer = np.zeros_like(sparse_depth)
        kept = generator.permutation(measured)[:count]
        fewer.flat[kept] = sparse_depth.flat[kept]
        return fewer


def every_nth_line(sparse_depth: FloatArray, intrinsics: FloatArray, step: int, *, phase: float = 0.0) -> FloatArray:
    """Keep every ``step``-th scan line of a lidar with 64 lines.

    The line of a point follows from the elevation of its viewing ray, because the lidar is near the camera.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        intrinsics: K, (3, 3), pixels.
        step: at least 1; 4 leaves about 16 lines of 64.
        phase: offset of the first kept line, in line spacings.

    Returns:
        Sparse depth, (H, W), float32 metres; 0 = unmeasured.
    """
    rows, columns = np.nonzero(sparse_depth)
    x = (columns - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (rows - intrinsics[1, 2]) / intrinsics[1, 1]
    lines = np.degrees(np.arctan2(y, np.hypot(x, 1))) / LINE_SPACING_DEG + phase
    kept = np.floor(lines) % step == 0
    thinned = np.zeros_like(sparse_depth)
    thinned[rows[kept], columns[kept]] = sparse_depth[rows[kept], columns[kept]]
    return thinned


def _pixels(
    pattern: str,
    image: ImageArray,
    depth: FloatArray,
    intrinsics: FloatArray,
    count: int,
    generator: Generator,
) -> tuple[IntArray, IntArray]:
    """Rows and columns of measured pixels, without repetition."""
    from kbnet.points.sampling import corner_strength, spread_corners

    if pattern == "uniform":
        pixels = generator.permutation(np.argwhere(depth > 0))[:count]
        return pixels[:, 0], pixels[:, 1]
    if pattern == "lines":
        rows, columns = ring_pixels(intrinsics, depth.shape, int(generator.integers(4, 33)), count)
    elif pattern == "grid":
        rows, columns = _grid(depth.shape, count, generator)
    else:
        rows, columns = spread_corners(corner_strength(image), depth > 0, count, generator)
        kept = np.ones(rows.size, bool)
        if pattern == "clusters":
            kept = _in_clusters(rows, columns, depth.shape, generator)
        elif pattern == "side":
            kept = _on_one_side(rows, columns, depth.shape, generator)
        if kept.sum() >= 3:
            rows, columns = rows[kept], columns[kept]
    measured = depth[rows, columns] > 0
    return rows[measured], columns[measured]


def _grid(size: tuple[int, ...], count: int, generator: Generator) -> tuple[IntArray, IntArray]:
    """Regular grid of about ``count`` pixels with a random offset."""
    step = max(1, round(np.sqrt(size[0] * size[1] / count)))
    y, x = (np.arange(generator.integers(step), length, step) for length in size)
    rows, columns = np.meshgrid(y, x, indexing="ij")
    return rows.ravel(), columns.ravel()


def _in_clusters(rows: IntArray, columns: IntArray, size: tuple[int, ...], generator: Generator) -> BoolArray:
    """Mask of the points within one to four random discs, (N,)."""
    inside = np.zeros(rows.size, bool)
    for _ in range(int(generator.integers(1, 5))):
        y, x = generator.uniform((0, 0), size)
        radius = generator.uniform(0.1, 0.4) * max(size)
        inside |= np.hypot(rows - y, columns - x) < radius
    return inside


def _on_one_side(rows: IntArray, columns: IntArray, size: tuple[int, ...], generator: Generator) -> BoolArray:
    """Mask of the points on one side of a random line through the middle part of the image, (N,)."""
    angle_rad = generator.uniform(0, 2 * np.pi)
    y, x = (length * generator.uniform(0.3, 0.7) for length in size)
    side: BoolArray = (rows - y) * np.sin(angle_rad) + (columns - x) * np.cos(angle_rad) > 0
    return side
