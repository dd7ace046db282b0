"""Frames at another size: the image resampled, points moved as points, K taken along."""

from __future__ import annotations

import numpy as np
from PIL import Image

from kbnet.frame import FloatArray, Frame
from kbnet.points.sparse_points import map_to_points, points_to_map


def resize_frame(frame: Frame, size: tuple[int, int]) -> Frame:
    """Resample a frame to another size.

    The image's edges stay its edges, so with s = new width / old width a pixel x goes to s (x + 1/2) - 1/2, and the
    first row of K goes along: ``fx' = s fx, cx' = s (cx + 1/2) - 1/2``; likewise in y. Measured depth, true depth too,
    moves as points: none is mixed with another, on one pixel the nearest stays, and enlarging makes no new ones.

    Args:
        frame: any frame.
        size: (H, W), pixels.

    Raises:
        KBNetError: the size is less than 32 pixels to a side.

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
