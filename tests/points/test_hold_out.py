"""Points put aside: none is seen and judged, none is lost, and the draw is the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from kbnet.frame import FloatArray, Frame
from kbnet.points.hold_out import draw_pixels, hold_out_points
from kbnet.points.tracked_hold_out import TrackedHoldOut

K = np.array([[50, 0, 30], [0, 50, 20], [0, 0, 1]], np.float32)


def _frame(sparse_depth: FloatArray, truth: FloatArray | None = None) -> Frame:
    return Frame(np.zeros((*sparse_depth.shape, 3), np.uint8), sparse_depth, K, truth, name="a")


def _points(seed: int = 0, share: float = 0.3) -> FloatArray:
    generator = np.random.default_rng(seed)
    depth = generator.uniform(1, 4, (40, 60)).astype(np.float32)
    return np.where(generator.random(depth.shape) < share, depth, np.float32(0))


def test_hold_out_points_parts_them_without_rest() -> None:
    sparse_depth = _points()
    frame = hold_out_points(_frame(sparse_depth, truth=np.ones_like(sparse_depth)), 3, share=0.2)
    assert frame is not None
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(frame.sparse_depth + frame.ground_truth, sparse_depth)
    assert not (frame.sparse_depth * frame.ground_truth).any()
    assert 0.15 < np.count_nonzero(frame.ground_truth) / np.count_nonzero(sparse_depth) < 0.25


def test_hold_out_points_draws_pixels_from_the_index_alone() -> None:
    def withheld(sparse_depth: FloatArray, index: int) -> FloatArray:
        frame = hold_out_points(_frame(sparse_depth), index)
        assert frame is not None
        assert frame.ground_truth is not None
        return frame.ground_truth

    many, few = _points(share=0.5), _points()
    both = (many > 0) & (few > 0)
    np.testing.assert_array_equal(withheld(many, 1)[both] > 0, withheld(few, 1)[both] > 0)
    assert (withheld(many, 1) != withheld(many, 2)).any()


def test_a_tracked_landmark_is_held_out_in_all_frames_or_in_none() -> None:
    """A camera moves sideways past 40 landmarks, which it measures in every frame, to the nearest pixel."""
    rows, columns = (10 * np.mgrid[1:5, 1:11]).reshape(2, -1)
    hold_out, held_out = TrackedHoldOut(share=0.3), []
    for index in range(8):
        seen = columns - index
        frame = _frame(np.zeros((50, 120), np.float32))
        frame.sparse_depth[rows, seen] = 2.0
        T_world_camera = np.eye(4, dtype=np.float32)
        T_world_camera[0, 3] = 2.0 * (index + 0.4) / K[0, 0]  # 0.4 pixels beside what the points say
        parted = hold_out(replace(frame, T_world_camera=T_world_camera), index)
        assert parted is not None
        assert parted.ground_truth is not None
        held_out.append(parted.ground_truth[rows, seen] > 0)
        np.testing.assert_array_equal(parted.sparse_depth + parted.ground_truth, frame.sparse_depth)
    assert (np.array(held_out) == held_out[0]).all()
    assert 4 <= held_out[0].sum() <= 20


def test_new_points_of_a_video_are_drawn_anew() -> None:
    hold_out = TrackedHoldOut()
    frames = [replace(_frame(_points(seed, share=0.02)), T_world_camera=np.eye(4, dtype=np.float32)) for seed in (0, 1)]
    for index, frame in enumerate(frames):
        parted = hold_out(frame, index)
        assert parted is not None
        assert parted.ground_truth is not None
        assert 0.05 < np.count_nonzero(parted.ground_truth) / np.count_nonzero(frame.sparse_depth) < 0.4


@pytest.mark.parametrize("points", [0, 1])
def test_hold_out_points_gives_nothing_where_a_part_would_be_empty(points: int) -> None:
    sparse_depth = np.zeros((40, 60), np.float32)
    sparse_depth.flat[:points] = 1
    assert hold_out_points(_frame(sparse_depth), 0) is None


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 20.0])
def test_hold_out_points_refuses_a_share_that_leaves_a_part_empty(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out_points(_frame(_points()), 0, share=share)


def test_hold_out_points_by_patches_leaves_no_neighbour_of_most_points() -> None:
    """Every pixel is measured: of a patch's points, those inside have all eight neighbours held out with them."""
    frame = hold_out_points(_frame(np.ones((60, 90), np.float32)), 2, by="patches")
    assert frame is not None
    assert frame.ground_truth is not None
    unseen = frame.ground_truth > 0
    assert 0.1 < unseen.mean() < 0.3
    around = minimum_filter(unseen, 3)
    assert around.sum() > 0.5 * unseen.sum()


def test_draw_pixels_is_the_same_for_every_kind_of_sparse_depth() -> None:
    one, same, other = (draw_pixels((40, 60), index, by="patches") for index in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
