"""Errors at points, overall, by distance and in words: hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.evaluation.point_errors import BandMeans, JudgedPoints, Judging, PointErrors, verdict


def test_point_errors_by_hand() -> None:
    errors = PointErrors.of(np.array([1.0, 2.125, 4.0, 6.0], np.float32), np.array([1.0, 2.0, 4.0, 5.0], np.float32))
    assert errors.points == 4
    assert errors.mae_mm == pytest.approx(281.25)
    assert errors.rmse_mm == pytest.approx(1000 * ((0.125**2 + 1) / 4) ** 0.5)
    assert errors.median_percent == pytest.approx(3.125)
    assert errors.off_percent == pytest.approx(25)
    assert errors.robust_percent == pytest.approx(2 * ((4.125 * 11) ** (1 / 4) - 1))


def test_the_robust_mean_follows_large_errors_and_ignores_few_of_them() -> None:
    true = np.ones(100, np.float32)
    few, small, large = true.copy(), np.full(100, 1.001, np.float32), np.full(100, 1.5, np.float32)
    few[:5] = 5.0
    assert PointErrors.of(few, true).robust_percent < 0.7
    assert PointErrors.of(small, true).robust_percent == pytest.approx(0.1, rel=1e-3)
    assert PointErrors.of(large, true).robust_percent == pytest.approx(50)


def test_point_errors_of_frames_count_the_same_however_many_points_they_have() -> None:
    one = PointErrors.of(np.array([1.5], np.float32), np.array([1.0], np.float32))
    other = PointErrors.of(np.full(9, 2.0, np.float32), np.full(9, 2.0, np.float32))
    mean = PointErrors.mean([one, other])
    assert (mean.points, mean.mae_mm, mean.median_percent, mean.off_percent) == (10, 250, 25, 50)


def _slope(off: dict[str, float], points: int = 400) -> JudgedPoints:
    true = np.linspace(0.3, 12, points, dtype=np.float32)
    return JudgedPoints(true, {method: true + np.float32(metres) for method, metres in off.items()})


def test_bands_of_all_points_have_the_errors_that_were_added_frame_by_frame() -> None:
    frames = [_slope({"kbnet": 0.1, "linear": 0.2}), _slope({"kbnet": 0.3, "linear": 0.2}, points=200)]
    means = BandMeans()
    for frame in frames:
        means.add(frame)
    bands = JudgedPoints.joined(frames).bands()
    assert len(bands) >= 5
    assert [(low, high) for low, high, _ in means.mae_mm()] == [(band.low, band.high) for band in bands]
    for (_, _, mae_mm), band in zip(means.mae_mm(), bands, strict=True):
        assert mae_mm == pytest.approx({method: errors.mae_mm for method, errors in band.errors.items()}, rel=1e-4)


def test_bands_leave_out_those_with_few_points_and_hold_their_far_end() -> None:
    true = np.repeat(np.array([1.0, 2.0, 4.0], np.float32), [20, 19, 21])
    bands = JudgedPoints(true, {"kbnet": true}).bands()
    assert [(band.low, band.high) for band in bands] == [(0.5, 1.0), (3.0, 5.0)]


def test_no_frames_have_no_errors_and_no_bands() -> None:
    nothing = JudgedPoints.joined([])
    assert (nothing.errors(), nothing.bands(), BandMeans().mae_mm()) == ({}, [], [])


def test_verdict_says_how_far_off_and_whether_interpolation_is_no_worse() -> None:
    true = np.full(10, 2.0, np.float32)

    def judged(**off: float) -> str:
        depths = {method: true + np.float32(metres) for method, metres in off.items()}
        return verdict(JudgedPoints(true, depths).errors(), "point that it did not see")

    first = "depth is 5.0 % off at the median point that it did not see, more than 10 % off at 0 % of them"
    assert judged(kbnet=0.1, linear=0.2) == first
    assert judged(kbnet=0.1) == first, "frames without points have no interpolation"
    assert judged(kbnet=0.1, linear=0.1) == f"{first}; linear interpolation is no worse there"
    assert judged(linear=0.1) == ""


def test_judging_says_in_words_what_it_judges_by() -> None:
    assert str(Judging((0.2, 5.0))) == "ground truth between 0.2 and 5 m"
    assert str(Judging(None)) == "20% of the points, held out one by one"
    assert str(Judging(None, share=0.5, by="patches")) == "50% of the points, held out by patches"
