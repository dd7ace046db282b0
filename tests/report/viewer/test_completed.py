"""What of a completed frame is drawn, and the bar that says what colours mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kbnet.frames.sequence import Sequence
from kbnet.report.colour import colourise
from kbnet.report.viewer.completed import Completed, colour_bar, completed_frames, limits


def test_dense_points_are_the_confident_ones(completed: Callable[[int], Completed]) -> None:
    frame = completed(0)
    image = frame.frame.image
    assert len(frame.dense_points(image, 1.0, 10_000)[0]) == 40 * 48
    points, colours = frame.dense_points(image, 0.5, 10_000)
    assert len(points) == len(colours) == 20 * 48
    assert (points[:, 1] < 0).all(), "the upper half: y points down"


def test_dense_points_are_thinned_on_a_grid(completed: Callable[[int], Completed]) -> None:
    frame = completed(0)
    assert frame.step(10_000) == 1
    points, _ = frame.dense_points(frame.frame.image, 1.0, 500)
    assert frame.step(500) == 2
    assert len(points) == 20 * 24


def test_sparse_points_come_with_their_depth(completed: Callable[[int], Completed]) -> None:
    points, depth = completed(1).sparse_points()
    assert points.shape == (30, 3)
    assert (depth == 2.5).all()


def test_completed_frames_are_completed_once(sequence: Sequence) -> None:
    calls = []

    def complete(frame: Any) -> Any:
        calls.append(frame.name)
        return frame.ground_truth, frame.ground_truth

    completed = completed_frames(sequence, complete)
    for index in (0, 1, 0, 1):
        completed(index)
    assert calls == ["0", "1"]


def test_colour_bar_goes_from_end_to_end_in_the_colours_of_depth() -> None:
    bar = colour_bar(0.8, 4.2, "depth")
    ends = colourise(np.array([[0.8, 4.2]], np.float32), 0.8, 4.2)
    assert bar[10, 8].tolist() == ends[0, 0].tolist()
    assert bar[10, -9].tolist() == ends[0, 1].tolist()
    assert (bar[28:] < 100).any(), "figures stand below"


def test_limits_are_apart_even_of_one_value_or_none() -> None:
    assert limits(np.array([2.0, 2.0])) == (2.0, 2.01)
    assert limits(np.zeros(0)) == (0.0, 1.0)
