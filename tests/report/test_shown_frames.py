"""Frames completed and compared: by ground truth within its limits, or by points that nobody saw."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from kbnet.evaluation.point_errors import Judging
from kbnet.frame import FloatArray, Frame
from kbnet.network.config import KBNetConfig
from kbnet.report.figures import ShownFrame, shown_frames

K = np.array([[50, 0, 24], [0, 50, 20], [0, 0, 1]], np.float32)


@dataclass
class Room:
    """Frames of a slope with points on every fourth pixel."""

    has_ground_truth: bool
    pointless: bool = False
    folder: Path = Path("room")

    def __len__(self) -> int:
        return 4

    def frame(self, index: int) -> Frame:
        truth = np.tile(np.linspace(1, 8, 48, dtype=np.float32), (40, 1))
        sparse = np.zeros_like(truth)
        if not self.pointless:
            sparse[::4, ::4] = truth[::4, ::4]
        frame = Frame(np.zeros((40, 48, 3), np.uint8), sparse, K, name=f"{index:04}")
        return replace(frame, ground_truth=truth) if self.has_ground_truth and index < 3 else frame


@dataclass
class Completer:
    """Every pixel gets the mean depth of the points; remembers how many it saw."""

    seen: list[int] = field(default_factory=list)
    config: Any = field(default_factory=KBNetConfig)

    def __call__(self, frame: Frame) -> FloatArray:
        self.seen.append(np.count_nonzero(frame.sparse_depth))
        points = frame.sparse_depth[frame.sparse_depth > 0]
        return np.full(frame.size, points.mean() if points.size else 1, np.float32)


def _shown(source: Room, *indices: int, completer: Any = None) -> list[ShownFrame]:
    completer = completer or Completer()
    judging = Judging((0.2, 5.0) if source.has_ground_truth else None)
    return list(shown_frames(cast(Any, source), indices, completer, judging))


def test_a_shown_frame_is_judged_by_ground_truth_within_the_limits_alone() -> None:
    (shown,) = _shown(Room(True), 1)
    assert shown.judged is not None
    assert shown.frame.ground_truth is not None
    assert shown.judged.true.max() < 5
    assert shown.judged.true.size == np.count_nonzero(shown.frame.ground_truth < 5)
    rows, columns = shown.judged.pixels
    np.testing.assert_array_equal(shown.frame.ground_truth[rows, columns], shown.judged.true)
    np.testing.assert_array_equal(shown.depth[rows, columns], shown.judged.depths["kbnet"])
    assert list(shown.judged.depths) == ["kbnet", "nearest", "linear"]


def test_a_shown_frame_without_ground_truth_shows_all_points_and_judges_by_those_it_held_out() -> None:
    completer = Completer()
    (shown,) = _shown(Room(False), 2, completer=completer)
    points = np.count_nonzero(shown.frame.sparse_depth)
    assert points == 120
    assert shown.judged is not None
    assert completer.seen == [points, points - shown.judged.true.size]
    rows, columns = shown.judged.pixels
    np.testing.assert_array_equal(shown.frame.sparse_depth[rows, columns], shown.judged.true)
    assert (shown.judged.expected_error > 0).all()


def test_a_shown_frame_holds_out_the_points_that_the_check_holds_out() -> None:
    from kbnet.points.hold_out import hold_out_points

    (shown,) = _shown(Room(False), 3)
    parted = hold_out_points(Room(False).frame(3), 3, share=0.2)
    assert parted is not None
    assert parted.ground_truth is not None
    assert shown.judged is not None
    np.testing.assert_array_equal(np.array(np.nonzero(parted.ground_truth)), shown.judged.pixels)


@pytest.mark.filterwarnings("ignore:sparse_depth holds no measured point")
def test_a_shown_frame_goes_on_where_there_is_nothing_to_judge_by() -> None:
    assert _shown(Room(True), 3)[0].judged is None
    assert _shown(Room(False, pointless=True), 0)[0].judged is None
    (shown,) = _shown(Room(True, pointless=True), 0)
    assert shown.judged is not None
    assert list(shown.judged.depths) == ["kbnet"]
