"""A triplet at another size: the image enlarged, as by a longer lens, or the world scaled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kbnet.frame import FloatArray, Frame, ImageArray, Triplet


def enlarge(triplet: Triplet, height: int, width: int) -> Triplet:
    """Enlarge all images (linearly) and depth maps (nearest pixel; each point to one pixel) to a size, and K."""
    from PIL import Image  # slow to import, and no help text needs it

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
    alone = all(np.may_share_memory(other, frame.image) for other in (triplet.previous_image, triplet.next_image))
    previous_image, next_image = (image, image) if alone else map(resized, (triplet.previous_image, triplet.next_image))
    enlarged = Frame(image, points, K, truth, frame.name)
    return replace(triplet, frame=enlarged, previous_image=previous_image, next_image=next_image)


def scale_depth(triplet: Triplet, factor: float) -> Triplet:
    """Make the world ``factor`` times as large: depth and translations grow, images and rotations stay.

    Training at many scales prevents the network from memorising the size of a room.
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


def _grown(transform: FloatArray, factor: float) -> FloatArray:
    grown = transform.copy()
    grown[:3, 3] *= factor
    return grown
