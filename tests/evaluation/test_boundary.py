"""Boundary F1: hand arithmetic on small maps, a slow loop, the demo scene, maps without edges or ground truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from kbnet.evaluation.boundary import THRESHOLDS, boundary_f1, has_boundaries
from kbnet.frame import FloatArray
from kbnet.points.interpolation import linear

LIMITS = {"min_depth": 0.2, "max_depth": 10.0}


def step(column: int, *, near: float = 1.0, far: float = 2.0, size: tuple[int, int] = (6, 24)) -> FloatArray:
    """Depth that steps from near to far at a column, the first one that is far."""
    depth = np.full(size, near, np.float32)
    depth[:, column:] = far
    return depth


def f1(depth: FloatArray, ground_truth: FloatArray) -> float:
    return boundary_f1(depth, ground_truth, **LIMITS)


def test_thresholds_are_those_of_depth_pro() -> None:
    np.testing.assert_allclose(THRESHOLDS, 1.05 + 0.2 * np.arange(10) / 9)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_ground_truth_at_any_scale_has_exactly_one(scale: float) -> None:
    truth = np.random.default_rng(0).uniform(1, 2, (20, 30)).astype(np.float32)
    assert f1(scale * truth, truth) == 1.0


@pytest.mark.parametrize(("shift", "expected"), [(-4, 0.0), (-3, 1.0), (3, 1.0), (4, 0.0)])
def test_an_edge_matches_within_three_pixels(shift: int, expected: float) -> None:
    assert f1(step(12 + shift), step(12)) == expected
    assert f1(step(12 + shift).T, step(12).T) == expected


@pytest.mark.parametrize(("rows", "columns", "expected"), [(2, 2, 1.0), (0, 3, 1.0), (1, 3, 0.0), (3, 3, 0.0)])
def test_the_tolerance_is_a_euclidean_distance(rows: int, columns: int, expected: float) -> None:
    # One far pixel has one edge in each of the four directions.
    truth, depth = np.ones((12, 12)), np.ones((12, 12))
    truth[4, 4] = depth[4 + rows, 4 + columns] = 2.0
    assert f1(depth, truth) == expected


def test_a_step_of_the_other_sign_is_no_match() -> None:
    assert f1(step(12, near=2.0, far=1.0), step(12)) == 0.0
    assert f1(step(12, near=2.0, far=1.0).T, step(12).T) == 0.0


def test_a_horizontal_step_does_not_match_a_vertical_one() -> None:
    assert f1(step(12, size=(24, 24)).T, step(12, size=(24, 24))) == 0.0


def test_precision_and_recall_by_hand() -> None:
    # Two true edges and a predicted one 4 px away from one of them: precision 1/2, recall 1/2 at every threshold.
    truth = np.array([[1.0] * 8 + [2.0] * 8 + [4.0] * 8])
    depth = np.array([[1.0] * 4 + [2.0] * 12 + [4.0] * 8])
    assert f1(depth, truth) == pytest.approx(0.5)
    # One of two true edges and nothing else: precision 1, recall 1/2.
    assert f1(np.array([[1.0] * 8 + [2.0] * 16]), truth) == pytest.approx(2 / 3)


def test_directions_with_an_edge_weigh_the_same() -> None:
    truth = step(12, size=(8, 24))
    truth[4:] = 2.0  # 12 pairs have the farther pixel below, 4 at the right
    depth = np.ones((8, 24))
    depth[4:] = 2.0  # 24 pairs have it below, 15 of them within 3 px of a true one; none at the right
    precision, recall = 15 / 24, (1 + 0) / 2
    assert f1(depth, truth) == pytest.approx(2 * precision * recall / (precision + recall))


def test_thresholds_weigh_by_their_ratio() -> None:
    # A true edge at all ten thresholds; a predicted one of ratio 1.1 only at those below.
    found = THRESHOLDS[THRESHOLDS < 1.1].sum() / THRESHOLDS.sum()
    assert f1(step(12, far=1.1), step(12)) == pytest.approx(found)


def test_thresholds_without_a_true_edge_are_left_out() -> None:
    assert f1(step(12), step(12, far=1.1)) == 1.0


def test_constant_depth_has_zero() -> None:
    assert f1(np.full((6, 24), 1.5), step(12)) == 0.0


@pytest.mark.parametrize("truth", [np.zeros((6, 24)), np.full((6, 24), 2.0), step(12, far=1.04), np.ones((1, 1))])
def test_ground_truth_without_an_edge_has_nan(truth: FloatArray) -> None:
    assert np.isnan(f1(np.resize(step(10), truth.shape), truth))


def test_pairs_with_an_unmeasured_pixel_do_not_count() -> None:
    truth, depth = step(12), step(12)
    depth[:, 18:] = 6.0  # an edge that is false ...
    assert f1(depth, truth) < 1.0
    truth[:, 18] = 0.0  # ... unless ground truth is unmeasured at one of its pixels
    assert f1(depth, truth) == 1.0
    truth[:, 11] = 0.0
    assert np.isnan(f1(depth, truth)), "no edge runs across a hole"


def test_pairs_beyond_the_limits_do_not_count() -> None:
    truth = step(12, far=11.0)
    assert np.isnan(f1(step(12), truth))
    depth = truth.copy()
    depth[:, 12:] = np.nan
    assert np.isnan(f1(depth, truth)), "depth is not looked at where it is not judged"


def test_boundary_f1_agrees_with_a_slow_loop() -> None:
    generator = np.random.default_rng(1)
    truth = np.exp(0.12 * generator.standard_normal((14, 17)))
    depth = truth * np.exp(0.05 * generator.standard_normal(truth.shape))
    truth[generator.random(truth.shape) < 0.1] = 0.0
    assert 0.5 < f1(depth, truth) < 1.0
    assert f1(depth, truth) == pytest.approx(_slow_f1(depth, truth), abs=1e-12)


def _slow_edges(depth: FloatArray, truth: FloatArray, t: float, direction: tuple[int, int]) -> list[tuple[int, int]]:
    """Nearer pixels of the edges whose farther pixel lies in a direction."""
    rows, columns = depth.shape
    found = []
    for y in range(rows):
        for x in range(columns):
            v, u = y + direction[0], x + direction[1]
            inside = 0 <= v < rows and 0 <= u < columns
            if inside and truth[y, x] > 0 and truth[v, u] > 0 and depth[v, u] / depth[y, x] > t:
                found.append((y, x))
    return found


def _slow_f1(depth: FloatArray, truth: FloatArray) -> float:
    total = weights = 0.0
    for t in THRESHOLDS:
        precisions, recalls = [], []
        for direction in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            predicted, true = (_slow_edges(map_, truth, t, direction) for map_ in (depth, truth))
            for shares, edges, others in ((precisions, predicted, true), (recalls, true, predicted)):
                if edges:
                    near = [any((y - v) ** 2 + (x - u) ** 2 <= 9 for v, u in others) for y, x in edges]
                    shares.append(sum(near) / len(near))
        if recalls:
            precision, recall = (sum(shares) / max(len(shares), 1) for shares in (precisions, recalls))
            total += t * (2 * precision * recall / (precision + recall) if precision + recall else 0)
            weights += t
    return total / weights


def test_boundary_f1_of_the_demo_scene_orders_sharp_blurred_and_interpolated() -> None:
    pytest.importorskip("skimage")
    from kbnet.datasets.motorcycle import load_motorcycle

    frame = load_motorcycle()
    truth = frame.ground_truth
    assert truth is not None
    assert has_boundaries(truth)
    weight = gaussian_filter((truth > 0).astype(np.float32), 1.5)
    blurred = np.where(truth > 0, gaussian_filter(truth, 1.5) / np.maximum(weight, 1e-6), 1.0)
    assert f1(truth, truth) == 1.0
    assert f1(blurred, truth) == pytest.approx(0.27, abs=0.02)
    assert f1(linear(frame.sparse_depth), truth) == pytest.approx(0.07, abs=0.01)


@pytest.mark.parametrize(("measured", "expected"), [(0, False), (9, False), (10, True), (20, True)])
def test_ground_truth_is_dense_from_half_of_the_pixels_on(measured: int, expected: bool) -> None:
    truth = np.zeros(20)
    truth[:measured] = 2.0
    assert has_boundaries(truth.reshape(4, 5)) is expected


def test_boundary_f1_names_two_shapes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) but ground_truth \(2, 3\)"):
        f1(np.ones((2, 2)), np.ones((2, 3)))
