"""Frames at another size: the image resampled, points moved as points, K taken along."""

from __future__ import annotations

import math
import warnings

import numpy as np
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.points.sparse_points import map_to_points, points_to_map
from kbnet.sources.rectification import Camera

ROUNDING_PX = 0.75
"""By which the size of a resized image may differ from that of the scale."""
LEAST_SCALE = 1.2
"""Sizes nearer to each other are those of a crop, not of a resized image."""
ALIGNED_PX = 1.0
"""Farther apart, pixels of two cameras at one place do not lie on each other."""
GIVE_K = "give K of these images (--intrinsics), or the images that were calibrated"
"""What to do where a recording takes K from elsewhere."""


def resize_frame(frame: Frame, size: tuple[int, int]) -> Frame:
    """Resample a frame to another size.

    The image's edges stay its edges, so with s = new width / old width a pixel x goes to s (x + 1/2) - 1/2, and the
    first row of K goes along: ``fx' = s fx, cx' = s (cx + 1/2) - 1/2``; likewise in y. Measured depth, true depth too,
    moves as points: none is mixed with another, on one pixel the nearest stays, and enlarging makes no new ones.

    Args:
        size: (H, W), pixels.

    Example:
        >>> K = np.array([[100, 0, 31.5], [0, 100, 31.5], [0, 0, 1]], np.float32)
        >>> frame = Frame(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32), K)
        >>> resize_frame(frame, (32, 32)).intrinsics[0].tolist()
        [50.0, 0.0, 15.5]
    """
    if size == frame.size:
        return frame
    scale_y, scale_x = (new / old for new, old in zip(size, frame.size, strict=True))
    scale = np.array([scale_x, scale_y])
    to_new = np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2], [0, 0, 1]])

    def moved(depth: FloatArray) -> FloatArray:
        pixels, values = map_to_points(depth)
        return points_to_map((pixels + 0.5) * scale - 0.5, values, size)

    return Frame(
        image=np.asarray(Image.fromarray(frame.image).resize(size[::-1], Image.Resampling.BILINEAR)),
        sparse_depth=moved(frame.sparse_depth),
        intrinsics=(to_new @ frame.intrinsics).astype(np.float32),
        ground_truth=None if frame.ground_truth is None else moved(frame.ground_truth),
        name=frame.name,
    )


def limit_longer_side(frame: Frame, longest: int) -> Frame:
    """Shrink a frame, if need be, so that its longer side is ``longest`` pixels; its shape stays but for rounding."""
    scale = min(1.0, longest / max(frame.size))
    return resize_frame(frame, (round(scale * frame.size[0]), round(scale * frame.size[1])))


def fit_camera(
    camera: Camera, size: tuple[int, int], of: str, *, remedy: str = "use the images that were calibrated"
) -> Camera:
    """The camera of images of another size; the same one if they have that of the calibration.

    Resizing leaves the edges of an image its edges: a pixel x goes to s (x + 1/2) - 1/2, s = new / calibrated width.

    Args:
        camera: as calibrated.
        size: (H, W) of the images, pixels.
        of: what was calibrated where, for messages.
        remedy: what to do if they were cropped, for messages.

    Raises:
        KBNetError: the sizes differ in another way than by one scale, so images may have been cropped.

    Example:
        >>> K = np.array([[100, 0, 31.5], [0, 100, 23.5], [0, 0, 1]], np.float32)
        >>> fit_camera(Camera(K, (48, 64)), (24, 32), "K").K[0].tolist()
        [50.0, 0.0, 15.5]
    """
    if size == camera.size:
        return camera
    (height, width), (old_height, old_width) = size, camera.size
    said = f"{of} is for {old_width}x{old_height} pixels (width x height), but images have {width}x{height}"
    scale = width / old_width
    if abs(scale * old_height - height) > ROUNDING_PX or abs(math.log(scale)) < math.log(LEAST_SCALE):
        raise KBNetError(f"{said}, which is no plain resizing: they may have been cropped; {remedy}")
    warnings.warn(f"{said}: K is scaled by {scale:.4g}", stacklevel=3)
    K = camera.K.astype(np.float64)
    K[0] *= scale
    K[1] *= height / old_height
    K[0, 2] += (scale - 1) / 2
    K[1, 2] += (height / old_height - 1) / 2
    return Camera(K.astype(np.float32), size, camera.model, camera.coefficients)


def image_at_focus(image: ImageArray, K: FloatArray, target: FloatArray) -> ImageArray:
    """An image of K as a camera with another K at the same place has it, bilinear; black where it shows nothing."""
    if np.allclose(K, target, rtol=1e-6):
        return image
    to_source = K.astype(np.float64) @ np.linalg.inv(target.astype(np.float64))
    # Pillow counts from the corner of a pixel, and gives back the source of each.
    offset = to_source[:2, 2] + 0.5 - to_source[:2, :2] @ [0.5, 0.5]
    coefficients = (*to_source[0, :2], offset[0], *to_source[1, :2], offset[1])
    size = image.shape[1], image.shape[0]
    return np.asarray(
        Image.fromarray(image).transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    )


def points_at_focus(sparse: FloatArray, K: FloatArray, target: FloatArray) -> FloatArray:
    """Points in the image of K, (H, W), as a camera with another K at the same place has them."""
    if np.allclose(K, target, rtol=1e-6):
        return sparse
    pixels, depth = map_to_points(sparse)
    from_source = target.astype(np.float64) @ np.linalg.inv(K.astype(np.float64))
    moved = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ from_source.T
    return points_to_map(moved[:, :2], depth, (sparse.shape[0], sparse.shape[1]))


def shows_the_same(camera: Camera, other: Camera) -> bool:
    """Whether two cameras at one place show the same at every pixel, but for their resolution: within one pixel."""
    (height, width), scale = other.size, np.array(camera.size[::-1]) / other.size[::-1]
    if abs(np.diff(scale)[0]) * max(other.size) > ALIGNED_PX:
        return False
    pixels = np.array([[x, y] for x in (0, width / 2, width - 1) for y in (0, height / 2, height - 1)], np.float64)
    seen = camera.to_rays((pixels + 0.5) * scale - 0.5)
    apart = np.abs(other.to_pixels(seen) - pixels)
    return bool(np.nanmax(apart, initial=0) <= max(ALIGNED_PX, 1 / scale.min()))
