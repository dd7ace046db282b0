"""Training of VOICED, ScaffNet and FusionNet: a scene is learned, the file completes, what cannot work is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_siblings import sibling_checkpoint

import kbnet
from kbnet.frames.sequence import Sequence
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.siblings.config import FusionNetConfig, ScaffNetConfig, VoicedConfig
from kbnet.network.siblings.fusionnet import FusionNet
from kbnet.network.siblings.scaffnet import ScaffNet
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig
from kbnet.training.loop import train
from kbnet.training.monitor import ProgressReport
from kbnet.training.networks import build_networks, settings_of_weights
from kbnet.training.optimizer import make_optimizer
from kbnet.training.presets import training_preset
from kbnet.training.recipe import from_table
from kbnet.training.step import TrainingStep
from kbnet.weights.depth_network import load_network, save_network

WriteSequence = Callable[..., Path]


@pytest.fixture
def scaffnet(tmp_path: Path) -> Path:
    path = tmp_path / "scaffnet.safetensors"
    save_network(ScaffNet(), path)
    return path


def tiny_run(
    preset: str, sequence: Path, output: Path, *, steps: int, rate: float = 1e-3, **changes: Any
) -> TrainingConfig:
    config = training_preset(preset)
    return replace(
        config,
        sequences=(sequence,),
        output=output,
        gaps=(1,),
        augmentation=AugmentationConfig(crop=(32, 32), point_removal_probability=0.0),
        schedule=ScheduleConfig(learning_rates=(rate,), learning_rate_epochs=(1000,), steps=steps),
        validation=replace(config.validation, sequences=(sequence,), every_frames=3),
        **{"batch_size": 2, "workers": 0, "device": "cpu", "log_steps": 1, **changes},
    )


@pytest.mark.parametrize(
    ("preset", "rate", "term"),
    [
        ("voiced-void", 3e-4, "sparse_depth"),
        ("scaffnet-scenenet", 1e-3, "supervised"),
        ("fusionnet-void", 1e-3, "sparse_depth"),
    ],
)
def test_a_sibling_learns_one_scene_and_its_file_completes(
    preset: str, rate: float, term: str, write_sequence: WriteSequence, scaffnet: Path, tmp_path: Path
) -> None:
    sequence = write_sequence(frames=4)
    start = str(scaffnet) if preset == "fusionnet-void" else None
    reports: list[ProgressReport] = []
    config = tiny_run(preset, sequence, tmp_path / "run", steps=14, rate=rate, initial_weights=start)
    train(config, on_report=reports.append)
    losses = [report.losses[term] for report in reports if report.losses]
    assert losses[-1] < 0.8 * losses[0], losses
    network = load_network(tmp_path / "run" / "last.safetensors")
    assert network.config == config.network
    if isinstance(network, FusionNet):
        assert all(
            torch.equal(tensor, network.scaffnet.state_dict()[name])
            for name, tensor in load_network(scaffnet).state_dict().items()
        )
    frame = Sequence(sequence).frame(0)
    completer = kbnet.load(str(tmp_path / "run" / "best.safetensors"))
    depth = completer(frame.image, frame.sparse_depth, frame.intrinsics)
    assert depth.shape == (36, 44)
    assert (depth > 0).all()


def test_scaffnet_inside_fusionnet_is_no_parameter_of_the_optimiser(scaffnet: Path) -> None:
    config = replace(training_preset("fusionnet-void"), initial_weights=str(scaffnet), device="cpu")
    network, pose_network = build_networks(config, all_poses_known=False)
    assert isinstance(network, FusionNet)
    optimizer = make_optimizer(config, TrainingStep.of(config, network, pose_network))
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert not trained & {id(parameter) for parameter in network.scaffnet.parameters()}
    assert len(trained) == len(list(network.encoder.parameters())) + len(list(network.decoder.parameters())) + len(
        list(pose_network.parameters() if pose_network else [])
    )


def test_fusionnet_starts_from_a_scaffnet_of_either_format(family: Path, scaffnet: Path, tmp_path: Path) -> None:
    published = tmp_path / "scaffnet-scenenet.pth"
    torch.save(sibling_checkpoint(family / "layout_scaffnet.json", 33, 1.4), published)
    for file, preset in ((scaffnet, None), (published, "scaffnet-scenenet")):
        config = replace(training_preset("fusionnet-void"), initial_weights=str(file))
        assert settings_of_weights(str(file), config.network) == config.network
        network, _ = build_networks(config, all_poses_known=False)
        assert isinstance(network, FusionNet)
        expected = load_network(file, preset=preset).state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in network.scaffnet.state_dict().items())


def test_another_depth_range_of_the_scaffnet_comes_with_its_weights(tmp_path: Path) -> None:
    street = ScaffNetConfig(min_depth=1.5, max_depth=80.0)
    save_network(ScaffNet(street), tmp_path / "street.safetensors")
    settings = settings_of_weights(str(tmp_path / "street.safetensors"), FusionNetConfig())
    assert settings == FusionNetConfig(scaffnet=street)


def test_fusionnet_without_a_scaffnet_is_refused() -> None:
    with pytest.raises(
        kbnet.KBNetError, match="initial weights for fusionnet, whose ScaffNet is not trained, got none"
    ):
        build_networks(replace(training_preset("fusionnet-void"), initial_weights=None), all_poses_known=False)


def test_scaffnet_without_ground_truth_is_refused(write_sequence: WriteSequence, tmp_path: Path) -> None:
    sequence = write_sequence(frames=4, truth=False)
    config = tiny_run("scaffnet-scenenet", sequence, tmp_path / "run", steps=1)
    with pytest.raises(kbnet.KBNetError, match=r"ground_truth .* for the supervised loss"):
        train(replace(config, validation=replace(config.validation, sequences=())))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": ScaffNetConfig()}, "losses.colour and losses.structure of 0 for scaffnet, .* got 0.15 and 0.95"),
        (
            {"network": VoicedConfig(), "losses": LossWeights(prior=0.1)},
            "a network with a scaffold for losses.prior, got hull; set the weight to 0, since voiced",
        ),
        (
            {"network": VoicedConfig(), "frames": "reduced", "losses": LossWeights(0, 0, 1, 0)},
            "frames full for voiced, which works at the size of the frame, got frames reduced",
        ),
    ],
)
def test_what_a_sibling_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(kbnet.KBNetError, match=message):
        TrainingConfig(**changes)


def test_a_table_of_another_system_replaces_the_network() -> None:
    base = TrainingConfig(network=KBNetConfig(max_depth=12.0))
    voiced = from_table({"network": {"system": "voiced", "encoder_layers": 8}}, base)
    assert voiced.network == VoicedConfig(encoder_layers=8)
    assert from_table({"network": {"max_depth": 5}}, voiced).network == VoicedConfig(encoder_layers=8, max_depth=5.0)
    assert from_table({"network": {"system": "kbnet"}}, voiced).network == KBNetConfig()
    with pytest.raises(kbnet.KBNetError, match="one of the systems kbnet, voiced, scaffnet, fusionnet, got 'pnet'"):
        from_table({"network": {"system": "pnet"}}, base)


def test_farther_points_and_ground_truth_count_as_the_farthest_depth(write_sequence: WriteSequence) -> None:
    """And the losses of VOICED, whose network sees all points, leave occluded ones out."""
    from kbnet.frame import Frame, Triplet
    from kbnet.training.augmentation import AugmentedTriplet
    from kbnet.training.batch import make_sample

    image = np.zeros((32, 32, 3), np.uint8)
    points = np.zeros((32, 32), np.float32)
    points[4, 4], points[4, 5], points[20, 8], points[9, 25] = 2.0, 9.0, 30.0, 3.0
    triplet = Triplet(Frame(image, points, np.eye(3, dtype=np.float32), points), image, image)
    voiced, scaffnet, fusionnet = (
        make_sample(AugmentedTriplet(triplet, image, points), config, "")
        for config in (VoicedConfig(), ScaffNetConfig(), FusionNetConfig())
    )
    assert (voiced.input_validity.sum(), voiced.validity.sum(), voiced.sparse_depth.max()) == (4, 3, 30)
    assert voiced.scaffold is not None
    assert (scaffnet.sparse_depth.max(), scaffnet.ground_truth.max()) == (10, 10)
    assert (fusionnet.input_validity.sum(), fusionnet.sparse_depth.max(), fusionnet.input_depth.max()) == (3, 8, 30)
