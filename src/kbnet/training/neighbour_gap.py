"""How many frames apart a frame and its neighbours should be, from where the camera was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frames.sequence import Sequence

LARGEST_BASELINE = 0.1
"""As a share of the median depth: beyond it two images show ever less of the same."""

DEPTH_FRAMES = 20
"""Frames that the median depth is taken from."""


@dataclass(frozen=True)
class Gap:
    """A choice.

    Attributes:
        frames: from a frame to each neighbour.
        baseline: median way of the camera over that gap, as a share of the median depth of the sparse points; None
            where the sequence has no poses.
    """

    frames: int
    baseline: float | None = None


def choose_gap(sequence: Sequence, frames: int | None = None) -> Gap:
    """The widest gap whose baseline is at most a tenth of the median depth, from one frame to a quarter of them all.

    Args:
        sequence: without poses the gap is one frame.
        frames: the gap to take instead.
    """
    posed = np.array([sequence.has_pose(index) for index in range(len(sequence))])
    if not posed.any():
        return Gap(frames or 1)
    centres = np.full((len(sequence), 3), np.nan)
    for index in np.flatnonzero(posed):
        centres[index] = sequence.pose(int(index))[:3, 3]
    depth = _median_depth(sequence)
    gaps = [frames] if frames else range(1, max(1, len(sequence) // 4) + 1)
    chosen = Gap(gaps[0])
    for gap in gaps:
        ways = np.linalg.norm(centres[gap:] - centres[:-gap], axis=1)
        ways = ways[np.isfinite(ways)]
        baseline = float(np.median(ways)) / depth if ways.size else None
        if gap > gaps[0] and (baseline is None or baseline > LARGEST_BASELINE):
            break
        chosen = Gap(gap, baseline)
    return chosen


def _median_depth(sequence: Sequence) -> float:
    """Of the sparse points of some frames, metres."""
    some = np.linspace(0, len(sequence) - 1, min(len(sequence), DEPTH_FRAMES)).astype(int)
    points = np.concatenate([depth[depth > 0] for depth in map(sequence.sparse_depth, some)])
    if not points.size:
        raise KBNetError(
            f"expected sparse points to train on and to judge by, got none in {len(some)} frames of {sequence.folder}; "
            "check the depth maps"
        )
    return float(np.median(points))
