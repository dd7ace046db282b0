"""Errors of several methods under conditions that grow worse."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from kbnet.errors import KBNetError
from kbnet.evaluation.methods import Method
from kbnet.evaluation.metrics import depth_errors, judged_pixels
from kbnet.evaluation.summary import FrameResult, Summary
from kbnet.frames.frame_source import FrameSource
from studies.degradation import Condition, Curve, degrade


def judge_curve(
    curve: Curve,
    sequences: dict[str, FrameSource],
    methods: Sequence[Method],
    summary: Summary,
    *,
    standard: Condition,
    frames: int,
    limits: tuple[float, float],
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Judge every method at every level of a curve, holding one frame at a time.

    Args:
        curve: what grows worse.
        sequences: frames with ground truth by the name of the sequence. The draws depend on that name and the frame
            alone: levels and methods have the same.
        methods: networks and interpolation.
        summary: takes the results in; ``curve.place(level)`` stands where the name of the sparse depth does.
        standard: all other conditions.
        frames: of each sequence, at even distances; those with no ground truth within the limits are left out.
        limits: judge where ground truth lies between these, metres.
        on_frame: called after each frame.

    Raises:
        KBNetError: a frame has no ground truth, or none in view.
    """
    for name, source in sequences.items():
        for index in spread_indices(len(source), frames):
            frame = source.frame(index)
            for level, condition in curve.conditions(standard).items():
                seen = degrade(frame, condition, np.random.default_rng((zlib.crc32(name.encode()), index)))
                truth = seen.ground_truth
                if truth is None or not judged_pixels(truth, min_depth=limits[0], max_depth=limits[1]).any():
                    continue
                for method in methods:
                    errors = depth_errors(method.predict(seen), truth, min_depth=limits[0], max_depth=limits[1])
                    summary.add(FrameResult(method.name, curve.place(level), name, frame.name, errors, None))
            on_frame()


def spread_indices(length: int, count: int) -> list[int]:
    """``count`` indices at even distances below ``length``, or all where there are fewer.

    Raises:
        KBNetError: no frame is asked for.

    Example:
        >>> spread_indices(10, 3)
        [1, 5, 8]
    """
    if count < 1:
        raise KBNetError(f"expected at least 1 frame, got {count}")
    count = min(count, length)
    return [(2 * number + 1) * length // (2 * count) for number in range(count)]
