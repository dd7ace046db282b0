"""Scaffolds with a prior: priors made from true depth, distorted in known ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Prior, PriorKind
from kbnet.points.prior import OUTPUT_POWER, corrected_prior, fitted_prior
from kbnet.points.scaffold import scaffold_of_supported_points

K = np.array([[120.0, 0, 80], [0, 120, 60], [0, 0, 1]], np.float32)


@pytest.fixture
def truth() -> FloatArray:
    """A slanted wall with two boxes in front of it, (120, 160), metres."""
    depth = np.tile(np.linspace(3, 4, 160, dtype=np.float32), (120, 1))
    depth[30:70, 20:60] = 1.5
    depth[60:110, 90:130] = 2.2
    return depth


@pytest.fixture
def points(truth: FloatArray) -> FloatArray:
    """One pixel in 60 measured."""
    return np.where(np.random.default_rng(0).random(truth.shape) < 1 / 60, truth, np.float32(0))


def scaffold_with_prior(points: FloatArray, scaffold: FloatArray, prior: Prior) -> FloatArray:
    corrected = corrected_prior(points, prior)
    return scaffold if corrected is None else corrected.blended(scaffold)


def error(depth: FloatArray, truth: FloatArray) -> float:
    return float(np.abs(depth - truth).mean())


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("metric", lambda z: z),
        ("depth", lambda z: 0.2 * z + 3),
        ("disparity", lambda z: 7 / z + 0.5),
        ("log", lambda z: 0.4 * np.log(z) - 2),
    ],
)
def test_a_true_prior_in_any_space_gives_true_depth(
    kind: PriorKind, made: Callable[[FloatArray], FloatArray], truth: FloatArray, points: FloatArray
) -> None:
    fitted = fitted_prior(Prior(made(truth), kind), points)
    np.testing.assert_allclose(fitted, truth, rtol=1e-4)
    interpolated = scaffold_of_supported_points(points, K)
    scaffold = scaffold_with_prior(points, interpolated, Prior(made(truth), kind))
    assert error(scaffold, truth) < 0.25 * error(interpolated, truth)


def test_outliers_among_the_points_change_the_fit_little(truth: FloatArray, points: FloatArray) -> None:
    rows, columns = np.nonzero(points)
    wrong = points.copy()
    wrong[rows[::7], columns[::7]] *= 3
    np.testing.assert_allclose(fitted_prior(Prior(2 * truth), wrong), truth, rtol=0.1)


def test_smooth_drift_of_scale_is_corrected(truth: FloatArray, points: FloatArray) -> None:
    drift = gaussian_filter(np.random.default_rng(1).normal(size=truth.shape), 30)
    prior = Prior((truth * np.exp(0.1 * drift / drift.std())).astype(np.float32))
    interpolated = scaffold_of_supported_points(points, K)
    assert error(scaffold_with_prior(points, interpolated, prior), truth) < 0.6 * error(interpolated, truth)


@pytest.mark.parametrize("sigma_px", [0, 10])
def test_a_prior_of_noise_costs_nothing(sigma_px: int, truth: FloatArray, points: FloatArray) -> None:
    noise = np.random.default_rng(2).normal(size=truth.shape)
    noise = gaussian_filter(noise, sigma_px) if sigma_px else noise
    prior = Prior(np.exp(0.5 * noise / noise.std()).astype(np.float32), "metric")
    interpolated = scaffold_of_supported_points(points, K)
    assert error(scaffold_with_prior(points, interpolated, prior), truth) < 1.02 * error(interpolated, truth)


def test_where_the_prior_contradicts_the_points_interpolation_remains(truth: FloatArray, points: FloatArray) -> None:
    swapped = truth.copy()
    swapped[:, 80:] = truth[:, :79:-1]  # right half mirrored
    interpolated = scaffold_of_supported_points(points, K)
    scaffold = scaffold_with_prior(points, interpolated, Prior(swapped, "metric"))
    left, right = np.s_[:, :70], np.s_[:, 90:]
    assert error(scaffold[left], truth[left]) < 0.4 * error(interpolated[left], truth[left])
    assert error(scaffold[right], truth[right]) < 1.1 * error(interpolated[right], truth[right])


@pytest.mark.parametrize(
    ("values", "kind", "why"),
    [
        (np.full((120, 160), 2.0), "depth", "it is constant"),
        (np.full((120, 160), np.nan), "disparity", "it is unknown at nearly all points"),
        (np.full((120, 160), 2000.0), "metric", "it is far from the depth of the points; is it in metres"),
    ],
)
def test_a_useless_prior_is_told_and_leaves_the_interpolation(
    values: FloatArray, kind: PriorKind, why: str, points: FloatArray
) -> None:
    interpolated = scaffold_of_supported_points(points, K)
    with pytest.warns(UserWarning, match=f"the prior of kind {kind} is ignored: {why}"):
        scaffold = scaffold_with_prior(points, interpolated, Prior(values.astype(np.float32), kind))
    np.testing.assert_array_equal(scaffold, interpolated)


def test_disparity_can_be_negative_far_away(truth: FloatArray, points: FloatArray) -> None:
    np.testing.assert_allclose(fitted_prior(Prior(1 / truth - 0.4, "disparity"), points), truth, rtol=1e-4)


def test_unknown_pixels_of_a_prior_keep_the_interpolation(truth: FloatArray, points: FloatArray) -> None:
    partial = truth.copy()
    partial[:40] = np.nan
    interpolated = scaffold_of_supported_points(points, K)
    scaffold = scaffold_with_prior(points, interpolated, Prior(partial))
    np.testing.assert_allclose(scaffold[:40], interpolated[:40], rtol=1e-6)
    assert np.isfinite(scaffold).all()


def test_disparity_given_as_depth_is_told(truth: FloatArray, points: FloatArray) -> None:
    with pytest.warns(
        UserWarning,
        match="does not rise with the depth of the points; is it disparity",
    ):
        assert not fitted_prior(Prior(1 / truth), points).any()


def test_too_few_points_leave_the_interpolation(truth: FloatArray) -> None:
    few = np.zeros_like(truth)
    few[10::60, 10::70] = truth[10::60, 10::70]
    interpolated = scaffold_of_supported_points(few, K)
    np.testing.assert_array_equal(scaffold_with_prior(few, interpolated, Prior(truth)), interpolated)


def test_output_is_blended_only_where_the_prior_explains_nearly_all(truth: FloatArray, points: FloatArray) -> None:
    output = scaffold_of_supported_points(points, K)
    true, noisy = (corrected_prior(points, Prior(values, "metric")) for values in (truth, np.roll(truth, 50, axis=1)))
    assert true is not None
    assert noisy is not None
    assert error(true.blended(output, OUTPUT_POWER), truth) < 0.3 * error(output, truth)
    assert error(noisy.blended(output, OUTPUT_POWER), truth) < 1.1 * error(output, truth)


@pytest.mark.parametrize("values", [np.ones((2, 3, 4), np.float32), np.ones((3, 4), np.uint8), [1.0]])
def test_what_is_no_map_of_numbers_is_refused(values: FloatArray) -> None:
    with pytest.raises(KBNetError, match=r"expected a prior as \(H, W\) floating-point numbers"):
        Prior(values)


def test_an_unknown_kind_is_refused(truth: FloatArray) -> None:
    with pytest.raises(KBNetError, match="one of depth, disparity, log, metric as kind of a prior, got 'inverse'"):
        Prior(truth, "inverse")  # type: ignore[arg-type]


def test_own_weight_is_a_factor_of_the_weight(truth: FloatArray, points: FloatArray) -> None:
    weight = np.full(truth.shape, np.float32(0.8))
    weight[:, :80] = 0
    own, other = (corrected_prior(points, Prior(truth, "metric", own_weight)) for own_weight in (weight, None))
    assert own is not None
    assert other is not None
    np.testing.assert_allclose(own.share, weight * other.share)
