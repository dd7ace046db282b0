"""Frames completed and compared with what is known, one after another: what a page shows of each."""

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
    """A frame, its depth completed from all of its points, and what there is to judge it by.

    Attributes:
        index: of the frame in its source.
        depth, expected_error: (H, W), metres.
        judged: None where there is nothing to judge by.
    """

    index: int
    frame: Frame
    depth: FloatArray
    expected_error: FloatArray
    judged: JudgedPixels | None


def shown_frames(
    source: FrameSource, indices: Iterable[int], completer: DepthCompleter, judging: Judging
) -> Iterator[ShownFrame]:
    """Complete frames of a source and compare them, one at a time; arguments and errors as for `show_frame`."""
    for index in indices:
        yield show_frame(source.frame(index), index, completer, judging)


def show_frame(frame: Frame, index: int, completer: DepthCompleter, judging: Judging) -> ShownFrame:
    """Complete one frame and compare it.

    Args:
        frame: the frame.
        index: of the frame in its source.
        completer: what completes.
        judging: what the depth is judged by.

    Raises:
        KBNetError: a number is out of range.
    """
    depth, expected_error = complete_with_confidence(completer, frame.image, frame.sparse_depth, frame.intrinsics)
    if judging.limits is not None:
        judged = judge_pixels(frame, depth, expected_error, judging.limits)
        return ShownFrame(index, frame, depth, expected_error, judged)
    # The points that are held out are the truth for depth that is completed from the others.
    parted = hold_out_points(frame, index, share=judging.share, by=judging.by)
    if parted is None:
        return ShownFrame(index, frame, depth, expected_error, None)
    from_others = complete_with_confidence(completer, parted.image, parted.sparse_depth, parted.intrinsics)
    return ShownFrame(index, frame, depth, expected_error, judge_pixels(parted, *from_others, (0.0, np.inf)))
