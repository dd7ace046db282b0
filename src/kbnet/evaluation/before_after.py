"""Comparison of two networks, before and after training, at held-out points."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.evaluation.methods import LINEAR, Method
from kbnet.evaluation.point_errors import PointErrors
from kbnet.frame import Float64Array
from kbnet.frames.frame_list import FrameList
from kbnet.inference.completer import DepthCompleter

STANDARD_ERRORS = 2.0
"""Number of standard errors by which a change must be below zero to count as an improvement."""


@dataclass(frozen=True)
class BeforeAfter:
    """Errors before and after training.

    Attributes:
        errors: mean errors over frames by kind of sparse depth and method (``linear``, ``before``, ``after``).
        change: relative change of the robust mean of the relative error; mean over the kinds of sparse depth.
        standard_error: standard error of ``change`` over frames.
    """

    errors: Mapping[tuple[str, str], PointErrors]
    frames: int
    change: float
    standard_error: float
    mae_change: float

    @property
    def better(self) -> bool:
        """Whether the relative error fell significantly and the MAE did not rise.

        The relative error decides, because noise grows with depth and far points dominate the MAE. Its mean is
        robust: in a plain one, a few gross errors less in large holes hid that all else had got worse.
        """
        return self.change + STANDARD_ERRORS * self.standard_error < 0 and self.mae_change <= 0


def compare_before_after(
    lists: Mapping[str, Path],
    before: DepthCompleter,
    after: DepthCompleter,
    *,
    on_frame: Callable[[], None] = lambda: None,
) -> BeforeAfter:
    """Complete every frame with both networks and by interpolation, and compare the errors at held-out points.

    Args:
        lists: lists of frames by kind of sparse depth, as :func:`kbnet.training.held_out.hold_out` writes them.

    Raises:
        KBNetError: fewer than two frames have held-out points within the depth range of the networks.
    """
    methods = [LINEAR, Method("before", before), Method("after", after)]
    found: dict[tuple[str, str], dict[int, PointErrors]] = {
        (kind, method.name): {} for kind in lists for method in methods
    }
    for kind, path in lists.items():
        source = FrameList(path)
        for index in range(len(source)):
            frame = source.frame(index)
            assert frame.ground_truth is not None
            points = (frame.ground_truth > 0) & (frame.ground_truth < before.config.max_depth)
            if points.any() and frame.sparse_depth.any():
                for method in methods:
                    depth = method.predict(frame)
                    found[kind, method.name][index] = PointErrors.of(depth[points], frame.ground_truth[points])
            on_frame()
    judged = sorted(set.intersection(*map(set, found.values())))
    frames = len(judged)
    if frames < 2:
        raise KBNetError(
            f"expected held-out points nearer than {before.config.max_depth:g} m in at least 2 frames, got them in "
            f"{frames}; check that sparse depth is in metres, or choose weights made for such depth"
        )
    of_frames = {key: [errors[index] for index in judged] for key, errors in found.items()}
    changes = np.mean([_changes(of_frames[kind, "before"], of_frames[kind, "after"]) for kind in lists], axis=0)
    change, mae_change = changes.mean(axis=0).tolist()
    return BeforeAfter(
        {key: PointErrors.mean(errors) for key, errors in of_frames.items()},
        frames,
        change,
        float(changes[:, 0].std(ddof=1)) / math.sqrt(frames),
        mae_change,
    )


def _changes(before: Sequence[PointErrors], after: Sequence[PointErrors]) -> Float64Array:
    """Relative change of every frame's robust mean error and MAE, as a share of the mean before, (frames, 2)."""
    was, now = (np.array([(frame.robust_percent, frame.mae_mm) for frame in frames]) for frames in (before, after))
    changes: Float64Array = (now - was) / was.mean(axis=0)
    return changes
