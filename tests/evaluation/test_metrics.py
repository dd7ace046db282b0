"""The four errors against recorded values and hand arithmetic; streaming statistics against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.evaluation.metrics import DepthErrors, RunningStatistics, depth_errors, judged_pixels

VOID = {"min_depth": 0.2, "max_depth": 5.0}


@pytest.mark.parametrize(
    ("file", "min_depth", "max_depth"),
    [("depth_void.npz", 0.2, 5.0), ("depth_void_odd.npz", 0.2, 5.0), ("depth_kitti.npz", 0.0, 100.0)],
)
def test_depth_errors_equal_the_published_metrics(shared: Path, file: str, min_depth: float, max_depth: float) -> None:
    golden = np.load(shared / "golden" / file)
    errors = depth_errors(golden["depth"], golden["ground_truth"], min_depth=min_depth, max_depth=max_depth)
    np.testing.assert_allclose(errors.as_array()[:4], golden["metrics_mae_rmse_imae_irmse"], rtol=1e-5)


def test_depth_errors_by_hand() -> None:
    ground_truth = np.array([[1.0, 2.0, 0.0]], dtype=np.float32)
    depth = np.array([[2.0, 4.0, 7.0]], dtype=np.float32)
    errors = depth_errors(depth, ground_truth, **VOID)
    assert errors.mae_mm == pytest.approx(1500)
    assert errors.mare == pytest.approx(1)
    assert errors.rmse_mm == pytest.approx(1000 * np.sqrt((1 + 4) / 2))
    assert errors.imae_per_km == pytest.approx((500 + 250) / 2)
    assert errors.irmse_per_km == pytest.approx(np.sqrt((500**2 + 250**2) / 2))


def test_depth_errors_are_zero_for_the_truth() -> None:
    truth = np.linspace(0.3, 4.9, 12, dtype=np.float32).reshape(3, 4)
    assert depth_errors(truth, truth, **VOID) == DepthErrors(0.0, 0.0, 0.0, 0.0, 0.0)


def test_limits_are_excluded_and_unmeasured_pixels_never_judged() -> None:
    ground_truth = np.array([[0.0, 0.2, 0.25, 5.0, 6.0]])
    assert judged_pixels(ground_truth, **VOID).tolist() == [[False, False, True, False, False]]
    assert judged_pixels(ground_truth, min_depth=-1.0, max_depth=100.0).tolist() == [[False, True, True, True, True]]


def test_depth_outside_the_judged_pixels_does_not_count() -> None:
    ground_truth = np.array([[1.0, 0.0, 9.0]])
    assert depth_errors(np.array([[1.5, np.nan, 0.0]]), ground_truth, **VOID).mae_mm == pytest.approx(500)


def test_depth_errors_name_a_ground_truth_without_a_pixel_in_range() -> None:
    with pytest.raises(ValueError, match=r"no pixel between 0\.2 and 5 m"):
        depth_errors(np.ones((2, 2)), np.zeros((2, 2)), **VOID)


def test_depth_errors_name_two_shapes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) but ground_truth \(2, 3\)"):
        depth_errors(np.ones((2, 2)), np.ones((2, 3)), **VOID)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_depth_errors_refuse_depth_that_is_not_dense(value: float) -> None:
    with pytest.raises(ValueError, match="1 of 4 pixels with ground truth"):
        depth_errors(np.array([[1.0, 1.0], [1.0, value]]), np.ones((2, 2)), **VOID)


def test_depth_errors_keep_double_precision_over_float32_input() -> None:
    ground_truth = np.full((500, 500), 2.0, dtype=np.float32)
    errors = depth_errors(ground_truth + np.float32(2**-20), ground_truth, **VOID)
    assert errors.mae_mm == pytest.approx(1000 * 2**-20, rel=1e-9)


def test_depth_errors_survive_the_way_through_an_array() -> None:
    for errors in (DepthErrors(1.0, 2.0, 3.0, 4.0), DepthErrors(1.0, 2.0, 3.0, 4.0, 0.5)):
        assert DepthErrors.from_array(errors.as_array()) == errors


@pytest.mark.parametrize("shape", [(), (4,)])
def test_running_statistics_equal_numpy(shape: tuple[int, ...]) -> None:
    samples = 1e6 + np.random.default_rng(0).standard_normal((100, *shape))
    statistics = RunningStatistics(samples)
    assert statistics.count == 100
    np.testing.assert_allclose(statistics.mean, samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics.std, samples.std(axis=0), rtol=1e-8)


def test_one_value_has_no_spread_and_none_has_no_mean() -> None:
    assert float(RunningStatistics([3.0]).std) == 0.0
    assert np.isnan(RunningStatistics().mean)
    assert np.isnan(RunningStatistics().std)


def test_running_statistics_refuse_a_change_of_shape() -> None:
    with pytest.raises(ValueError, match=r"\(4,\) like those before, got \(3,\)"):
        RunningStatistics([np.zeros(4)]).add(np.zeros(3))
