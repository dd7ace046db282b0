"""Whether training helped, measured at points that it never saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.evaluation.methods import LINEAR, network_method
from kbnet.evaluation.point_errors import PointErrors
from kbnet.frames.frame_list import FrameList
from kbnet.inference.completer import DepthCompleter

STANDARD_ERRORS = 2.0
"""How many standard errors below zero the change must lie to count as a gain."""

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """Before against after.

    Attributes:
        errors: by kind of sparse depth and method (``linear``, ``before``, ``after``), means over frames.
        frames: how many frames were judged.
        change: of the mean relative error, as a share of that before; mean over the kinds of sparse depth.
        standard_error: of that change, over frames.
        mae_change: the same change of the MAE.
    """

    errors: Mapping[tuple[str, str], PointErrors]
    frames: int
    change: float
    standard_error: float
    mae_change: float

    @property
    def better(self) -> bool:
        """Whether the relative error fell by more than chance explains, and the absolute one did not rise.

        Relative, since the noise of measured depth grows with it, and the far points alone would decide on the MAE.
        The two networks are compared point by point: a false range is as far from one as from the other, give or take
        by how much the two differ there, so it hardly counts.
        """
        return self.change + STANDARD_ERRORS * self.standard_error < 0 and self.mae_change <= 0


def judge_before_after(
    lists: Mapping[str, Path],
    before: DepthCompleter,
    after: DepthCompleter,
    *,
    on_frame: Callable[[], None] = lambda: None,
) -> Judgement:
    """Complete every frame of the lists with both networks, and by interpolation, and compare at the held-out points.

    Args:
        lists: of frames by kind of sparse depth, as :func:`kbnet.training.held_out.hold_out` writes them.
        before, after: the networks.
        on_frame: called after every frame.

    Raises:
        KBNetError: fewer than two frames have held-out points within the depth range of the networks.
    """
    methods = [LINEAR, network_method(before, "before"), network_method(after, "after")]
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
    return Judgement(
        {key: PointErrors.mean(errors) for key, errors in of_frames.items()},
        frames,
        change,
        float(changes[:, 0].std(ddof=1)) / math.sqrt(frames),
        mae_change,
    )


def _changes(before: Sequence[PointErrors], after: Sequence[PointErrors]) -> Float64Array:
    """Change of every frame's mean relative error and MAE as shares of their means before, (frames, 2)."""
    was, now = (np.array([(frame.mean_percent, frame.mae_mm) for frame in frames]) for frames in (before, after))
    changes: Float64Array = (now - was) / was.mean(axis=0)
    return changes
