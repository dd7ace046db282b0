"""Whether training helped, measured at points that it never saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.completion import DepthCompleter
from kbnet.data.frame_list import FrameList
from kbnet.data.interpolation import linear
from kbnet.frame import FloatArray, Frame

STANDARD_ERRORS = 2.0
"""How many standard errors below zero the change must lie to count as a gain."""

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class PointErrors:
    """Errors of one method at the held-out points of one kind of sparse depth: means over frames.

    Attributes:
        mae_mm, rmse_mm: of a frame's points, millimetres. False ranges among the points count in full.
        mean_percent: mean of a frame's absolute errors relative to the measured depth.
        median_percent: the median of these, which false ranges hardly move.
    """

    mae_mm: float
    rmse_mm: float
    mean_percent: float
    median_percent: float


@dataclass(frozen=True)
class Judgement:
    """Before against after.

    Attributes:
        errors: by kind of sparse depth and method: ``linear``, ``before``, ``after``.
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


def judge(
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
        ValueError: fewer than two frames have held-out points within the depth range of the networks.
    """
    methods: dict[str, Callable[[Frame], FloatArray]] = {
        "linear": lambda frame: linear(frame.sparse_depth),
        "before": lambda frame: before(frame.image, frame.sparse_depth, frame.intrinsics),
        "after": lambda frame: after(frame.image, frame.sparse_depth, frame.intrinsics),
    }
    errors: dict[tuple[str, str], Float64Array] = {}
    for kind, path in lists.items():
        source = FrameList(path)
        table = np.full((len(methods), len(source), 4), np.nan)
        for index in range(len(source)):
            frame = source.frame(index)
            assert frame.ground_truth is not None
            points = (frame.ground_truth > 0) & (frame.ground_truth < before.config.max_depth)
            if points.any() and frame.sparse_depth.any():
                for row, complete in zip(table, methods.values(), strict=True):
                    row[index] = _errors(complete(frame)[points], frame.ground_truth[points])
            on_frame()
        errors |= {(kind, method): row for method, row in zip(methods, table, strict=True)}
    judged = np.isfinite(np.stack(list(errors.values()))).all(axis=(0, 2))
    frames = int(judged.sum())
    if frames < 2:
        raise ValueError(
            f"expected held-out points nearer than {before.config.max_depth:g} m in at least 2 frames, got them in "
            f"{frames}; check that sparse depth is in metres, or choose weights made for such depth"
        )
    errors = {key: values[judged] for key, values in errors.items()}
    changes = np.mean([_changes(errors[kind, "before"], errors[kind, "after"]) for kind in lists], axis=0)
    mae_change, _, change, _ = changes.mean(axis=0).tolist()
    return Judgement(
        {key: PointErrors(*values.mean(axis=0).tolist()) for key, values in errors.items()},
        frames,
        change,
        float(changes[:, 2].std(ddof=1)) / math.sqrt(frames),
        mae_change,
    )


def _errors(depth: FloatArray, measured: FloatArray) -> tuple[float, float, float, float]:
    """The numbers of :class:`PointErrors` for one frame."""
    difference = np.abs(depth.astype(np.float64) - measured)
    return (
        1000 * float(difference.mean()),
        1000 * float(np.sqrt(np.square(difference).mean())),
        100 * float((difference / measured).mean()),
        100 * float(np.median(difference / measured)),
    )


def _changes(before: Float64Array, after: Float64Array) -> Float64Array:
    """Change of every frame's errors as shares of the mean errors before, (frames, errors)."""
    changes: Float64Array = (after - before) / before.mean(axis=0)
    return changes
