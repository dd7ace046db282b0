"""Boundary F1: agreement of the occlusion edges of a depth map with those of dense ground truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from kbnet.errors import KBNetError
from kbnet.evaluation.metrics import judged_pixels

FloatArray = NDArray[np.float64]

THRESHOLDS = np.linspace(1.05, 1.25, 10)
"""Depth ratios of two neighbouring pixels, farther over nearer, above which the pair is an edge."""
TOLERANCE_PX = 3
"""Two edges match up to this Euclidean distance."""
DENSE_SHARE = 0.5
"""Ground truth is dense if at least this share of the pixels is measured."""


def has_boundaries(ground_truth: NDArray[np.floating]) -> bool:
    """Whether at least half of the pixels are measured, so that edges of ground truth are known.

    Args:
        ground_truth: true depth, (H, W), metres; 0 = unmeasured.
    """
    return bool(np.count_nonzero(ground_truth > 0) >= DENSE_SHARE * ground_truth.size)


def boundary_f1(
    depth: NDArray[np.floating], ground_truth: NDArray[np.floating], *, min_depth: float, max_depth: float
) -> float:
    """Compare the occlusion edges of a depth map with those of ground truth.

    After the boundary F1 of Depth Pro (Bochkovskii et al. 2024), with a tolerance:

    - A pair of horizontal or vertical neighbours is an edge at threshold t if farther / nearer depth > t. It has one
      of four directions: the farther pixel is right, left, below or above.
    - Pairs count only if both pixels are in `kbnet.evaluation.metrics.judged_pixels`, in both maps.
    - Precision of a direction: share of predicted edges that have a true edge of the same direction and threshold
      within 3 px (Euclidean distance between the pairs). Recall: share of true edges that have such a predicted edge.
    - Precision is the mean over directions with a predicted edge, recall over directions with a true edge.
    - F1 = 2 · precision · recall / (precision + recall); 0 if nothing matches.
    - The result is the mean of F1 over ten thresholds from 1.05 to 1.25, weighted by t. Thresholds at which ground
      truth has no edge are left out.

    Depth Pro has no tolerance, means over all four directions, and gives thresholds without a true edge F1 = 0.

    Args:
        depth: completed depth, (H, W), metres; must be positive at evaluated pixels.
        ground_truth: true depth, (H, W), metres; 0 = unmeasured.
        min_depth, max_depth: limits on the ground truth, metres, both excluded.

    Returns:
        0 to 1, higher is better; NaN if ground truth has no edge.

    Raises:
        KBNetError: the shapes differ.

    Example:
        >>> step = np.array([[1.0, 1.0, 2.0, 2.0]])
        >>> boundary_f1(step + 1.0, step, min_depth=0.0, max_depth=100.0)
        1.0
        >>> boundary_f1(step[:, ::-1], step, min_depth=0.0, max_depth=100.0)
        0.0
    """
    if depth.shape != ground_truth.shape:
        raise KBNetError(
            f"depth has shape {depth.shape} but ground_truth {ground_truth.shape}; they must be aligned, pixel by pixel"
        )
    judged = judged_pixels(ground_truth, min_depth=min_depth, max_depth=max_depth)
    true = _edge_strengths(ground_truth, judged)
    predicted = _edge_strengths(depth, judged)
    has_edge = max(strength.max(initial=0.0) for strength in true) > THRESHOLDS
    if not has_edge.any():
        return float("nan")
    precision, recall = _matched_share(predicted, true), _matched_share(true, predicted)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    return float(np.average(f1[has_edge], weights=THRESHOLDS[has_edge]))


def _edge_strengths(depth: NDArray[np.floating], judged: NDArray[np.bool_]) -> list[FloatArray]:
    """Depth ratio of each pair, 0 where it does not count: farther right, left, (H, W - 1), below, above (H - 1, W)."""
    filled = np.where(judged, depth, 1.0).astype(np.float64)
    strengths = []
    for near, far in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        counts = judged[near] & judged[far]
        strengths += [counts * (filled[far] / filled[near]), counts * (filled[near] / filled[far])]
    return strengths


def _matched_share(strengths: list[FloatArray], others: list[FloatArray]) -> FloatArray:
    """Share of edges with one of the other map within the tolerance, (T,); mean over directions with an edge, or 0."""
    # An edge at t has a match at t if the largest strength nearby exceeds t, so that one filter serves all thresholds.
    offset = np.mgrid[-TOLERANCE_PX : TOLERANCE_PX + 1, -TOLERANCE_PX : TOLERANCE_PX + 1]
    nearby = np.square(offset).sum(axis=0) <= TOLERANCE_PX**2
    shares, directions = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    for strength, other in zip(strengths, others, strict=True):
        at = strength > THRESHOLDS[0]
        if at.any():
            largest_nearby = maximum_filter(other, footprint=nearby, mode="constant")[at]
            edges = np.count_nonzero(strength[at][:, None] > THRESHOLDS, axis=0)
            matched = np.minimum(strength[at], largest_nearby)[:, None] > THRESHOLDS
            shares += np.count_nonzero(matched, axis=0) / np.maximum(edges, 1)
            directions += edges > 0
    return shares / np.maximum(directions, 1)
