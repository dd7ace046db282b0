"""Held-out points: sparse points removed from the input, at which completed depth is evaluated without ground truth.

Points are held out one by one or by patches. A single point is easy to interpolate from its neighbours, but most of a
depth map is far from any point. `kbnet.evaluation.held_out_points` evaluates a completer this way,
`kbnet.training.held_out` an adaptation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, FloatArray, Frame

HELD_OUT_SHARE = 0.2
"""Share of the pixels of a frame whose points are held out."""

PATCHES_PER_SIDE = 6
"""Number of patches along the shorter side of a frame."""

HoldOut = Literal["points", "patches"]
"""What is held out together: single points, or all points of square patches."""


def hold_out_points(frame: Frame, index: int, *, share: float = HELD_OUT_SHARE, by: HoldOut = "points") -> Frame | None:
    """Split the sparse points of a frame into input points and held-out points.

    Args:
        frame: its ground truth is ignored.
        share: fraction of the pixels that is held out.

    Returns:
        The frame with the input points as sparse depth and the held-out points as ground truth. None if either would
        be empty.
    """
    return without_points(frame, draw_pixels(frame.size, index, share=share, by=by))


def without_points(frame: Frame, withheld: BoolArray) -> Frame | None:
    """Split the points of a frame by a mask, (H, W): input points, and the withheld ones as ground truth.

    Returns:
        None if either would be empty.
    """
    seen, unseen = part_depth(frame.sparse_depth, withheld)
    return replace(frame, sparse_depth=seen, ground_truth=unseen) if seen.any() and unseen.any() else None


def draw_pixels(
    size: tuple[int, ...], index: int, *, share: float = HELD_OUT_SHARE, by: HoldOut = "points"
) -> BoolArray:
    """Draw the pixels that are held out, measured or not; the same for every kind of sparse depth of a frame.

    Args:
        size: (H, W), pixels.
        index: index of the frame in its source. The result depends on index and size alone.
        share: fraction of the pixels.
        by: single pixels, or patches.

    Returns:
        Mask of the held-out pixels, (H, W).

    Raises:
        KBNetError: the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise KBNetError(f"expected a share of points to hold out between 0 and 1, both excluded, got {share:g}")
    generator = np.random.default_rng([0, index])
    if by == "patches":
        return random_patches(size, share, max(1, min(size) // PATCHES_PER_SIDE), generator)
    withheld: BoolArray = generator.random(size) < share
    return withheld


def random_patches(shape: tuple[int, ...], share: float, side_px: int, generator: np.random.Generator) -> BoolArray:
    """Mask of a random ``share`` of square patches, at least one, on a grid with a random offset, (H, W)."""
    rows, columns = (
        (np.arange(length) + offset) // side_px
        for length, offset in zip(shape, generator.integers(side_px, size=2), strict=True)
    )
    count = (rows[-1] + 1) * (columns[-1] + 1)
    chosen = generator.permutation(count) < max(1, round(share * count))
    patches: BoolArray = chosen.reshape(rows[-1] + 1, -1)[rows[:, None], columns]
    return patches


def part_depth(sparse_depth: FloatArray, withheld: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Split sparse depth into two maps: kept points and withheld points.

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        withheld: mask, (H, W).

    Returns:
        Two maps, (H, W), metres; 0 = unmeasured. Their sum is ``sparse_depth``.
    """
    nothing = np.float32(0)
    return np.where(withheld, nothing, sparse_depth), np.where(withheld, sparse_depth, nothing)
