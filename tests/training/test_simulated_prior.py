"""Priors made of ground truth for training."""

from __future__ import annotations

import numpy as np

from kbnet.frame import FloatArray
from kbnet.training.simulated_prior import simulated_prior


def test_priors_are_unknown_where_truth_is_and_vary_with_the_generator() -> None:
    truth: FloatArray = np.tile(np.linspace(1, 4, 96, dtype=np.float32), (64, 1))
    truth[:20] = 0
    priors = [simulated_prior(truth, np.random.default_rng(seed)).values for seed in range(40)]
    for prior in priors:
        assert prior.shape == truth.shape
        assert np.isnan(prior[:20]).all()
        assert (prior[20:] > 0).all()
    np.testing.assert_array_equal(priors[0], simulated_prior(truth, np.random.default_rng(0)).values)
    correlation = [np.corrcoef(np.log(prior[20:]).ravel(), np.log(truth[20:]).ravel())[0, 1] for prior in priors]
    assert np.median(correlation) > 0.8, "most priors follow the scene"
    assert min(correlation) < 0.5, "some are noise"


def test_a_frame_without_truth_gives_an_unknown_prior() -> None:
    assert np.isnan(simulated_prior(np.zeros((40, 48), np.float32), np.random.default_rng(0)).values).all()
