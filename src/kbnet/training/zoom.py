"""A triplet at another size, as of a camera with other pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kbnet.frame import Frame, ImageArray, Triplet


def enlarge(triplet: Triplet, height: int, width: int) -> Triplet:
    """Enlarge all images (linearly) and depth maps (nearest pixel; each point to one pixel) to a size, and K."""
    from PIL import Image  # slow to import, and no help text needs it

    frame = triplet.frame
    if frame.size == (height, width):
        return triplet
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


def reduce(triplet: Triplet, factor: int) -> Triplet:
    """Reduce a frame that is its own neighbour: one pixel for every cell of ``factor`` x ``factor`` pixels."""
    from kbnet.network.working_size import reduced_frame  # torch is slow to import

    if factor == 1:
        return triplet
    frame = reduced_frame(triplet.frame, factor)
    return replace(triplet, frame=frame, previous_image=frame.image, next_image=frame.image)
