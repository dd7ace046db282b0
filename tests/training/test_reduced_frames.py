"""Training of a propagation network on reduced frames: it learns, and goes on as if it had not stopped."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kbnet.frame import Frame
from kbnet.frames.sequence_writer import new_sequence
from kbnet.losses.weights import LossWeights
from kbnet.points.drawn_points import PointDrawing
from kbnet.training.config import TrainingConfig
from kbnet.training.dataset import SampleKey, open_dataset
from kbnet.training.loop import Interrupted, train
from kbnet.training.monitor import ProgressReport
from kbnet.weights.depth_network import load_network

TINY: dict[str, Any] = {
    "head": "propagation",
    "resolution": "half",
    "scaffold": "continued",
    "outlier_rule": "support",
    "normalisation": "batch",
    "weight_init": "kaiming",
    "max_depth": 100.0,
    "trunk_filters": (4, 4, 4, 4),
    "feature_filters": (4, 4, 4),
}
SUPERVISED = LossWeights(colour=0, structure=0, sparse_depth=0, smoothness=0, supervised=1.0, gradient=0.3)


@pytest.fixture
def config(tmp_path: Path, make_config: Callable[..., TrainingConfig]) -> TrainingConfig:
    """Six steps on a sequence of four frames of 72x88 pixels: a near board before a wall."""
    K = np.array([[60, 0, 43.5], [0, 60, 35.5], [0, 0, 1]], np.float32)
    generator = np.random.default_rng(0)
    with new_sequence(tmp_path / "board", K) as writer:
        for index in range(4):
            depth = np.full((72, 88), 3, np.float32)
            depth[16:50, 20 + 4 * index : 50 + 4 * index] = 1.5
            shade = np.where(depth < 2, 60, 180)[..., None]
            image = (shade + generator.integers(-30, 30, (72, 88, 3))).astype(np.uint8)
            points = np.where(generator.random(depth.shape) < 0.02, depth, np.float32(0))
            writer.add(Frame(image, points, K, depth, f"{index:04}"), np.eye(4))
    return make_config(
        tmp_path / "board",
        steps=6,
        frames="reduced",
        losses=SUPERVISED,
        network=TINY,
        points=PointDrawing(probability=0.8, count=(20, 100)),
        augmentation={"zoom": 1.05, "cut_and_paste": 0.5, "camera_effects": 0.3, "flip_horizontal": 0.5},
        average_decay=0.9,
        weight_decay=0.01,
        second_moment_decay=0.99,
    )


def test_a_stopped_run_on_reduced_frames_resumes_to_the_same_weights(config: TrainingConfig) -> None:
    def stop(report: ProgressReport) -> None:
        if report.step == 2 and not report.message:
            raise KeyboardInterrupt

    broken = replace(config, output=config.output.with_name("broken"))
    train(config)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        train(replace(broken, checkpoint_steps=1), on_report=stop)
    train(replace(broken, checkpoint_steps=1), resume=True)
    first, second = (load_file(each.output / "last.safetensors") for each in (config, broken))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert load_network(config.output / "last.safetensors").config == config.network


def test_samples_have_the_size_of_the_crop_at_the_networks_resolution(config: TrainingConfig) -> None:
    dataset = open_dataset(config)
    assert len(dataset) == 4
    sample = dataset[SampleKey(epoch=0, index=0)]
    assert sample.image.shape == (1, 3, 32, 32)
    assert sample.scaffold is not None
    # Half of the focal length, or as much more as the zoom enlarges.
    assert 30 <= float(sample.intrinsics[0, 0, 0]) <= 30 * 1.1
    again = dataset[SampleKey(epoch=0, index=0)]
    assert torch.equal(again.image, sample.image)
    assert torch.equal(again.input_depth, sample.input_depth)


def test_frames_too_small_for_the_crop_once_reduced_are_named(config: TrainingConfig) -> None:
    large = replace(config, augmentation=replace(config.augmentation, crop=(40, 40)))
    with pytest.raises(ValueError, match=r"at least the crop's 40x40 .* got 44x36"):
        open_dataset(large)


def test_a_pickled_dataset_gives_the_same_samples(config: TrainingConfig) -> None:
    """Workers that are spawned, not forked, get the dataset by pickle."""
    dataset = open_dataset(config)
    copied = pickle.loads(pickle.dumps(dataset))
    ours, theirs = dataset[SampleKey(1, 2)], copied[SampleKey(1, 2)]
    assert ours.image.shape == theirs.image.shape
    torch.testing.assert_close(ours.image, theirs.image, rtol=0, atol=0)
    torch.testing.assert_close(ours.ground_truth, theirs.ground_truth, rtol=0, atol=0)
