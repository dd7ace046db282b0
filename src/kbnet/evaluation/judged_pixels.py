"""Reference of an evaluation, and the depth of every method at the pixels of a frame with a reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbnet.evaluation.methods import NETWORK, baseline_methods
from kbnet.evaluation.metrics import judged_pixels
from kbnet.evaluation.point_errors import JudgedPoints
from kbnet.frame import FloatArray, Frame
from kbnet.points.hold_out import HELD_OUT_SHARE, HoldOut


@dataclass(frozen=True)
class Judging:
    """Reference of an evaluation: ground truth, or held-out points.

    Attributes:
        limits: evaluate pixels with min < ground truth < max, metres; None: hold out points.
        share: fraction of the pixels whose points are held out.
        by: hold out single points, or patches.
    """

    limits: tuple[float, float] | None
    share: float = HELD_OUT_SHARE
    by: HoldOut = "points"

    @property
    def held_out(self) -> bool:
        """Whether the reference is held-out points."""
        return self.limits is None

    def __str__(self) -> str:
        if self.limits is not None:
            return f"ground truth between {self.limits[0]:g} and {self.limits[1]:g} m"
        where = "held out one by one" if self.by == "points" else "held out by patches"
        return f"{self.share:.0%} of the points, {where}"


@dataclass(frozen=True)
class JudgedPixels(JudgedPoints):
    """Depth of every method at the N > 0 pixels of a frame with a reference; the network is first.

    Attributes:
        pixels: rows and columns, (2, N).
        expected_error: expected error of the network, (N,), metres.
    """

    pixels: NDArray[np.intp]
    expected_error: FloatArray


def judge_pixels(
    frame: Frame, depth: FloatArray, expected_error: FloatArray, limits: tuple[float, float]
) -> JudgedPixels | None:
    """Collect the depth of network and baselines where min < ground truth < max.

    Args:
        frame: frame with ground truth, which can be held-out points.
        depth, expected_error: result of the network, (H, W), metres.

    Returns:
        The pixels; None if no pixel has ground truth within the limits.
    """
    if frame.ground_truth is None:
        return None
    at = judged_pixels(frame.ground_truth, min_depth=limits[0], max_depth=limits[1])
    if not at.any():
        return None
    depths = {NETWORK: depth[at]}
    if frame.sparse_depth.any():
        depths |= {method.name: method.predict(frame)[at] for method in baseline_methods()}
    return JudgedPixels(frame.ground_truth[at], depths, np.array(np.nonzero(at)), expected_error[at])
