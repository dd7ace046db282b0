"""What depth is judged by, and what every method says at the pixels of a frame where it can be judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbnet.evaluation.methods import NETWORK, baseline_methods
from kbnet.evaluation.metrics import judged_pixels
from kbnet.evaluation.point_errors import JudgedPoints
from kbnet.frame import FloatArray, Frame
from kbnet.points.hold_out import SHARE, HoldOut


@dataclass(frozen=True)
class Judging:
    """What depth is judged by: ground truth, or sparse points that are held out.

    Attributes:
        limits: judge where min < ground truth < max, metres; None: hold out points.
        share: of the points that is held out.
        by: hold out points one by one, or by patches.
    """

    limits: tuple[float, float] | None
    share: float = SHARE
    by: HoldOut = "points"

    @property
    def held_out(self) -> bool:
        """Whether points are held out."""
        return self.limits is None

    def __str__(self) -> str:
        if self.limits is not None:
            return f"ground truth between {self.limits[0]:g} and {self.limits[1]:g} m"
        where = "held out one by one" if self.by == "points" else "held out by patches"
        return f"{self.share:.0%} of the points, {where}"


@dataclass(frozen=True)
class JudgedPixels(JudgedPoints):
    """Depth by every method at those pixels of a frame where it can be judged, N > 0; the network first.

    Attributes:
        pixels: rows and columns, (2, N).
        expected_error: of the network, (N,), metres.
    """

    pixels: NDArray[np.intp]
    expected_error: FloatArray


def judge_pixels(
    frame: Frame, depth: FloatArray, expected_error: FloatArray, limits: tuple[float, float]
) -> JudgedPixels | None:
    """Put depth of the network beside the baselines where min < ground truth < max.

    Args:
        frame: ground truth may be what was measured at held-out points.
        depth, expected_error: of the network, (H, W), metres.
        limits: min and max, metres.

    Returns:
        None if no pixel can be judged.
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
