"""Flicker: zero for true depth and for a constant factor, the known change for a factor that changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kbnet.evaluation.flicker import change_percent, covisible_pixels, flicker_percent
from kbnet.frame import Frame
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames


@pytest.fixture(scope="module")
def pair() -> tuple[Frame, Frame]:
    """Two neighbouring frames of a camera that walks through a room."""
    first, second = (
        replace(frame, T_world_camera=pose)
        for frame, pose, _ in synthetic_frames(SyntheticConfig(frames=2, width=160, height=120))
    )
    return first, second


def test_covisible_pixels_show_the_same_point(pair: tuple[Frame, Frame]) -> None:
    previous, frame = pair
    here, there = covisible_pixels(previous, frame)
    assert here.shape[1] > 0.5 * frame.image.shape[0] * frame.image.shape[1] / 4
    positions = []
    for one, (rows, columns) in ((frame, here), (previous, there)):
        assert one.ground_truth is not None
        assert one.T_world_camera is not None
        depth = one.ground_truth[rows, columns]
        xyz = np.linalg.solve(one.intrinsics.astype(float), np.stack([columns * depth, rows * depth, depth]))
        positions.append(one.T_world_camera[:3, :3] @ xyz + one.T_world_camera[:3, 3:])
    assert np.median(np.linalg.norm(positions[0] - positions[1], axis=0)) < 0.02


@pytest.mark.parametrize(("first", "second", "expected"), [(1, 1, 0), (1.1, 1.1, 0), (1, 1.02, 1.98), (1.03, 1, 2.956)])
def test_flicker_is_the_change_of_the_relative_error(
    first: float, second: float, expected: float, pair: tuple[Frame, Frame]
) -> None:
    previous, frame = pair
    assert previous.ground_truth is not None
    assert frame.ground_truth is not None
    covisible = covisible_pixels(previous, frame)
    flicker = flicker_percent(previous.ground_truth * first, frame.ground_truth * second, previous, frame, covisible)
    assert flicker == pytest.approx(expected, abs=0.01)


def test_without_a_common_pixel_there_is_no_flicker(pair: tuple[Frame, Frame]) -> None:
    previous, frame = pair
    far = np.eye(4)
    far[2, 3] = 100.0
    away = replace(frame, T_world_camera=frame.T_world_camera @ far)
    covisible = covisible_pixels(previous, away)
    assert frame.ground_truth is not None
    assert flicker_percent(frame.ground_truth, frame.ground_truth, previous, away, covisible) is None


@pytest.mark.parametrize(("first", "second", "expected"), [(1, 1, 0), (1, 1.02, 1.98), (1.03, 1, 2.956)])
def test_change_of_depth_is_measured_without_ground_truth(
    first: float, second: float, expected: float, pair: tuple[Frame, Frame]
) -> None:
    previous, frame = pair
    assert previous.ground_truth is not None
    assert frame.ground_truth is not None
    change = change_percent(previous.ground_truth * first, frame.ground_truth * second, previous, frame)
    assert change == pytest.approx(expected, abs=0.15)


def test_an_occluded_surface_is_no_change(pair: tuple[Frame, Frame]) -> None:
    previous, frame = pair
    assert frame.ground_truth is not None
    still = replace(frame, T_world_camera=previous.T_world_camera)
    hidden = frame.ground_truth.copy()
    hidden[20:60, 30:90] *= 0.5  # an object that came close to the camera
    assert change_percent(frame.ground_truth, hidden, previous, still) == pytest.approx(0, abs=1e-4)


def test_without_a_common_pixel_there_is_no_change(pair: tuple[Frame, Frame]) -> None:
    previous, frame = pair
    assert frame.ground_truth is not None
    away = replace(frame, T_world_camera=np.diag([-1.0, 1.0, -1.0, 1.0]) @ frame.T_world_camera)
    assert change_percent(frame.ground_truth, frame.ground_truth, previous, away) is None
