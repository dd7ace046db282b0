"""Sampling of sparse points from dense depth, at corners as in visual-inertial odometry."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, sobel

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, FloatArray, ImageArray, IntArray, check_depth, check_image

INTEGRATION_SIGMA_PX = 1.5
"""Standard deviation of the Gaussian window of the structure tensor."""
CANDIDATES_PER_POINT = 2
"""Local maxima per requested point. The weaker half is discarded, so surfaces with low contrast get few points."""
LEAST_STRENGTH_SHARE = 1e-4
"""Least strength of a candidate, as a share of the largest: 1 % of its contrast, about the rounding to 8 bits."""

_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def sample_points(
    image: ImageArray,
    depth: FloatArray,
    points: int,
    generator: np.random.Generator,
    *,
    range_noise: float = 0.01,
    outlier_share: float = 0.0,
) -> FloatArray:
    """Sample depth at the strongest corners of an image, as a corner tracker measures it.

    Args:
        image: RGB, (H, W, 3), uint8.
        depth: true depth along z, (H, W), metres; 0 = unmeasured, never sampled.
        points: number of pixels to sample; fewer if fewer have depth.
        range_noise: relative standard deviation of the measured depth, log-normal, so that depth stays positive.
        outlier_share: fraction of outliers. Their depth is uniform between the nearest and the farthest true depth,
            as after a wrong match.

    Returns:
        Sparse depth, (H, W), float32 metres; 0 = unmeasured. Values are not rounded to those of a depth PNG.

    Raises:
        KBNetError: image and depth do not fit, or a number is out of range.
    """
    check_image(image)
    depth = check_depth(depth, "depth", image.shape[:2])
    if range_noise < 0 or not 0 <= outlier_share <= 1:
        raise KBNetError(
            f"expected range_noise of at least 0 and outlier_share in 0..1, got {range_noise} and {outlier_share}"
        )
    rows, columns = spread_corners(corner_strength(image), depth > 0, points, generator)
    return measure_points(depth, rows, columns, generator, range_noise=range_noise, outlier_share=outlier_share)


def measure_points(
    depth: FloatArray,
    rows: IntArray,
    columns: IntArray,
    generator: np.random.Generator,
    *,
    range_noise: float,
    outlier_share: float,
) -> FloatArray:
    """Sample depth at given pixels, with the noise and outliers of :func:`sample_points`.

    Args:
        depth: true depth along z, (H, W), metres; 0 = unmeasured.
        rows, columns: measured pixels, (N,) each, without repetition.
        range_noise: relative standard deviation.
        outlier_share: fraction of the points.

    Returns:
        Sparse depth, (H, W), float32 metres; 0 = unmeasured.
    """
    found = depth[rows, columns] * np.exp(range_noise * generator.standard_normal(rows.size))
    outliers = generator.permutation(rows.size)[: round(outlier_share * rows.size)]
    if outliers.size:
        found[outliers] = generator.uniform(depth[depth > 0].min(), depth.max(), outliers.size)
    sparse_depth = np.zeros_like(depth)
    sparse_depth[rows, columns] = found
    return sparse_depth


def corner_strength(image: ImageArray) -> FloatArray:
    """Corner strength: the smaller eigenvalue of the structure tensor of the grey image.

    Shi & Tomasi, "Good Features to Track", CVPR 1994.

    Args:
        image: RGB, (H, W, 3), uint8.

    Returns:
        Strength, (H, W), float32, at least 0; 0 where the image is constant along a direction.
    """
    grey = image.astype(np.float32) @ _GREY_WEIGHTS
    along_x, along_y = sobel(grey, axis=1), sobel(grey, axis=0)
    xx, yy, xy = (
        gaussian_filter(product, INTEGRATION_SIGMA_PX)
        for product in (along_x * along_x, along_y * along_y, along_x * along_y)
    )
    strength: FloatArray = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    return np.maximum(strength, 0)


def spread_corners(
    strength: FloatArray, measured: BoolArray, count: int, generator: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Choose the strongest local maxima of corner strength.

    The window of the maxima is the widest that leaves ``CANDIDATES_PER_POINT`` candidates per point, so the points
    are as far apart as their number allows. If there are too few candidates at any width, other pixels are added,
    also blank ones. Equal strengths are put in random order.

    Args:
        strength: (H, W), at least 0.
        measured: pixels that may be chosen, (H, W).
        count: number of pixels to choose.
        generator: source of the random order of equal strengths.

    Returns:
        Rows and columns, strongest first: ``count`` of each, or as many as there are measured pixels.

    Raises:
        KBNetError: count is not positive.
    """
    if count < 1:
        raise KBNetError(f"expected at least 1 point, got {count}")
    rivals = np.where(measured, strength, -1)
    textured = measured & (rivals > LEAST_STRENGTH_SHARE * rivals.max())
    # Maxima of windows of radius r are more than r apart, so a wider window leaves too few of them.
    radius = math.isqrt(strength.size // (CANDIDATES_PER_POINT * count))
    candidates = np.flatnonzero(measured)
    while radius > 0:
        peaks = np.flatnonzero(textured & (maximum_filter(rivals, 2 * radius + 1) == rivals))
        if peaks.size >= (CANDIDATES_PER_POINT * count if radius > 1 else count):
            candidates = peaks
            break
        radius -= 1
    order = np.lexsort((generator.random(candidates.size), -strength.flat[candidates]))
    rows, columns = np.unravel_index(candidates[order[:count]], strength.shape)
    return rows, columns
