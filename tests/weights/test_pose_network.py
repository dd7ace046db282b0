"""Weights of pose networks: what is stored comes back, what is something else is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import EncoderName, PoseNet
from kbnet.weights.depth_network import save_network
from kbnet.weights.pose_network import load_pose_network, save_pose_network
from kbnet.weights.published import read_published


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "plain"])
def test_pose_weights_come_back_with_their_encoder(tmp_path: Path, encoder: EncoderName) -> None:
    torch.manual_seed(0)
    network, path = PoseNet(encoder), tmp_path / "new" / "pose.safetensors"
    save_pose_network(network, path, notes={"recipe": "by hand"})
    loaded = load_pose_network(path)
    assert loaded.encoder_name == encoder
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == tensor.dtype
        assert torch.equal(found, tensor), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["recipe"] == "by hand"


def test_weights_of_a_depth_network_are_recognised(tmp_path: Path, shared: Path) -> None:
    save_network(
        KBNet(
            KBNetConfig(
                image_filters=(8, 8, 8, 8, 8, 8), depth_filters=(8, 8, 8, 8, 8, 8), decoder_filters=(8, 8, 8, 8, 8)
            )
        ),
        tmp_path / "depth.safetensors",
    )
    with pytest.raises(ValueError, match=r"expected weights of a PoseNet .*depth\.safetensors holds those of a KBNet"):
        load_pose_network(tmp_path / "depth.safetensors")
    with pytest.raises(ValueError, match=r"expected weights of a PoseNet .*kbnet-void-seed1\.pth holds KBNet"):
        load_pose_network(shared / "golden" / "kbnet-void-seed1.pth")


def test_unknown_missing_and_misshapen_published_weights_are_all_named(tmp_path: Path, shared: Path) -> None:
    checkpoint = read_published(shared / "golden" / "posenet-seed3.pth")
    del checkpoint["encoder_state_dict"]["module.blocks2.1.projection.conv.weight"]  # read by nothing
    del checkpoint["encoder_state_dict"]["module.blocks3.0.projection.conv.weight"]
    checkpoint["encoder_state_dict"]["module.blocks6.0.conv1.conv.weight"] = torch.zeros(1)
    checkpoint["decoder_state_dict"]["module.conv.2.conv.weight"] = torch.zeros(7, 256, 1, 1)
    torch.save(checkpoint, tmp_path / "tampered.pth")
    with pytest.raises(ValueError, match=r"tampered\.pth does not fit this PoseNet: ") as caught:
        load_pose_network(tmp_path / "tampered.pth")
    assert (
        str(caught.value)
        .partition("PoseNet: ")[2]
        .startswith(
            "it lacks encoder.blocks3.0.projection.conv.weight; "
            "it has encoder.blocks6.0.conv1.conv.weight, which the network has not; "
            "of another shape is decoder.conv.2.conv.weight (expected (6, 256, 1, 1), got (7, 256, 1, 1)); "
        )
    )


@pytest.mark.parametrize("metadata", [{"encoder": "resnet50"}, {}])
def test_unknown_encoders_name_their_file(tmp_path: Path, metadata: dict[str, str]) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "pose.safetensors", {"format": "kbnet-pose-1", **metadata})
    with pytest.raises(ValueError, match=r"encoder of .*pose\.safetensors is not known here .*newer kbnet\?"):
        load_pose_network(tmp_path / "pose.safetensors")


def test_pose_weights_that_do_not_fit_their_encoder_name_every_key(tmp_path: Path) -> None:
    path = tmp_path / "pose.safetensors"
    save_file({"weight": torch.zeros(1)}, path, {"format": "kbnet-pose-1", "encoder": "plain"})
    with pytest.raises(ValueError, match="does not fit the network of its encoder") as caught:
        load_pose_network(path)
    assert all(name in str(caught.value) for name in PoseNet("plain").state_dict())
    assert "it has weight, which" in str(caught.value)


def test_missing_files_and_unknown_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights file .*missing\.pth"):
        load_pose_network(tmp_path / "missing.pth")
    with pytest.raises(FileNotFoundError, match="got 'posenet-kitti'; these are published weights"):
        load_pose_network("posenet-kitti")
