"""What the charts show, by hand arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from kbnet.evaluation.point_errors import Judging
from kbnet.frame import FloatArray, Frame
from kbnet.network.config import KBNetConfig
from kbnet.report.figures import Figures, ShownFrame, shown_frames

ShownFrameOf = Callable[..., ShownFrame]


def _figures(*frames: ShownFrame, held_out: bool = False) -> Figures:
    figures = Figures(held_out=held_out)
    for frame in frames:
        figures.add(frame)
    return figures


def test_figures_are_means_over_frames_with_ground_truth(shown_frame: ShownFrameOf) -> None:
    content = _figures(shown_frame(0, off=0.1), shown_frame(1, off=0.3)).content()
    assert [frame["errors"]["kbnet"][0] for frame in content["frames"]] == pytest.approx([100, 300], rel=1e-4)
    assert content["overall"]["kbnet"][:2] == pytest.approx([200, 200], rel=1e-4)
    assert list(content["overall"]) == ["kbnet", "nearest", "linear"]
    assert len(content["measures"]) == len(content["overall"]["linear"])


def test_figures_at_held_out_points_count_every_point_the_same(shown_frame: ShownFrameOf) -> None:
    figures = _figures(shown_frame(0, judged="points"), shown_frame(1, judged="points", off=0.3), held_out=True)
    content = figures.content()
    mae, rmse, median, far_off = content["overall"]["kbnet"]
    assert (mae, rmse) == pytest.approx((200, 1000 * ((0.01 + 0.09) / 2) ** 0.5), rel=1e-4)
    assert 3 < median < 30
    assert 30 < far_off < 70
    assert figures.verdict().startswith(f"depth is {median:.1f} % off at the median point that it did not see")


def test_figures_say_when_interpolation_is_no_worse(shown_frame: ShownFrameOf) -> None:
    assert _figures(shown_frame(off=0.05)).verdict() == (
        "depth is 2.5 % off at the median pixel with ground truth, more than 10 % off at 0 % of them"
    )
    assert _figures(shown_frame(off=0.25)).verdict().endswith("; linear interpolation is no worse there")


def test_figures_by_distance_hold_the_pixels_of_their_band(shown_frame: ShownFrameOf) -> None:
    bands = _figures(shown_frame()).content()["bands"]
    assert [(band["from_m"], band["to_m"]) for band in bands] == [(0.5, 1.0), (1.0, 2.0), (2.0, 3.0)]
    assert all(band["mae_mm"]["linear"] == pytest.approx(200, rel=1e-4) for band in bands)


def test_figures_of_the_most_confident_are_those_of_the_pixels_expected_to_be_best(shown_frame: ShownFrameOf) -> None:
    shown = shown_frame()
    assert shown.judged is not None
    shown.judged.depths["kbnet"][:] = shown.judged.true + shown.judged.expected_error
    kept = _figures(shown).content()["kept"]
    assert kept["shares"][-1] == 1
    assert kept["mae_mm"] == sorted(kept["mae_mm"])
    assert kept["mae_mm"][-1] == pytest.approx(1000 * shown.judged.expected_error.mean(), rel=1e-4)


def test_figures_without_anything_to_judge_by_are_empty(shown_frame: ShownFrameOf) -> None:
    figures = _figures(shown_frame(judged="nothing"))
    content = figures.content()
    assert (content["overall"], content["bands"], content["kept"]["mae_mm"]) == ({}, [], [])
    assert figures.verdict() == ""
    assert content["scales"]["depth"][0] < content["scales"]["depth"][1]


def test_figures_go_on_over_frames_that_cannot_be_judged(shown_frame: ShownFrameOf) -> None:
    content = _figures(shown_frame(0), shown_frame(1, judged="nothing")).content()
    assert [bool(frame["errors"]) for frame in content["frames"]] == [True, False]
    assert content["overall"]["kbnet"][0] == pytest.approx(100, rel=1e-4)


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
