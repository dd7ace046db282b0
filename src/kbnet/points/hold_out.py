"""Sparse points put aside, so that a completion from the others can be judged at them without ground truth.

One by one, or by patches: a point among its neighbours is easily told from them, but most of a depth map lies far from
any point. `kbnet.evaluation.held_out_points` judges any completion so, and `kbnet.training.held_out` what training on
the others brings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame

SHARE = 0.2
"""Share of a frame's pixels of which the points are held out."""

PATCHES = 6
"""Patches along the shorter side of a frame."""

HoldOut = Literal["points", "patches"]
"""One by one, or all points of square patches."""


def hold_out_points(
    frame: Frame, index: int, *, share: float = SHARE, seed: int = 0, by: HoldOut = "points"
) -> Frame | None:
    """Part the sparse points of a frame: some stay, the others are what it is judged by.

    Args:
        frame: any ground truth it has is not looked at.
        index: of the frame in its source.
        share: fraction of the pixels that is held out.
        seed: of the draw.
        by: points one by one, or patches.

    Returns:
        The frame, with the points that stay as sparse depth and the held-out ones as ground truth; None if either
        would be empty.

    Raises:
        KBNetError: the share is not between 0 and 1.
    """
    withheld = draw_pixels(frame.size, index, share=share, seed=seed, by=by)
    seen, unseen = part_depth(frame.sparse_depth, withheld)
    return replace(frame, sparse_depth=seen, ground_truth=unseen) if seen.any() and unseen.any() else None


def draw_pixels(
    size: tuple[int, ...], index: int, *, share: float = SHARE, seed: int = 0, by: HoldOut = "points"
) -> NDArray[np.bool_]:
    """Draw the pixels that are held out, measured or not: the same for every kind of sparse depth of a frame.

    Args:
        size: (H, W), pixels.
        index: of the frame in its source; pixels follow from it, the seed and the size alone.
        share: fraction of the pixels.
        seed: of the draw.
        by: pixels one by one, or patches.

    Returns:
        Which pixels, (H, W).

    Raises:
        KBNetError: the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise KBNetError(f"expected a share of points to hold out between 0 and 1, both excluded, got {share:g}")
    generator = np.random.default_rng([seed, index])
    if by == "patches":
        return random_patches(size, share, max(1, min(size) // PATCHES), generator)
    withheld: NDArray[np.bool_] = generator.random(size) < share
    return withheld


def random_patches(
    shape: tuple[int, ...], share: float, side_px: int, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """A random ``share``, but at least one, of the square patches of a grid that begins anywhere, (H, W)."""
    rows, columns = (
        (np.arange(length) + offset) // side_px
        for length, offset in zip(shape, generator.integers(side_px, size=2), strict=True)
    )
    count = (rows[-1] + 1) * (columns[-1] + 1)
    chosen = generator.permutation(count) < max(1, round(share * count))
    patches: NDArray[np.bool_] = chosen.reshape(rows[-1] + 1, -1)[rows[:, None], columns]
    return patches


def part_depth(sparse_depth: FloatArray, withheld: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Sparse depth, (H, W), in two maps that add up to it: what stays, and what is withheld."""
    nothing = np.float32(0)
    return np.where(withheld, nothing, sparse_depth), np.where(withheld, sparse_depth, nothing)
