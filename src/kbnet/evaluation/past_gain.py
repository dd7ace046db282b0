"""Whether earlier frames help on a video: errors with and without them at held-out points of a few of its frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.points.tracked_hold_out import TrackedHoldOut

if TYPE_CHECKING:
    from kbnet.inference.completer import DepthCompleter

TRIED_FRAMES = 16
"""Number of consecutive frames that are tried, from the middle of the video."""

FIRST_FRAMES = 4
"""Number of tried frames that are not judged: they have little past."""

LARGEST_ERROR = 0.25
"""Upper limit of the relative error of a point, against the influence of outliers."""

LEAST_GAIN = 0.03
"""Relative decrease of the error from which on earlier frames are used."""


class PastGain(NamedTuple):
    """Mean relative error at the held-out points of ``frames`` frames, without and with earlier frames, per cent."""

    alone_percent: float
    past_percent: float
    frames: int

    @property
    def helps(self) -> bool:
        """Whether earlier frames are worth their time."""
        return self.past_percent < (1 - LEAST_GAIN) * self.alone_percent


def past_gain(
    source: FrameSource, completer: DepthCompleter, *, on_frame: Callable[[int], None] = lambda total: None
) -> PastGain | None:
    """Try earlier frames on some frames of a video; landmarks are held out in all of these.

    Args:
        source: frames in order.
        completer: of `kbnet.load`.
        on_frame: called after each tried frame with their number.

    Returns:
        None if the video is too short, a frame has no rigid pose or too few points, or the network has no scaffold.

    Raises:
        OSError, KBNetError: a frame cannot be read or completed.
    """
    from kbnet.inference.video import VideoCompleter, takes_past

    count = min(TRIED_FRAMES, len(source))
    first = (len(source) - count) // 2
    indices = range(first, first + count)
    if count < 2 * FIRST_FRAMES or not takes_past(completer.config) or not _has_poses(source):
        return None
    hold_out, video = TrackedHoldOut(), VideoCompleter(completer)
    errors = []
    for number, index in enumerate(indices):
        frame = hold_out(source.frame(index), index)
        if frame is None:
            return None
        with_past = video(frame)
        if number >= FIRST_FRAMES:
            errors.append([_error(frame, completer(frame)), _error(frame, with_past)])
        on_frame(count)
    alone, past = (100 * np.mean(errors, axis=0)).tolist()
    return PastGain(alone, past, len(errors))


def _has_poses(source: FrameSource) -> bool:
    """Whether every frame has a rigid pose."""
    try:
        return all(source.has_pose(index) and source.pose(index) is not None for index in range(len(source)))
    except KBNetError:
        return False


def _error(frame: Frame, depth: FloatArray) -> float:
    """Mean relative error at the held-out points, each at most `LARGEST_ERROR`."""
    assert frame.ground_truth is not None
    true = frame.ground_truth[frame.ground_truth > 0]
    relative = np.abs(depth[frame.ground_truth > 0] - true) / true
    return float(np.minimum(relative, LARGEST_ERROR).mean())
