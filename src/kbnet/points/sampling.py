"""Dense depth and its image to sparse points like those that visual-inertial odometry tracks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, sobel

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, ImageArray, check_depth, check_image

INTEGRATION_SIGMA_PX = 1.5
"""Standard deviation of the Gaussian window over which gradients are gathered to a corner's strength."""
CHOICE = 2
"""Local maxima per point asked for: the weaker half is left out, so that faint surfaces get few points."""
WEAKEST = 1e-4
"""Strength of a candidate as a share of the strongest: 1 % of its contrast; below lies the rounding to 8 bits."""

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
    """Measure depth at the strongest corners of an image, as a tracker of corners would.

    Args:
        image: RGB, (H, W, 3), uint8.
        depth: true depth along z, (H, W), metres; 0 = unmeasured, never sampled.
        points: how many pixels to measure; where fewer have depth, those.
        generator: source of every draw.
        range_noise: relative standard deviation of the measured depth; drawn log-normal, so that it stays positive.
        outlier_share: fraction of the points whose depth is drawn anew, anywhere between the nearest and the
            farthest true depth, as a wrong match gives.

    Returns:
        Sparse depth, (H, W), float32 metres; 0 = unmeasured. Nothing is rounded: a depth PNG does that when written.

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
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    generator: np.random.Generator,
    *,
    range_noise: float,
    outlier_share: float,
) -> FloatArray:
    """Measure depth at some pixels, with noise and outliers as :func:`sample_points` has them.

    Args:
        depth: true depth along z, (H, W), metres; 0 = unmeasured.
        rows, columns: measured pixels, (N,) each, none twice.
        generator: source of every draw.
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
    """Least change of a grey patch under any small shift: the smaller eigenvalue of the structure tensor.

    Shi & Tomasi, "Good Features to Track", CVPR 1994.

    Args:
        image: RGB, (H, W, 3), uint8.

    Returns:
        Strength, (H, W), float32, at least 0; 0 where the image is blank or changes along one direction only.
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
    strength: FloatArray, measured: NDArray[np.bool_], count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the strongest of those pixels that are the strongest in a window around them.

    The window is the widest that leaves ``CHOICE`` candidates a point; so the points stand apart as far as
    their number allows. Only where there are too few candidates at any width, pixels come in that are not the
    strongest around them, or are blank; equal strengths are put in random order.

    Args:
        strength: (H, W), at least 0.
        measured: pixels that may be chosen, (H, W).
        count: how many to choose.
        generator: breaks ties.

    Returns:
        Rows and columns, strongest first: ``count`` of each, or as many as there are measured pixels.

    Raises:
        KBNetError: count is not positive.
    """
    if count < 1:
        raise KBNetError(f"expected at least 1 point, got {count}")
    rivals = np.where(measured, strength, -1)
    textured = measured & (rivals > WEAKEST * rivals.max())
    # Window maxima of radius r are more than r apart, so a wider window than this cannot leave enough of them.
    radius = math.isqrt(strength.size // (CHOICE * count))
    candidates = np.flatnonzero(measured)
    while radius > 0:
        peaks = np.flatnonzero(textured & (maximum_filter(rivals, 2 * radius + 1) == rivals))
        if peaks.size >= (CHOICE * count if radius > 1 else count):
            candidates = peaks
            break
        radius -= 1
    order = np.lexsort((generator.random(candidates.size), -strength.flat[candidates]))
    rows, columns = np.unravel_index(candidates[order[:count]], strength.shape)
    return rows, columns
