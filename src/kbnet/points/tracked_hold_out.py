"""Held-out points of a video: a landmark is held out in all its frames."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from kbnet.frame import Float64Array, Frame, IntArray
from kbnet.points.hold_out import HELD_OUT_SHARE, draw_pixels, part_depth, without_points
from kbnet.points.past_points import PointMap
from kbnet.points.sparse_points import measured_pixels

SAME_LANDMARK = 0.005
"""Points of two frames are taken for one landmark if they are this near in the image, relative to its width."""


class TrackedHoldOut:
    """Split of the points of a video that holds out a landmark in all its frames, for methods that use earlier frames.

    A tracker measures a landmark in many frames. A point that is near a point of the frame before, projected with the
    poses, is taken for the same landmark: it is held out if that point was. Other points are drawn as by
    :func:`kbnet.points.hold_out.hold_out_points`. Frames come in order.

    Args:
        share: fraction of the points that is held out.

    Raises:
        KBNetError: at the first frame, as :func:`kbnet.points.hold_out.hold_out_points`.
    """

    def __init__(self, *, share: float = HELD_OUT_SHARE) -> None:
        self._share = share
        self._kept, self._held_out = PointMap(1), PointMap(1)

    def __call__(self, frame: Frame, index: int) -> Frame | None:
        """Split the points of the next frame; arguments and result as for `kbnet.points.hold_out.hold_out_points`."""
        withheld = draw_pixels(frame.size, index, share=self._share)
        if frame.T_world_camera is not None:
            camera = frame.intrinsics, frame.T_world_camera.astype(np.float64)
            rows, columns = measured_pixels(frame.sparse_depth)
            pixels = np.stack([rows, columns], axis=1)
            kept, held_out = (
                _distances(pixels, past.seen_from(*camera, frame.size).pixels) for past in (self._kept, self._held_out)
            )
            same = np.minimum(kept, held_out) <= SAME_LANDMARK * frame.size[1]
            drawn = withheld[rows, columns]
            withheld[rows, columns] = np.where(same & (held_out != kept), held_out < kept, drawn)
            seen, unseen = part_depth(frame.sparse_depth, withheld)
            self._kept.add(seen, *camera)
            self._held_out.add(unseen, *camera)
        return without_points(frame, withheld)


def _distances(pixels: IntArray, others: IntArray) -> Float64Array:
    """Distance from every pixel, (N, 2), to the nearest of others, (M, 2), pixels, (N,); infinite without any."""
    if not len(others):
        return np.full(len(pixels), np.inf)
    distance: Float64Array = cKDTree(others).query(pixels)[0]
    return distance
