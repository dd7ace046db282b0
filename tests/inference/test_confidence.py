"""The expected error: what raises it, its bounds, and that the pixels it trusts are better on a scene with truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.evaluation.ground_truth import EVALUATION_LIMITS
from kbnet.evaluation.metrics import judged_pixels
from kbnet.frame import FloatArray, Frame
from kbnet.frames.open import open_frames
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.confidence import (
    LEAST_ERROR,
    complete_with_confidence,
    expected_error,
    inlier_depth,
    most_confident,
)
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.points.interpolation import linear

K = np.array([[60, 0, 40], [0, 60, 30], [0, 0, 1]], np.float32)
SIZE = (60, 80)


def _points(depth: FloatArray, step: int = 6) -> FloatArray:
    points = np.zeros_like(depth)
    points[step // 2 :: step, step // 2 :: step] = depth[step // 2 :: step, step // 2 :: step]
    return points


def _wall(depth: float = 2.0) -> FloatArray:
    return np.full(SIZE, depth, np.float32)


def _completer() -> DepthCompleter:
    """A fresh network with a scaffold: the interpolation of the points."""
    filters = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    return DepthCompleter(KBNet(KBNetConfig(scaffold="linear", outlier_rule="support", **filters)), device="cpu")


def test_expected_error_grows_with_the_distance_to_points() -> None:
    points = np.zeros(SIZE, np.float32)
    points[20:40, 5] = 2.0
    error = expected_error(_wall(), points, K)[30]
    assert (np.diff(error[5:]) >= 0).all()
    assert error[75] > 5 * error[10]


def test_expected_error_is_large_at_a_step_and_where_points_disagree() -> None:
    depth = _wall()
    depth[:, 40:] = 4.0
    error = expected_error(depth, _points(depth), np.diag([150, 150, 1]).astype(np.float32))
    assert error[:, 38:42].min() > 4 * error[:, 10].max()
    flat = _points(_wall())
    alone = flat.copy()
    alone[33, 45] = 4.0
    completed = linear(alone)
    changed = expected_error(completed, alone, K) / completed
    assert changed[33, 45] > 5 * (expected_error(_wall(), flat, K) / 2)[33, 45]


def test_expected_error_scales_with_the_scene() -> None:
    depth = np.tile(np.linspace(1, 3, SIZE[1], dtype=np.float32), (SIZE[0], 1))
    once, twice = (expected_error(scale * depth, _points(scale * depth), K) for scale in (1, 2))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4)


def test_expected_error_stays_within_its_bounds() -> None:
    generator = np.random.default_rng(0)
    depth = generator.uniform(0.1, 8, SIZE).astype(np.float32)
    error = expected_error(depth, _points(depth), K)
    assert error.dtype == np.float32
    assert (error >= LEAST_ERROR * depth * 0.999).all()
    assert (error <= depth).all()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_expected_error_takes_a_handful_of_points(count: int) -> None:
    points = np.zeros(SIZE, np.float32)
    points.flat[np.arange(1, count + 1) * 701] = 2.0
    error = expected_error(_wall(), points, K)
    assert np.isfinite(error).all()
    assert error.max() > 0.2


def test_expected_error_without_points_is_the_depth_itself() -> None:
    np.testing.assert_array_equal(expected_error(_wall(), np.zeros(SIZE, np.float32), K), _wall())


def test_complete_with_confidence_leaves_depth_as_it_is_and_repeats() -> None:
    completer, image = _completer(), np.zeros((*SIZE, 3), np.uint8)
    points = _points(_wall())
    points[33, 45] = 7.0
    depth, error = complete_with_confidence(completer, Frame(image, points, K))
    np.testing.assert_array_equal(depth, completer(image, points, K))
    np.testing.assert_array_equal(error, complete_with_confidence(completer, Frame(image, points, K))[1])
    without = np.where(points == 7, np.float32(0), points)
    np.testing.assert_array_equal(error, expected_error(depth, without, K)), "an outlier is no point to go by"


def test_expected_error_of_a_large_frame_is_that_of_the_frame_at_the_working_size() -> None:
    config = KBNetConfig(scaffold="linear", outlier_rule="support", working_side=80)
    completer = DepthCompleter(KBNet(config), device="cpu")
    depth = np.full((182, 242), 2.0, np.float32)
    points = _points(depth, 18)
    points[99, 135] = 7.0
    large_K = np.array([[180, 0, 121], [0, 180, 91], [0, 0, 1]], np.float32)
    completed, error = complete_with_confidence(
        completer, Frame(np.zeros((*depth.shape, 3), np.uint8), points, large_K)
    )
    assert error.shape == completed.shape == depth.shape
    assert ((error > 0) & (error <= completed)).all()
    believed = inlier_depth(completer, points, large_K)
    np.testing.assert_array_equal(believed, np.where(points == 7, np.float32(0), points))
    small_K = np.array([[60, 0, 40], [0, 60, 30], [0, 0, 1]], np.float32)
    small = expected_error(completed[1::3, 1::3], believed[::3, ::3], small_K)
    np.testing.assert_allclose(error[1::3, 1::3][:59, :79], small[:59, :79], rtol=0.05)


def test_most_confident_takes_the_share_of_least_uncertainty() -> None:
    chosen = most_confident(np.array([[0.3, 0.1], [0.2, 0.2]]), 0.5)
    np.testing.assert_array_equal(chosen, [[False, True], [True, False]])
    assert most_confident(np.ones((3, 4)), 1.0).all()
    assert not most_confident(np.ones((3, 4)), 0.0).any()


def test_most_confident_pixels_of_a_real_room_are_far_better(shared: Path) -> None:
    source = open_frames(shared / "data" / "test" / "redkitchen", sparse_depth="sparse_depth_500")
    frame = source.frame(0)
    assert frame.ground_truth is not None
    low, high = EVALUATION_LIMITS["void"]
    judged = judged_pixels(frame.ground_truth, min_depth=low, max_depth=high)
    maps = complete_with_confidence(_completer(), frame)
    depth, expected = (one[judged] for one in maps)
    error = np.abs(depth - frame.ground_truth[judged])
    assert error[most_confident(expected, 0.5)].mean() < 0.6 * error.mean()
    assert error[most_confident(expected, 0.8)].mean() < 0.85 * error.mean()
    assert 0.5 < expected.mean() / error.mean() < 2
