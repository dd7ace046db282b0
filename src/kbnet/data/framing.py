"""Crops, zoom, flips and scale of a training triplet: the camera moves along with its pixels.

Crops, zoom and flips change the principal point, zoom the focal length, flips the known poses. Sparse points are moved
with their pixels and never interpolated (published system, section 6).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from kbnet.frame import FloatArray, Frame, ImageArray, Triplet


def check_crop(crop: tuple[int, int], size: tuple[int, int], where: str) -> None:
    """Raise ValueError, saying ``where``, if a crop (height, width) is larger than a frame of ``size`` (H, W)."""
    if size[0] < crop[0] or size[1] < crop[1]:
        raise ValueError(
            f"expected frames of at least the crop's {crop[1]}x{crop[0]} (width x height), "
            f"got {size[1]}x{size[0]} ({where}); choose a smaller crop"
        )


def crop(triplet: Triplet, top: int, left: int, height: int, width: int) -> Triplet:
    """Cut a window out of all images and depth maps; cx and cy move by the offset."""
    window = np.s_[top : top + height, left : left + width]
    frame = triplet.frame
    shift = np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], np.float32)
    cropped = Frame(
        image=frame.image[window],
        sparse_depth=frame.sparse_depth[window],
        intrinsics=frame.intrinsics - shift,
        ground_truth=None if frame.ground_truth is None else frame.ground_truth[window],
        name=frame.name,
    )
    return replace(
        triplet, frame=cropped, previous_image=triplet.previous_image[window], next_image=triplet.next_image[window]
    )


def enlarge(triplet: Triplet, height: int, width: int) -> Triplet:
    """Enlarge all images (linearly) and depth maps (nearest pixel; each point to one pixel) to a size, and K."""
    frame = triplet.frame
    rows, columns = height / frame.size[0], width / frame.size[1]
    K = frame.intrinsics.copy()
    K[:2, 2] += 0.5
    K[0] *= columns
    K[1] *= rows
    K[:2, 2] -= 0.5
    points = np.zeros((height, width), np.float32)
    y, x = np.nonzero(frame.sparse_depth)
    points[((y + 0.5) * rows).astype(int), ((x + 0.5) * columns).astype(int)] = frame.sparse_depth[y, x]
    truth = frame.ground_truth
    if truth is not None:
        y, x = (((np.arange(n) + 0.5) / factor).astype(int) for n, factor in ((height, rows), (width, columns)))
        truth = truth[np.ix_(y, x)]

    def resized(image: ImageArray) -> ImageArray:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))

    image = resized(frame.image)
    alone = triplet.previous_image is frame.image and triplet.next_image is frame.image
    previous_image, next_image = (image, image) if alone else map(resized, (triplet.previous_image, triplet.next_image))
    enlarged = Frame(image, points, K, truth, frame.name)
    return replace(triplet, frame=enlarged, previous_image=previous_image, next_image=next_image)


def flip(triplet: Triplet, *, horizontal: bool) -> Triplet:
    """Mirror left and right, or top and bottom; the principal point and the poses are mirrored too."""
    frame = triplet.frame
    axis = 1 if horizontal else 0
    row = 1 - axis
    mirrored_intrinsics = frame.intrinsics.copy()
    mirrored_intrinsics[row, 2] = frame.size[axis] - 1 - frame.intrinsics[row, 2]
    mirrored_intrinsics[0, 1] = -frame.intrinsics[0, 1]
    mirror: FloatArray = np.diag([-1, 1, 1, 1] if horizontal else [1, -1, 1, 1]).astype(np.float32)
    mirrored = Frame(
        image=np.flip(frame.image, axis),
        sparse_depth=np.flip(frame.sparse_depth, axis),
        intrinsics=mirrored_intrinsics,
        ground_truth=None if frame.ground_truth is None else np.flip(frame.ground_truth, axis),
        name=frame.name,
    )
    return Triplet(
        frame=mirrored,
        previous_image=np.flip(triplet.previous_image, axis),
        next_image=np.flip(triplet.next_image, axis),
        T_previous_current=None
        if triplet.T_previous_current is None
        else _mirrored(triplet.T_previous_current, mirror),
        T_next_current=None if triplet.T_next_current is None else _mirrored(triplet.T_next_current, mirror),
    )


def scale_depth(triplet: Triplet, factor: float) -> Triplet:
    """Make the world ``factor`` times as large: depth and translations grow, images and rotations stay.

    A network that sees every room at many sizes cannot learn the size of one by heart.
    """
    frame = triplet.frame
    return replace(
        triplet,
        frame=replace(
            frame,
            sparse_depth=frame.sparse_depth * np.float32(factor),
            ground_truth=None if frame.ground_truth is None else frame.ground_truth * np.float32(factor),
        ),
        T_previous_current=None if triplet.T_previous_current is None else _grown(triplet.T_previous_current, factor),
        T_next_current=None if triplet.T_next_current is None else _grown(triplet.T_next_current, factor),
    )


def _mirrored(transform: FloatArray, mirror: FloatArray) -> FloatArray:
    mirrored: FloatArray = (mirror @ transform @ mirror).astype(np.float32)
    return mirrored


def _grown(transform: FloatArray, factor: float) -> FloatArray:
    grown = transform.copy()
    grown[:3, 3] *= factor
    return grown
