"""Degraded frames: K and points agree after rescaling, noise is what it says, and what should stay stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies.degradation import CURVES, READ_NOISE_LEVELS, SHOT_NOISE_LEVELS, Condition, RescaledCrop, darken, degrade

from kbnet.frame import FloatArray, Frame
from kbnet.frames.sequence import Sequence

EXACT = Condition(points=60, range_noise=0.0, outlier_share=0.0)


@pytest.fixture
def frame(room: Path) -> Frame:
    return Sequence(room).frame(3)


def draws() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_standard_condition_draws_true_points_and_leaves_the_frame(frame: Frame) -> None:
    seen = degrade(frame, EXACT, draws())
    np.testing.assert_array_equal(seen.image, frame.image)
    np.testing.assert_array_equal(seen.intrinsics, frame.intrinsics)
    assert seen.ground_truth is not None
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(seen.ground_truth, frame.ground_truth)
    points = seen.sparse_depth > 0
    assert points.sum() == 60
    np.testing.assert_array_equal(seen.sparse_depth[points], frame.ground_truth[points])


@pytest.mark.parametrize("scale", [0.6, 0.75, 1.4, 2.0])
def test_rescaling_moves_points_and_intrinsics_together(frame: Frame, scale: float) -> None:
    """A plane seen by one camera: where a point goes, its ray must find it again."""
    height, width = frame.size
    rows, columns = np.mgrid[:height, :width]
    normal = np.array([0.1, 0.2, 1.0])
    plane = plane_depth(frame.intrinsics, rows, columns, normal)
    view = RescaledCrop.rescaled(frame.size, scale)
    points = view.of_points(np.where(rows % 4 + columns % 4 == 0, plane, np.float32(0)))
    rows, columns = np.nonzero(points)
    assert rows.size > 50
    expected = plane_depth(view.of_intrinsics(frame.intrinsics), rows, columns, normal)
    # Points go to whole pixels: half a pixel of the view.
    slope = np.abs(np.gradient(plane)).max() / scale
    assert np.abs(points[rows, columns] - expected).max() < slope * 1.05
    assert np.abs(np.mean(points[rows, columns] - expected)) < 0.6 * slope


def plane_depth(K: FloatArray, rows: np.ndarray, columns: np.ndarray, normal: np.ndarray) -> FloatArray:
    """Depth of the plane normal · x = 2 at some pixels, metres."""
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(rows.shape)], axis=-1)
    return (2 / (rays @ normal)).astype(np.float32)


@pytest.mark.parametrize(("scale", "size"), [(0.6, (36, 48)), (1.0, (60, 80)), (2.0, (60, 80))])
def test_rescaled_frames_keep_their_number_of_points_and_fit_their_truth(
    frame: Frame, scale: float, size: tuple[int, int]
) -> None:
    seen = degrade(frame, Condition(20, 0.0, 0.0, focal_scale=scale), draws())
    assert seen.size == size
    assert seen.ground_truth is not None
    points = seen.sparse_depth > 0
    assert 18 <= points.sum() <= 20, "two may fall onto one pixel"
    near = np.abs(seen.ground_truth[points] - seen.sparse_depth[points])
    assert np.median(near) < 0.02
    assert set(np.unique(seen.ground_truth)) <= set(np.unique(frame.ground_truth))


def test_frame_size_and_scene_scale_leave_the_scene(frame: Frame) -> None:
    standard = degrade(frame, EXACT, draws())
    small = degrade(frame, replace(EXACT, frame_scale=0.6), draws())
    assert small.size == (36, 48)
    assert small.intrinsics[0, 0] == pytest.approx(0.6 * frame.intrinsics[0, 0])
    large = degrade(frame, replace(EXACT, scene_scale=3), draws())
    np.testing.assert_array_equal(large.image, frame.image)
    np.testing.assert_allclose(large.sparse_depth, 3 * standard.sparse_depth)


def test_moved_points_collide_in_favour_of_the_nearer() -> None:
    view = RescaledCrop.rescaled((64, 64), 0.5)
    depth = np.zeros((64, 64), np.float32)
    depth[20, 20], depth[21, 21] = 3.0, 2.0
    moved = view.of_points(depth)
    assert moved[10, 10] == 2.0
    assert np.count_nonzero(moved) == 1


def test_levels_share_their_points(frame: Frame) -> None:
    points = [
        degrade(frame, condition, draws()).sparse_depth
        for condition in (EXACT, Condition(60, 0.05, 0.0), Condition(60, 0.0, 0.0, blur_sigma_px=2, gain=0.2))
    ]
    np.testing.assert_array_equal(points[0], points[2])
    np.testing.assert_array_equal(points[0] > 0, points[1] > 0)
    noise = np.log(points[1][points[1] > 0] / points[0][points[0] > 0])
    assert 0.03 < noise.std() < 0.07


def test_blur_and_darkness_change_the_image_alone(frame: Frame) -> None:
    blurred = degrade(frame, Condition(60, 0.0, 0.0, blur_sigma_px=2), draws())
    assert np.abs(np.diff(blurred.image.astype(int), axis=1)).mean() < 0.5 * (
        np.abs(np.diff(frame.image.astype(int), axis=1)).mean()
    )
    assert blurred.image.mean() == pytest.approx(frame.image.mean(), rel=0.02)


@pytest.mark.parametrize("gain", [0.1, 0.5])
def test_darkness_has_the_noise_of_a_sensor(gain: float) -> None:
    grey = np.full((200, 200, 3), 160, np.uint8)
    dark = darken(grey, gain, draws()).astype(float)
    assert dark.mean() == pytest.approx(gain * 160, rel=0.02)
    carried = gain**2 * (SHOT_NOISE_LEVELS * 160 + READ_NOISE_LEVELS**2)
    whole = SHOT_NOISE_LEVELS * gain * 160 + READ_NOISE_LEVELS**2
    rounding = 1 / 12
    assert dark.var() == pytest.approx(whole - carried + rounding, rel=0.05)
    np.testing.assert_array_equal(darken(grey, 1.0, draws()), grey)


def test_every_curve_passes_through_a_level_that_changes_nothing_or_is_usual() -> None:
    standard = Condition()
    for curve in CURVES:
        conditions = curve.conditions(standard)
        assert len(conditions) == len(curve.levels)
        if curve.name != "points":
            assert replace(standard, **dict(curve.fixed)) in conditions.values(), curve.name


@pytest.mark.parametrize("wrong", [{"focal_scale": 0.0}, {"blur_sigma_px": -1.0}, {"gain": 0.0}, {"gain": 1.5}])
def test_conditions_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected a positive focal_scale"):
        Condition(**wrong)  # type: ignore[arg-type]


def test_frames_too_small_or_without_truth_are_refused(frame: Frame) -> None:
    with pytest.raises(ValueError, match="at least 32 pixels"):
        degrade(frame, Condition(focal_scale=0.3), draws())
    with pytest.raises(ValueError, match="expected ground truth"):
        degrade(Frame(frame.image, frame.sparse_depth, frame.intrinsics), Condition(), draws())
