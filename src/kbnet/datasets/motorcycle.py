"""A real scene that needs no download: *motorcycle* of the Middlebury 2014 stereo benchmark, as scikit-image ships it.

D. Scharstein et al., "High-resolution stereo datasets with subpixel-accurate ground truth", GCPR 2014. The calibration
is that of the documentation of ``skimage.data.stereo_motorcycle``, for its images at a quarter of the resolution.
"""

from __future__ import annotations

import numpy as np

from kbnet.frame import FloatArray, Frame
from kbnet.points.sampling import sample_points

FOCAL_LENGTH_PX = 994.978
PRINCIPAL_POINT_PX = (311.193, 254.877)
BASELINE = 0.193001
"""Metres between the two cameras."""
DISPARITY_OFFSET_PX = 31.086
"""Horizontal offset of the right camera's principal point, pixels."""


def load_motorcycle(points: int = 1500, *, range_noise: float = 0.0, seed: int = 0) -> Frame:
    """Make a frame of the left image, with true depth and with sparse points at its strongest corners.

    Args:
        range_noise: relative standard deviation of their depth; 0 by default.

    Returns:
        A frame of 741x500 pixels (width x height). Its ground truth, some 2 to 5 m, is 0 where the benchmark has none.

    Raises:
        KBNetError: a number is out of range.
        ModuleNotFoundError: scikit-image is not installed.
    """
    try:
        from skimage.data import stereo_motorcycle
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "scikit-image is needed for the motorcycle scene: pip install 'kbnet[demo]'"
        ) from None
    image, _, disparity_px = stereo_motorcycle()  # type: ignore[no-untyped-call, unused-ignore]
    ground_truth = depth_from_disparity(disparity_px)
    (x, y), f = PRINCIPAL_POINT_PX, FOCAL_LENGTH_PX
    return Frame(
        image=np.asarray(image, np.uint8),
        sparse_depth=sample_points(image, ground_truth, points, np.random.default_rng(seed), range_noise=range_noise),
        intrinsics=np.array([[f, 0, x], [0, f, y], [0, 0, 1]], np.float32),
        ground_truth=ground_truth,
        name="motorcycle",
    )


def depth_from_disparity(disparity_px: FloatArray) -> FloatArray:
    """Depth = f b / (disparity + offset) of this scene's rectified pair.

    Args:
        disparity_px: of the left image, (H, W), pixels; not finite where unknown.

    Returns:
        Depth along z, (H, W), float32 metres; 0 = unmeasured.
    """
    known = np.isfinite(disparity_px)
    depth = np.zeros(disparity_px.shape, np.float32)
    depth[known] = FOCAL_LENGTH_PX * BASELINE / (disparity_px[known] + DISPARITY_OFFSET_PX)
    return depth
