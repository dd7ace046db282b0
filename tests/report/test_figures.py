"""What the charts show, by hand arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kbnet.report.figures import Figures, ShownFrame

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
