"""Priors for training: ground truth with the mistakes of a monocular network or of the past of a video."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from kbnet.frame import Float64Array, FloatArray, Prior
from kbnet.points.hold_out import random_patches
from kbnet.points.interpolation import nearest

DRIFT = 0.3
"""Largest factor of the noise that is smooth drift of ln depth."""

POWER = (0.7, 1.3)
"""Range of the exponent that bends depth."""

LARGEST_BLUR_PX = 5.0
"""Largest standard deviation of the blur."""

NOISE = 0.05
"""Largest factor of the fine noise of ln depth."""

WRONG_SHARE = 0.15
"""Share of the frame whose depth is wrong, in one prior of three."""

USELESS_PROBABILITY = 0.1
"""Probability of a prior that is noise only."""


def simulated_prior(ground_truth: FloatArray, generator: np.random.Generator) -> Prior:
    """Distort ground truth: bent, blurred, with smooth drift, fine noise, wrong patches; or noise only.

    Args:
        ground_truth: (H, W), metres; 0 = unmeasured. Unmeasured pixels are unknown in the prior.

    Returns:
        Prior of the kind ``metric``.
    """
    measured = ground_truth > 0
    size = (ground_truth.shape[0], ground_truth.shape[1])
    if not measured.any():
        return Prior(np.full(size, np.nan, np.float32), "metric")
    log_depth = np.log(nearest(ground_truth))
    level = float(np.median(log_depth[measured]))
    if generator.random() < USELESS_PROBABILITY:
        log_depth = level + _smooth_noise(size, generator.uniform(0.03, 0.3), generator) * 0.5
    else:
        log_depth = level + (log_depth - level) * generator.uniform(*POWER)
        if generator.random() < 0.5:
            log_depth = gaussian_filter(log_depth, generator.uniform(0, LARGEST_BLUR_PX))
        log_depth = log_depth + generator.uniform(0, DRIFT) * _smooth_noise(
            size, generator.uniform(0.1, 0.4), generator
        )
        log_depth = log_depth + generator.uniform(0, NOISE) * _smooth_noise(size, generator.uniform(0, 0.02), generator)
        if generator.random() < 1 / 3:
            wrong = random_patches(size, WRONG_SHARE, max(1, min(size) // 4), generator)
            log_depth = np.where(wrong, level + generator.uniform(-0.5, 0.5), log_depth)
    return Prior(np.where(measured, np.exp(log_depth), np.nan).astype(np.float32), "metric")


def _smooth_noise(size: tuple[int, int], scale: float, generator: np.random.Generator) -> Float64Array:
    """Noise of standard deviation 0.6 to 0.8, smooth over ``scale`` times the longer side."""
    spacing = max(1.0, scale * max(size))
    coarse = generator.standard_normal([int(length / spacing) + 4 for length in size])
    rows, columns = ((length / (count - 3)) for length, count in zip(size, coarse.shape, strict=True))
    dense: Float64Array = zoom(coarse, (rows + 1, columns + 1), order=1)[: size[0], : size[1]]
    return dense
