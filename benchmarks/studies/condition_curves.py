"""Errors of several methods at increasing degradation."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from kbnet.errors import KBNetError
from kbnet.evaluation.methods import Method
from kbnet.evaluation.metrics import depth_errors, judged_pixels
from kbnet.evaluation.summary import FrameResult, Summary
from kbnet.frames.frame_source import FrameSource
from kbnet.network.depth_network import DepthNetwork
from studies.attack import attack_image
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
    networks: Mapping[str, DepthNetwork] = MappingProxyType({}),
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Evaluate every method at every level of a curve; one frame at a time is in memory.

    Args:
        curve: condition that changes.
        sequences: frames with ground truth by the name of the sequence. The draws depend on name and frame only, so
            they are equal for all levels and methods.
        methods: networks and interpolation.
        summary: receives the results, with ``curve.place(level)`` as the kind of sparse depth.
        standard: all other conditions.
        frames: number of frames of each sequence, evenly spread; frames without ground truth in range are skipped.
        limits: range of the evaluated ground truth, metres. Errors and limits are in the scale of the recording.
        networks: networks that are attacked, by the name of their method. Other methods read the image unchanged.
        on_frame: called after each frame.

    Raises:
        KBNetError: a frame has no ground truth, or none in view.
    """
    for name, source in sequences.items():
        for index in spread_indices(len(source), frames):
            frame = source.frame(index)
            for level, condition in curve.conditions(standard).items():
                seen = degrade(frame, condition, np.random.default_rng((zlib.crc32(name.encode()), index)))
                if seen.ground_truth is None:
                    continue
                scale = np.float32(condition.scene_scale)
                truth = seen.ground_truth / scale
                if not judged_pixels(truth, min_depth=limits[0], max_depth=limits[1]).any():
                    continue
                for method in methods:
                    given = seen
                    if method.name in networks:
                        given = attack_image(seen, networks[method.name], condition.attack, condition.attack_levels)
                    depth = method.predict(given) / scale
                    errors = depth_errors(depth, truth, min_depth=limits[0], max_depth=limits[1])
                    summary.add(FrameResult(method.name, curve.place(level), name, frame.name, errors, None))
            on_frame()


def spread_indices(length: int, count: int) -> list[int]:
    """``count`` evenly spread indices below ``length``, or all if there are fewer.

    Raises:
        KBNetError: count is below 1.

    Example:
        >>> spread_indices(10, 3)
        [1, 5, 8]
    """
    if count < 1:
        raise KBNetError(f"expected at least 1 frame, got {count}")
    count = min(count, length)
    return [(2 * number + 1) * length // (2 * count) for number in range(count)]
