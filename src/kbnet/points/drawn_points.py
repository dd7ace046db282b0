"""Sparse points drawn anew for every training sample, in number, pattern and quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, ImageArray
from kbnet.points.patterns import ring_pixels

PATTERNS = {"corners": 0.5, "uniform": 0.15, "lines": 0.1, "grid": 0.1, "clusters": 0.1, "side": 0.05}
"""How often each pattern is drawn: tracked corners, pixels anywhere, scan lines, the grid of a time-of-flight camera,
corners in a few clusters only, corners on one side of the image only."""

IntArray = NDArray[np.int64]
Generator = np.random.Generator


@dataclass(frozen=True)
class PointDrawing:
    """Sparse points drawn from the ground truth of a training sample, in place of those of its sequence."""

    probability: float = 0.0
    """Probability of drawing them; 0 = the points of the sequence."""
    count: tuple[int, int] = (20, 2000)
    """Range of their number in a crop, log-uniform."""
    range_noise: tuple[float, float] = (0.0, 0.02)
    """Range of the relative standard deviation of their depth."""
    outlier_share: tuple[float, float] = (0.0, 0.06)
    """Range of the fraction of points with a wrong depth."""

    def __post_init__(self) -> None:
        for name in ("count", "range_noise", "outlier_share"):
            low, high = getattr(self, name)
            object.__setattr__(self, name, (low, high))
            if not 0 <= low <= high or (name == "count" and low < 1) or (name == "outlier_share" and high > 1):
                raise ValueError(f"expected an ascending range of points.{name}, got {low} to {high}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"expected points.probability in 0..1, got {self.probability}")

    def draw(self, image: ImageArray, depth: FloatArray, intrinsics: FloatArray, generator: Generator) -> FloatArray:
        """Draw the points of one sample.

        Args:
            image: RGB, (H, W, 3), uint8.
            depth: ground truth, (H, W), metres; 0 = unmeasured, never drawn.
            intrinsics: K, (3, 3), pixels.
            generator: source of every draw.

        Returns:
            Sparse depth, (H, W), float32 metres; 0 = unmeasured.
        """
        # Here, since the command line reads the fields above for its help, and scipy would make that slow.
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


def _pixels(
    pattern: str,
    image: ImageArray,
    depth: FloatArray,
    intrinsics: FloatArray,
    count: int,
    generator: Generator,
) -> tuple[IntArray, IntArray]:
    """Rows and columns of measured pixels, none twice."""
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
    """A regular grid of about ``count`` pixels that begins anywhere."""
    step = max(1, round(np.sqrt(size[0] * size[1] / count)))
    y, x = (np.arange(generator.integers(step), length, step) for length in size)
    rows, columns = np.meshgrid(y, x, indexing="ij")
    return rows.ravel(), columns.ravel()


def _in_clusters(rows: IntArray, columns: IntArray, size: tuple[int, ...], generator: Generator) -> NDArray[np.bool_]:
    """Which points lie within one to four random discs."""
    inside = np.zeros(rows.size, bool)
    for _ in range(int(generator.integers(1, 5))):
        y, x = generator.uniform((0, 0), size)
        radius = generator.uniform(0.1, 0.4) * max(size)
        inside |= np.hypot(rows - y, columns - x) < radius
    return inside


def _on_one_side(rows: IntArray, columns: IntArray, size: tuple[int, ...], generator: Generator) -> NDArray[np.bool_]:
    """Which points lie on one side of a random line through the middle part of the image."""
    angle_rad = generator.uniform(0, 2 * np.pi)
    y, x = (length * generator.uniform(0.3, 0.7) for length in size)
    side: NDArray[np.bool_] = (rows - y) * np.sin(angle_rad) + (columns - x) * np.cos(angle_rad) > 0
    return side
