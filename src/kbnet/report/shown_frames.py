"""Frames of a page: completed depth, expected error, and comparison with the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from kbnet.evaluation.judged_pixels import JudgedPixels, Judging, judge_pixels
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.confidence import complete_with_confidence
from kbnet.points.hold_out import hold_out_points


@dataclass(frozen=True)
class ShownFrame:
    """Frame with depth completed from all points, and its comparison with the reference.

    Attributes:
        index: index of the frame in its source.
        depth, expected_error: (H, W), metres.
        judged: depth at the pixels with a reference; None without any.
    """

    index: int
    frame: Frame
    depth: FloatArray
    expected_error: FloatArray
    judged: JudgedPixels | None


def shown_frames(
    source: FrameSource, indices: Iterable[int], completer: DepthCompleter, judging: Judging
) -> Iterator[ShownFrame]:
    """Complete and compare the frames of a source, one at a time; arguments and errors as in `show_frame`."""
    for index in indices:
        yield show_frame(source.frame(index), index, completer, judging)


def show_frame(frame: Frame, index: int, completer: DepthCompleter, judging: Judging) -> ShownFrame:
    """Complete one frame and compare it with the reference.

    Raises:
        KBNetError: a number is out of range.
    """
    depth, expected_error = complete_with_confidence(completer, frame)
    if judging.limits is not None:
        judged = judge_pixels(frame, depth, expected_error, judging.limits)
        return ShownFrame(index, frame, depth, expected_error, judged)
    # Held-out points are the reference of depth completed from the other points.
    parted = hold_out_points(frame, index, share=judging.share, by=judging.by)
    if parted is None:
        return ShownFrame(index, frame, depth, expected_error, None)
    from_others = complete_with_confidence(completer, parted)
    return ShownFrame(index, frame, depth, expected_error, judge_pixels(parted, *from_others, (0.0, np.inf)))
