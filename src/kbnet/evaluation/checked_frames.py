"""Result of a check without ground truth: errors of every frame at held-out points, and over all frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kbnet.evaluation.methods import MOVED_IMAGE, NETWORK
from kbnet.evaluation.point_errors import Band, JudgedPoints, PointErrors
from kbnet.frame import IntArray

FEWEST_FRAMES, CLEAR_ERRORS = 10, 3.0
"""Number of frames and of standard errors from which on a difference of errors is clear."""


@dataclass(frozen=True)
class CheckedFrame:
    """Errors of every method at the held-out points of one frame.

    Attributes:
        seen: number of input points.
        held_out: held-out pixels, (M,), as indices of the flattened image.
        points: measured and completed depth at the held-out points.
        scale_mm: mean error of the first method at held-out inliers, its mean expected error there, and its mean
            expected error at all pixels, millimetres.
        distance_px: median distance in the image to the nearest input point, of held-out points and of all pixels.
        change_percent: change since the checked frame before by method (`kbnet.evaluation.flicker.change_percent`);
            empty without poses and for the first frame.
    """

    name: str
    index: int
    seen: int
    held_out: IntArray
    points: JudgedPoints
    errors: Mapping[str, PointErrors]
    scale_mm: tuple[float, float, float]
    distance_px: tuple[float, float]
    change_percent: Mapping[str, float]


@dataclass(frozen=True)
class Check:
    """Result of :func:`kbnet.evaluation.held_out_points.check`.

    Attributes:
        unchecked: number of frames with too few points.
    """

    frames: tuple[CheckedFrame, ...]
    unchecked: int

    def overall(self) -> dict[str, PointErrors]:
        """Errors over the held-out points of all frames, by method; all points have equal weight."""
        return self._all().errors()

    def bands(self) -> list[Band]:
        """Errors by distance; bands with fewer than ``BAND_POINTS`` points are omitted."""
        return self._all().bands()

    def worst(self, method: str, count: int) -> list[CheckedFrame]:
        """Frames with the largest share of points far off, worst first; a share limits the influence of one outlier."""

        def badness(frame: CheckedFrame) -> tuple[float, float]:
            return frame.errors[method].off_percent, frame.errors[method].median_percent

        return sorted(self.frames, key=badness, reverse=True)[:count]

    def all_pixels_mm(self) -> float:
        """Estimated MAE of the first method over all pixels, millimetres; mean over frames.

        Points have texture and near neighbours, so their error is smaller than that of other pixels. The expected error
        gives the ratio of all pixels to held-out points. The error at held-out inliers calibrates its scale.
        """
        found, at_points, at_pixels = np.array([frame.scale_mm for frame in self.frames]).mean(axis=0)
        return float(at_pixels * found / at_points)

    def distance_px(self) -> tuple[float, float]:
        """Distance to the nearest input point, of held-out points and of all pixels, pixels; means over frames.

        If held-out points are nearer to input points than other pixels are, the error at pixels is larger; if they are
        farther, it is smaller.
        """
        at_points, at_pixels = np.array([frame.distance_px for frame in self.frames]).mean(axis=0).tolist()
        return at_points, at_pixels

    def change_percent(self) -> dict[str, float]:
        """Mean change of depth between checked frames by method, per cent; empty without poses."""
        changes = [frame.change_percent for frame in self.frames if frame.change_percent]
        return {name: float(np.mean([change[name] for change in changes])) for name in (changes[0] if changes else ())}

    def better_image(self) -> tuple[str, float] | None:
        """Direction of a moved image with the least error, and the decrease of MAE, per cent; None without a clear one.

        The direction is clear if the mean over at least `FEWEST_FRAMES` frames of ln (MAE / MAE as it is) is below zero
        by more than `CLEAR_ERRORS` standard errors. Then image and points do not fit: the extrinsics, K or time stamps
        are wrong.
        """
        found = []
        for name in (name for name in self.overall() if name.startswith(MOVED_IMAGE)):
            change = np.log([frame.errors[name].mae_mm / frame.errors[NETWORK].mae_mm for frame in self.frames])
            if len(change) < FEWEST_FRAMES:
                continue
            if change.mean() < -CLEAR_ERRORS * change.std(ddof=1) / np.sqrt(len(change)):
                found.append((name, 100 * (1 - float(np.exp(change.mean())))))
        return max(found, key=lambda one: one[1], default=None)

    def _all(self) -> JudgedPoints:
        return JudgedPoints.joined([frame.points for frame in self.frames])


def plain_frame(frame: CheckedFrame) -> dict[str, Any]:
    """Checked frame as plain values; float32 survives JSON exactly."""
    return {
        "name": frame.name,
        "index": frame.index,
        "seen": frame.seen,
        "held_out": frame.held_out.tolist(),
        "true": frame.points.true.tolist(),
        "depths": {method: depth.tolist() for method, depth in frame.points.depths.items()},
        "scale_mm": frame.scale_mm,
        "distance_px": frame.distance_px,
        "change_percent": dict(frame.change_percent),
    }


def frame_from_plain(plain: dict[str, Any]) -> CheckedFrame:
    """The inverse of :func:`plain_frame`."""
    depths = {method: np.array(depth, np.float32) for method, depth in plain["depths"].items()}
    points = JudgedPoints(np.array(plain["true"], np.float32), depths)
    scale_mm, distance_px = (tuple(plain[name]) for name in ("scale_mm", "distance_px"))
    return CheckedFrame(
        plain["name"],
        plain["index"],
        plain["seen"],
        np.array(plain["held_out"], np.int64),
        points,
        points.errors(),
        scale_mm,
        distance_px,
        plain["change_percent"],
    )
