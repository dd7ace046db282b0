"""Sparse points put aside, so that a completion from the others can be judged at them without ground truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kbnet.frame import FloatArray, Frame

SHARE = 0.2
"""Share of a frame's points that is held out."""


def hold_out_points(frame: Frame, index: int, *, share: float = SHARE, seed: int = 0) -> Frame | None:
    """Part the sparse points of a frame: some stay, the others are what it is judged by.

    Pixels are drawn, measured or not, from (seed, index) alone: the same for every kind of sparse depth of a frame.

    Args:
        frame: any ground truth it has is not looked at.
        index: of the frame in its source.
        share: fraction of the pixels that is held out.
        seed: of the draw.

    Returns:
        The frame, with the points that stay as sparse depth and the held-out ones as ground truth; None if either
        would be empty.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share of points to hold out between 0 and 1, both excluded, got {share:g}")
    seen, unseen = part_depth(frame.sparse_depth, np.random.default_rng([seed, index]), share)
    return replace(frame, sparse_depth=seen, ground_truth=unseen) if seen.any() and unseen.any() else None


def part_depth(sparse_depth: FloatArray, generator: np.random.Generator, share: float) -> tuple[FloatArray, FloatArray]:
    """Sparse depth, (H, W), in two maps that add up to it; the second has about ``share`` of the points."""
    withheld = generator.random(sparse_depth.shape) < share
    nothing = np.float32(0)
    return np.where(withheld, nothing, sparse_depth), np.where(withheld, sparse_depth, nothing)
