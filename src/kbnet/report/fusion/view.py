"""Depth map with its pose: the input of fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, Float64Array, FloatArray, Frame, ImageArray
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.recording import Recording
from kbnet.inference.confidence import most_confident
from kbnet.report.point_cloud import point_cloud

Complete = Callable[[Frame], tuple[FloatArray, FloatArray]]
"""Function from a frame to depth and its expected error, both (H, W), metres; see `kbnet.inference.confidence`."""


@dataclass(frozen=True)
class DepthView:
    """Depth map with its pose in the world.

    Attributes:
        image: RGB, (H, W, 3), uint8.
        depth: along z, (H, W), metres; 0 = not fused.
        intrinsics: K, (3, 3), pixels.
        T_world_camera: (4, 4), metres.
    """

    image: ImageArray
    depth: FloatArray
    intrinsics: FloatArray
    T_world_camera: Float64Array

    def points(self) -> tuple[Float64Array, ImageArray]:
        """Points in the world, (N, 3), metres, and their colours, (N, 3), uint8."""
        points, colours = point_cloud(self.depth, self.intrinsics, self.image)
        return points @ self.T_world_camera[:3, :3].T + self.T_world_camera[:3, 3], colours


def posed_frames(source: FrameSource, every: int = 1) -> list[int]:
    """Indices of every Nth frame with a pose.

    Raises:
        KBNetError: the stride is not positive, or no frame has a pose.
    """
    if every < 1:
        raise KBNetError(f"expected a stride of at least 1 frame, got {every}; 1 takes every frame")
    posed = [index for index in range(len(source)) if source.has_pose(index)]
    if not posed:
        if isinstance(source, Recording):
            where = ""
        else:
            where = "the column pose of " if Path(source.folder).suffix.lower() == ".csv" else "absolute_pose/ of "
        raise KBNetError(
            f"expected poses (camera to world) in {where}{source.folder}, got none; without them frames cannot be "
            "put together, but each alone: kbnet complete --cloud"
        )
    return posed[::every]


def views(
    source: FrameSource, indices: list[int], complete: Complete, *, keep: float, farthest: float
) -> Iterator[DepthView]:
    """Complete frames one by one, and remove uncertain and far pixels.

    Args:
        source: frames with poses.
        keep: share of the pixels to keep, with the least expected error relative to depth.
        farthest: upper limit of depth, excluded, metres.
    """
    for index in indices:
        frame = source.frame(index)
        depth, error = complete(frame)
        kept = confident_pixels(depth, error, keep) & (depth < farthest)
        yield DepthView(frame.image, np.where(kept, depth, np.float32(0)), frame.intrinsics, source.pose(index))


def confident_pixels(depth: FloatArray, expected_error: FloatArray, share: float) -> BoolArray:
    """Mask of the ``share`` of the pixels with the least expected error relative to depth, (H, W)."""
    return most_confident(expected_error / np.maximum(depth, np.float32(1e-6)), share)
