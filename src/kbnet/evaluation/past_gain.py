"""Whether earlier frames help on a video: errors with and without them at held-out points of a few of its frames."""

from __future__ import annotations

import warnings
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

FEWEST_FRAMES = 12
"""Least number of frames of a video for a trial."""

FIRST_FRAMES = 4
"""Number of tried frames that are not judged: they have little past."""

LARGEST_ERROR = 0.25
"""Upper limit of the relative error of a point, against the influence of outliers."""

LEAST_GAIN = 0.02
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
) -> PastGain:
    """Try earlier frames on some frames of a video; a landmark is held out in all of these.

    Args:
        on_frame: called after each tried frame with their number.

    Raises:
        KBNetError: the network has no scaffold, the video is too short, a frame has no rigid pose, most tried frames
            have too few points, or a frame cannot be completed.
        OSError: a frame cannot be read.
    """
    from kbnet.inference.video import VideoCompleter

    video = VideoCompleter(completer)
    if len(source) < FEWEST_FRAMES:
        raise KBNetError(f"a trial takes at least {FEWEST_FRAMES} frames, got {len(source)}")
    if without := [name for index, name in enumerate(source.names) if not _has_pose(source, index)]:
        raise KBNetError(f"{len(without)} of {len(source)} frames have no rigid pose, first {without[0]}")
    count = min(TRIED_FRAMES, len(source))
    first = (len(source) - count) // 2
    hold_out, errors = TrackedHoldOut(), []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "at frame .* points of earlier frames do not fit")
        for number, index in enumerate(range(first, first + count)):
            whole = source.frame(index)
            frame = hold_out(whole, index)
            with_past = video(frame or whole)
            if frame is not None and number >= FIRST_FRAMES:
                errors.append([_error(frame, completer(frame)), _error(frame, with_past)])
            on_frame(count)
    if len(errors) < (count - FIRST_FRAMES) / 2:
        raise KBNetError("most frames have too few points to hold some out")
    alone, past = (100 * np.mean(errors, axis=0)).tolist()
    return PastGain(alone, past, len(errors))


def _has_pose(source: FrameSource, index: int) -> bool:
    """Whether a frame has a rigid pose."""
    try:
        return source.has_pose(index) and source.pose(index) is not None
    except KBNetError:
        return False


def _error(frame: Frame, depth: FloatArray) -> float:
    """Mean relative error at the held-out points, each at most `LARGEST_ERROR`."""
    assert frame.ground_truth is not None
    true = frame.ground_truth[frame.ground_truth > 0]
    relative = np.abs(depth[frame.ground_truth > 0] - true) / true
    return float(np.minimum(relative, LARGEST_ERROR).mean())
