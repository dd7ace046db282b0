"""A window of a frame or triplet: all images and depth maps cut, K moved along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Frame, Triplet


def crop_frame(frame: Frame, top: int, left: int, height: int, width: int) -> Frame:
    """Cut a window out of a frame; cx and cy move by its corner.

    Raises:
        KBNetError: the window does not lie in the frame, or is smaller than 32x32 pixels.
    """
    if top < 0 or left < 0 or top + height > frame.size[0] or left + width > frame.size[1]:
        raise KBNetError(
            f"expected a window inside {frame.size[1]}x{frame.size[0]} pixels (width x height), got {width}x{height} "
            f"at column {left}, row {top} (frame '{frame.name}'); move or shrink it"
        )
    window = np.s_[top : top + height, left : left + width]
    return Frame(
        image=frame.image[window],
        sparse_depth=frame.sparse_depth[window],
        intrinsics=frame.intrinsics - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], np.float32),
        ground_truth=None if frame.ground_truth is None else frame.ground_truth[window],
        name=frame.name,
        prior=None if frame.prior is None else frame.prior.mapped(lambda values: values[window]),
        T_world_camera=frame.T_world_camera,
    )


def crop_triplet(triplet: Triplet, top: int, left: int, height: int, width: int) -> Triplet:
    """Cut a window out of a triplet, as :func:`crop_frame` does; camera motion stays as it is."""
    window = np.s_[top : top + height, left : left + width]
    return replace(
        triplet,
        frame=crop_frame(triplet.frame, top, left, height, width),
        previous_image=triplet.previous_image[window],
        next_image=triplet.next_image[window],
    )
