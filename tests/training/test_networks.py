"""The networks of a run: what they start from, what does not fit, and batches too small to normalise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.config import TrainingConfig
from kbnet.training.networks import build_networks, differing_settings, settings_of_weights
from kbnet.weights.depth_network import save_network
from kbnet.weights.pose_network import save_pose_network

MakeConfig = Callable[..., TrainingConfig]
PUBLISHED = "kbnet-void-seed1.pth"
PUBLISHED_POSE = "posenet-seed3.pth"


def assert_same(network: nn.Module, other: nn.Module) -> None:
    state, expected = network.state_dict(), other.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())


def build(config: TrainingConfig) -> tuple[KBNet, PoseNet | None]:
    return build_networks(config, all_poses_known=False)


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "plain"])
def test_a_run_starts_from_weights_of_both_networks(make_config: MakeConfig, tmp_path: Path, encoder: Any) -> None:
    config = make_config(pose_encoder=encoder)
    first, first_pose = KBNet(config.network), PoseNet(encoder)
    save_network(first, tmp_path / "first.safetensors")
    save_pose_network(first_pose, tmp_path / "pose.safetensors")
    network, pose_network = build(
        replace(
            config,
            initial_weights=str(tmp_path / "first.safetensors"),
            initial_pose_weights=str(tmp_path / "pose.safetensors"),
        )
    )
    assert_same(network, first)
    assert pose_network is not None
    assert pose_network.encoder_name == encoder
    assert_same(pose_network, first_pose)
    assert network.training
    assert pose_network.training


def test_names_of_local_weights_are_a_start(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KBNET_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    config = make_config(initial_weights="mine")
    first = KBNet(config.network)
    save_network(first, tmp_path / "weights" / "mine.safetensors")
    assert_same(build(config)[0], first)


def test_published_files_are_a_start(make_config: MakeConfig, shared: Path) -> None:
    golden = shared / "golden"
    settings = settings_of_weights(str(golden / PUBLISHED), KBNetConfig.preset("void"))
    assert settings == KBNetConfig.preset("void", intrinsics_scaling="published")
    config = replace(
        make_config(initial_weights=str(golden / PUBLISHED), initial_pose_weights=str(golden / PUBLISHED_POSE)),
        network=settings,
    )
    network, pose_network = build(config)
    stored = torch.load(golden / PUBLISHED, weights_only=True)["encoder_state_dict"]["module.conv0_image.conv.weight"]
    assert torch.equal(network.state_dict()["encoder.image_stem.weight"], stored)
    stored = torch.load(golden / PUBLISHED_POSE, weights_only=True)["encoder_state_dict"]["module.conv1.conv.weight"]
    assert pose_network is not None
    assert torch.equal(pose_network.state_dict()["stem.convolution.weight"], stored)


def test_published_files_of_another_architecture_name_every_tensor(make_config: MakeConfig, shared: Path) -> None:
    config = make_config(initial_weights=str(shared / "golden" / PUBLISHED))
    with pytest.raises(ValueError, match=r"^[^\n]*does not fit[^\n]*deconv0[^\n]*conv0_image[^\n]*$"):
        build(config)


def test_every_setting_in_which_weights_differ_is_named(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(initial_weights=str(tmp_path / "first.safetensors"))
    other = replace(config.network, max_depth=9.0, intrinsics_scaling="published")
    save_network(KBNet(other), tmp_path / "first.safetensors")
    expected = r"network\.max_depth 9\.0 \(not 8\.0\), network\.intrinsics_scaling published \(not exact\)"
    with pytest.raises(ValueError, match=expected) as caught:
        build(config)
    assert "min_depth" not in str(caught.value)
    assert settings_of_weights(str(tmp_path / "first.safetensors"), config.network) == other
    assert differing_settings(other, other) == ""


def test_pose_weights_of_another_encoder_are_refused(make_config: MakeConfig, tmp_path: Path) -> None:
    save_pose_network(PoseNet("plain"), tmp_path / "pose.safetensors")
    with pytest.raises(ValueError, match="of the pose encoder plain, not resnet18; set pose_encoder to plain"):
        build(make_config(initial_pose_weights=str(tmp_path / "pose.safetensors")))


@pytest.mark.parametrize(
    ("key", "saved"), [("initial_weights", "pose"), ("initial_pose_weights", "depth")], ids=["depth", "pose"]
)
def test_weights_of_the_other_network_are_refused(
    make_config: MakeConfig, tmp_path: Path, key: str, saved: str
) -> None:
    config, path = make_config(**{key: str(tmp_path / "first.safetensors")}), tmp_path / "first.safetensors"
    if saved == "pose":
        save_pose_network(PoseNet(), path)
    else:
        save_network(KBNet(config.network), path)
    with pytest.raises(ValueError, match=r"^expected weights of a [^\n]* holds those of a [^\n]*$"):
        build(config)


def test_pose_weights_for_no_pose_network_are_refused(make_config: MakeConfig) -> None:
    config = make_config(initial_pose_weights="posenet-kitti")
    with pytest.raises(ValueError, match="posenet-kitti, but this run trains no pose network"):
        build_networks(config, all_poses_known=True)


def test_a_resumed_run_does_not_read_initial_weights(make_config: MakeConfig) -> None:
    config = make_config(initial_weights="gone.safetensors", initial_pose_weights="gone.safetensors")
    build_networks(config, all_poses_known=False, read_weights=False)
    with pytest.raises(FileNotFoundError, match=r"no weights file gone\.safetensors"):
        build(config)


@pytest.mark.parametrize(
    ("encoder", "largest"), [("resnet18", 128), ("resnet34", 128), ("plain", 128)], ids=lambda value: str(value)
)
def test_a_batch_too_small_to_normalise_is_refused_as_torch_would(
    make_config: MakeConfig, encoder: Any, largest: int
) -> None:
    refused = make_config(pose_encoder=encoder, batch_size=1, augmentation={"crop": (32, largest)})
    with pytest.raises(ValueError, match=rf"batch of 1 with a crop of {largest}x32; set batch_size to 2 or more"):
        build(refused)
    images = torch.rand(1, 3, 32, largest)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        PoseNet(encoder)(images, images)

    for changes in ({"batch_size": 2}, {"batch_size": 1, "augmentation": {"crop": (32, largest + 1)}}):
        config = make_config(pose_encoder=encoder, **changes)
        _, pose_network = build(config)
        images = torch.rand(config.batch_size, 3, *config.augmentation.crop)
        assert pose_network is not None
        pose_network(images, images)


def test_a_normalised_depth_network_needs_two_values_too(make_config: MakeConfig) -> None:
    for width, fits in ((32, False), (33, True)):
        config = make_config(network={"normalisation": "batch"}, batch_size=1, augmentation={"crop": (32, width)})
        if not fits:
            with pytest.raises(ValueError, match="smallest features of the depth network"):
                build_networks(config, all_poses_known=True)
            continue
        network, _ = build_networks(config, all_poses_known=True)
        network(
            torch.rand(1, 3, 32, width), torch.ones(1, 1, 32, width), torch.ones(1, 1, 32, width), torch.eye(3)[None]
        )


def test_pose_consistency_without_a_pose_network_is_refused(make_config: MakeConfig) -> None:
    weights = LossWeights(pose_consistency=0.1)
    with pytest.raises(ValueError, match=r"pose_consistency, but this run trains no pose network, .* poses to network"):
        build_networks(make_config(losses=weights), all_poses_known=True)
    assert build_networks(make_config(losses=weights), all_poses_known=False)[1] is not None


def test_a_run_may_change_the_depth_range_of_weights_with_a_propagation_head(
    make_config: MakeConfig, propagation_config: Callable[..., KBNetConfig], tmp_path: Path
) -> None:
    first = KBNet(propagation_config(max_depth=30.0, working_side=640))
    save_network(first, path := tmp_path / "rooms.safetensors")
    settings = {"min_depth": 0.5, "max_depth": 120.0, "working_side": 1242}
    streets = replace(make_config(initial_weights=str(path)), network=propagation_config(**settings))
    network, _ = build(streets)
    assert_same(network, first)
    assert {name: getattr(network.config, name) for name in settings} == settings
    with pytest.raises(ValueError, match=r"network\.propagation_steps 4 \(not 2\)"):
        build(replace(streets, network=propagation_config(propagation_steps=2)))
