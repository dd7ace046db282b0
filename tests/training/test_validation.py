"""Judging the network while it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kbnet.evaluation.metrics import DepthErrors, depth_errors
from kbnet.frames.sequence import Sequence
from kbnet.inference.completer import DepthCompleter
from kbnet.network.kbnet import KBNet
from kbnet.training.config import TrainingConfig, ValidationConfig
from kbnet.training.validation import is_best, open_parts, validate


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((10.0, 20.0, 30.0, 40.0), True),  # equal is not worse
        ((9.0, 19.0, 29.0, 99.0), True),
        ((9.0, 19.0, 31.0, 41.0), False),
        ((10.004, 20.004, 30.004, 41.0), True),  # rounded to 0.01
        ((10.006, 20.0, 30.0, 41.0), False),
    ],
)
def test_best_is_not_worse_in_three_of_four_rounded_errors(errors: tuple[float, ...], expected: bool) -> None:
    assert is_best(DepthErrors(*errors), DepthErrors(10.0, 20.0, 30.0, 40.0)) is expected


@pytest.mark.parametrize(
    ("errors", "rule", "expected"),
    [
        ((9.0, 19.0, 31.0, 41.0, 0.1), "3 of 5", True),
        ((9.0, 19.0, 31.0, 41.0, 0.1002), "3 of 5", False),
        ((9.0, 19.0, 31.0, 41.0, 0.10004), "3 of 5", True),  # rounded to 0.0001
        ((9.0, 19.0, 29.0, 41.0, 0.2), "4 of 5", False),
        ((9.0, 19.0, 29.0, 41.0, 0.1), "4 of 5", True),
    ],
)
def test_the_siblings_have_rules_of_their_own(errors: tuple[float, ...], rule: Any, expected: bool) -> None:
    assert is_best(DepthErrors(*errors), DepthErrors(10.0, 20.0, 30.0, 40.0, 0.1), rule) is expected


def test_the_first_is_the_best() -> None:
    assert is_best(DepthErrors(1e9, 1e9, 1e9, 1e9), None)


def test_validation_is_the_mean_over_every_nth_frame_of_every_density(
    write_sequence: Callable[..., Path], make_config: Callable[..., TrainingConfig]
) -> None:
    names = ("sparse_depth", "sparse_depth_150")
    folder = write_sequence(frames=5, sparse_depths=names)
    torch.manual_seed(0)
    network = KBNet(make_config().network).train()
    config = ValidationConfig((folder,), every_frames=2, limits=(0.5, 5.0))
    errors = validate(network, open_parts(config.sequences, names), config, "cpu")

    completer = DepthCompleter(network, device="cpu")
    frames = [Sequence(folder, sparse_depth=name).frame(index) for name in names for index in (0, 2, 4)]
    expected = [
        depth_errors(
            completer(frame.image, frame.sparse_depth, frame.intrinsics),
            frame.ground_truth,
            min_depth=0.5,
            max_depth=5.0,
        ).as_array()
        for frame in frames
    ]
    np.testing.assert_allclose(errors.as_array(), np.mean(expected, axis=0), rtol=1e-6)
    assert network.training


def test_validation_needs_ground_truth(write_sequence: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"ground_truth in .*wall to validate with"):
        open_parts((write_sequence(truth=False),), ("sparse_depth",))
