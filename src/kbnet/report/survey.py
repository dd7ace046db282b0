"""Frames completed and compared with what is known, one after another: what a page shows of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbnet.completion import DepthCompleter
from kbnet.confidence import complete_with_confidence
from kbnet.evaluation.methods import baseline_methods
from kbnet.evaluation.metrics import judged_pixels
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.points.hold_out import SHARE, HoldOut, hold_out_points

NETWORK = "kbnet"


@dataclass(frozen=True)
class Judging:
    """What depth is judged by: ground truth, or sparse points that are held out.

    Attributes:
        limits: judge where min < ground truth < max, metres; None: hold out points.
        share: of the points that is held out.
        by: hold out points one by one, or by patches.
    """

    limits: tuple[float, float] | None
    share: float = SHARE
    by: HoldOut = "points"

    @property
    def held_out(self) -> bool:
        """Whether points are held out."""
        return self.limits is None

    def __str__(self) -> str:
        if self.limits is not None:
            return f"ground truth between {self.limits[0]:g} and {self.limits[1]:g} m"
        where = "held out one by one" if self.by == "points" else "held out by patches"
        return f"{self.share:.0%} of the points, {where}"


@dataclass(frozen=True)
class Comparison:
    """Depth by every method at those pixels of a frame where it can be judged.

    Attributes:
        pixels: rows and columns, (2, N), N > 0.
        true: ground truth, or what was measured at held-out points, (N,), metres.
        depths: by method, (N,), metres; the network first.
        expected_error: of the network, (N,), metres.
    """

    pixels: NDArray[np.intp]
    true: FloatArray
    depths: dict[str, FloatArray]
    expected_error: FloatArray


@dataclass(frozen=True)
class ShownFrame:
    """A frame, its depth completed from all of its points, and how that compares; None: nothing to judge by.

    Attributes:
        index: of the frame in its source.
        depth, expected_error: (H, W), metres.
    """

    index: int
    frame: Frame
    depth: FloatArray
    expected_error: FloatArray
    comparison: Comparison | None


def survey(
    source: FrameSource, indices: Iterable[int], completer: DepthCompleter, judging: Judging
) -> Iterator[ShownFrame]:
    """Complete frames of a source and compare them, one at a time; arguments and errors as for `look_at`."""
    for index in indices:
        yield look_at(source.frame(index), index, completer, judging)


def look_at(frame: Frame, index: int, completer: DepthCompleter, judging: Judging) -> ShownFrame:
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
        return ShownFrame(index, frame, depth, expected_error, _compare(frame, depth, expected_error, judging.limits))
    # The points that are held out are the truth for depth that is completed from the others.
    parted = hold_out_points(frame, index, share=judging.share, by=judging.by)
    if parted is None:
        return ShownFrame(index, frame, depth, expected_error, None)
    from_others = complete_with_confidence(completer, parted.image, parted.sparse_depth, parted.intrinsics)
    return ShownFrame(index, frame, depth, expected_error, _compare(parted, *from_others, (0.0, np.inf)))


def _compare(
    frame: Frame, depth: FloatArray, expected_error: FloatArray, limits: tuple[float, float]
) -> Comparison | None:
    if frame.ground_truth is None:
        return None
    at = judged_pixels(frame.ground_truth, min_depth=limits[0], max_depth=limits[1])
    if not at.any():
        return None
    depths = {NETWORK: depth[at]}
    if frame.sparse_depth.any():
        depths |= {method.name: method.predict(frame)[at] for method in baseline_methods()}
    return Comparison(np.array(np.nonzero(at)), frame.ground_truth[at], depths, expected_error[at])
