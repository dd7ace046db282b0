"""Frame to network input: the same for training, inference, export and confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kbnet.frame import Frame, Triplet
from kbnet.network.config import KBNetConfig
from kbnet.network.inputs import frame_inputs, frame_tensors, input_names, kept_depth, working_inputs
from kbnet.points.interpolation import linear
from kbnet.training.augmentation import AugmentedTriplet
from kbnet.training.batch import make_sample

KINDS: list[dict[str, Any]] = [
    {"scaffold": "none"},
    {"scaffold": "linear", "outlier_rule": "support"},
    {"scaffold": "continued", "resolution": "half"},
]


def make_frame(height: int = 48, width: int = 67) -> Frame:
    """A plane at 2 m with an outlier at 9 m."""
    generator = np.random.default_rng(0)
    points = np.where(generator.random((height, width)) < 0.1, np.float32(2), np.float32(0))
    points[20, 30], points[20, 31] = 2, 9
    K = np.array([[60, 0, width / 2], [0, 60, height / 2], [0, 0, 1]], np.float32)
    return Frame(generator.integers(0, 256, (height, width, 3), dtype=np.uint8), points, K)


@pytest.mark.parametrize("kind", KINDS)
def test_training_and_inference_give_a_network_the_same_inputs(kind: dict[str, Any]) -> None:
    frame, config = make_frame(), KBNetConfig(**kind)
    triplet = Triplet(frame, frame.image, frame.image)
    sample = make_sample(AugmentedTriplet(triplet, frame.image, frame.sparse_depth), config, "")
    for trained, used in zip(sample.network_inputs, frame_inputs(frame, config), strict=True):
        assert (trained is None and used is None) or torch.equal(trained, used)


@pytest.mark.parametrize("rule", ["window", "support"])
def test_outliers_stay_in_the_sparse_depth_and_leave_validity_and_scaffold(rule: Any) -> None:
    frame = make_frame()
    inputs = frame_inputs(frame, KBNetConfig(scaffold="linear", outlier_rule=rule))
    assert inputs.sparse_depth[0, 0, 20, 31] == 9
    assert inputs.validity[0, 0, 20, 30:32].tolist() == [1, 0]
    assert inputs.scaffold is not None
    kept = np.where(frame.sparse_depth == 2, frame.sparse_depth, np.float32(0))
    np.testing.assert_array_equal(inputs.scaffold[0, 0].numpy(), linear(kept))


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_those_of_the_inputs_that_a_network_takes(kind: dict[str, Any]) -> None:
    config = KBNetConfig(**kind)
    inputs = frame_inputs(make_frame(), config)
    assert input_names(config) == [name for name, value in inputs._asdict().items() if value is not None]
    assert len(inputs.given()) == len(input_names(config))


def test_a_large_frame_is_reduced_and_kept_depth_has_the_same_size() -> None:
    frame, config = make_frame(131, 203), KBNetConfig(scaffold="linear", working_side=66)
    inputs, factor = working_inputs(*frame_tensors(frame.image, frame.sparse_depth, frame.intrinsics), config)
    assert (factor, inputs.image.shape) == (3, (1, 3, 44, 68))
    assert 0 <= float(inputs.image.min()) <= float(inputs.image.max()) <= 1
    kept = kept_depth(frame.sparse_depth, frame.intrinsics, config)
    np.testing.assert_array_equal(kept, (inputs.sparse_depth * inputs.validity)[0, 0].numpy())
