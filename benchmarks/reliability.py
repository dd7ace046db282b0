"""Expected against true error of completed depth: figures of frames with ground truth, a plot, and the fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import nnls

from kbnet.errors import KBNetError
from kbnet.evaluation.ground_truth import EVALUATION_LIMITS
from kbnet.evaluation.metrics import judged_pixels
from kbnet.files import atomic_path
from kbnet.frame import Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.confidence import LEAST_ERROR, complete_with_confidence, error_cues, inlier_depth, most_confident

Float64Array = NDArray[np.float64]

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Shares of the pixels that are kept, most confident first."""
EDGES_M = np.geomspace(0.005, 5, 19)
"""Bins of expected error."""
FIT_STRIDE = 3
"""The fit takes every third pixel of every third row."""
LOW, HIGH = EVALUATION_LIMITS["void"]


@dataclass
class Figures:
    """What one sequence and kind of sparse depth shows.

    Attributes:
        kept_mm: a frame's MAE over the most confident pixels, by ``SHARES``; one row a frame.
        near_mm: the same for the nearest pixels in place of the most confident ones.
        expected_mm: a frame's mean expected error.
        bins: pixels, sum of expected and sum of true error, metres, by expected error, (bins, 3).
    """

    kept_mm: list[list[float]] = field(default_factory=list)
    near_mm: list[list[float]] = field(default_factory=list)
    expected_mm: list[float] = field(default_factory=list)
    bins: Float64Array = field(default_factory=lambda: np.zeros((len(EDGES_M) + 1, 3)))

    def add(self, depth: Float64Array, truth: Float64Array, expected: Float64Array) -> None:
        """Take in the judged pixels of one frame, (N,) each, metres."""
        error = np.abs(depth - truth)
        for rows, order in ((self.kept_mm, expected), (self.near_mm, depth)):
            rows.append([1000 * float(error[most_confident(order, share)].mean()) for share in SHARES])
        self.expected_mm.append(1000 * float(expected.mean()))
        place = np.digitize(expected, EDGES_M)
        for column, values in enumerate((np.ones_like(error), expected, error)):
            self.bins[:, column] += np.bincount(place, values, minlength=len(self.bins))


def measure(frames: Iterable[Frame], completer: DepthCompleter) -> Figures:
    """Complete frames with their expected error, and compare with the truth."""
    figures = Figures()
    for frame in frames:
        maps = complete_with_confidence(completer, frame)
        truth, judged = _truth(frame)
        if judged.any():
            depth, expected = (one[judged].astype(np.float64) for one in maps)
            figures.add(depth, truth[judged], expected)
    return figures


def cues_and_errors(
    source: FrameSource, indices: Iterable[int], completer: DepthCompleter
) -> tuple[Float64Array, Float64Array]:
    """What :func:`fit_weights` takes, of some pixels of these frames."""
    cues, errors = [np.empty((0, 3))], [np.empty(0)]
    for frame in map(source.frame, indices):
        depth = completer(frame.image, frame.sparse_depth, frame.intrinsics)
        believed = inlier_depth(completer, frame.sparse_depth, frame.intrinsics)
        truth, judged = _truth(frame)
        taken = np.zeros(frame.size, np.bool_)
        taken[::FIT_STRIDE, ::FIT_STRIDE] = judged[::FIT_STRIDE, ::FIT_STRIDE]
        cues.append(error_cues(depth, believed, frame.intrinsics)[:, taken].T.astype(np.float64))
        errors.append(np.abs(depth - truth)[taken] / depth[taken])
    return np.concatenate(cues), np.concatenate(errors)


def _truth(frame: Frame) -> tuple[Float64Array, NDArray[np.bool_]]:
    if frame.ground_truth is None:
        raise KBNetError(f"expected ground truth to judge by, but frame {frame.name} has none")
    return frame.ground_truth.astype(np.float64), judged_pixels(frame.ground_truth, min_depth=LOW, max_depth=HIGH)


def fit_weights(cues: Float64Array, errors: Float64Array) -> list[float]:
    """Weights of cues, (N, 3), whose sum is the mean relative error, (N,), whatever the cues are."""
    importance = np.ones_like(errors)
    for _ in range(8):
        weights, _ = nnls(cues * importance[:, None], errors.clip(max=1) * importance)
        importance = 1 / np.maximum(cues @ weights, LEAST_ERROR)
    return [float(weight) for weight in weights]


def draw(path: Path, figures: Mapping[tuple[str, str], Figures]) -> None:
    """Expected against true error, and the error of the most confident share of the pixels."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    reliability, ranking = figure.subplots(1, 2)
    for (name, kind), one in figures.items():
        used = one.bins[:, 0] > 0.002 * one.bins[:, 0].sum()
        pixels, expected, true = one.bins[used].T
        (line,) = reliability.plot(expected / pixels, true / pixels, "o-", markersize=3, linewidth=1)
        kept = np.mean(one.kept_mm, axis=0)
        ranking.plot([100 * share for share in SHARES], kept, color=line.get_color(), label=f"{name}, {kind}")
    reliability.axline((0.01, 0.01), (1, 1), color="grey", linestyle="--", linewidth=1)
    reliability.set(xscale="log", yscale="log", xlabel="expected error [m]", ylabel="mean true error [m]")
    reliability.set_title("on the dashed line it is as expected", fontsize=10)
    ranking.set(xlabel="most confident pixels that are kept [%]", ylabel="MAE [mm]", ylim=(0, None))
    ranking.set_title("error of what is kept", fontsize=10)
    ranking.legend(fontsize=7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
