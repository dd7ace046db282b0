"""The file format of weights: same contents, same bytes; nothing that is not finite, nothing that does not fit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.weights import depth_network, pose_network, safetensors_file
from kbnet.weights.depth_network import load_network, read_config, save_network
from kbnet.weights.pose_network import load_pose_network, read_encoder, save_pose_network
from kbnet.weights.safetensors_file import DEPTH_FORMAT, read_metadata, read_tensors, write_tensors

TINY: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}


def test_the_same_weights_saved_twice_are_equal_byte_by_byte(tmp_path: Path) -> None:
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2), "n": torch.tensor(7)}
    metadata = {"format": DEPTH_FORMAT, **{f"key {number}": f'text "{number}" ü' for number in range(20)}}
    files = []
    for number, order in enumerate((list(metadata), list(reversed(metadata)))):
        files.append(tmp_path / f"{number}.safetensors")
        write_tensors(files[-1], tensors, torch.float32, {key: metadata[key] for key in order})
    assert files[0].read_bytes() == files[1].read_bytes()
    assert read_metadata(files[0]) == metadata
    found = read_tensors(files[0])
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    network, path = KBNet(KBNetConfig(**TINY)), tmp_path / "bad.safetensors"
    network.decoder.output.weight.data[0, 0, 0, 0] = value
    save_network(network, path)
    message = r"^expected finite weights, but .*bad\.safetensors holds NaN or infinity in decoder\.output\.weight; .*$"
    with pytest.raises(ValueError, match=message):
        load_network(path)
    pose = PoseNet("plain")
    name, parameter = next(iter(pose.named_parameters()))
    parameter.data.fill_(value)
    save_pose_network(pose, path)
    with pytest.raises(ValueError, match=f"holds NaN or infinity in {name}"):
        load_pose_network(path)


def test_published_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, shared: Path) -> None:
    stored = torch.load(shared / "golden" / "posenet-seed3.pth", weights_only=True)
    stored["decoder_state_dict"]["module.conv.2.conv.weight"][0] = float("nan")
    torch.save(stored, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad\.pth holds NaN or infinity in decoder\.conv\.2\.conv\.weight"):
        load_pose_network(tmp_path / "bad.pth")


@pytest.mark.parametrize(
    "changes",
    [
        {"image_filters": [20000] * 6},
        {"image_filters": [10**9] * 6},
        {"image_filters": [10**30] * 6},
        {"decoder_filters": [8.5] * 5},
        {"min_pool_sizes": list(range(3, 40001, 2))},
    ],
)
def test_a_config_that_asks_for_more_than_the_file_holds_is_refused_before_anything_is_built(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "small.safetensors"
    save_network(KBNet(KBNetConfig(**TINY)), path)
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config = json.dumps({**json.loads(metadata["config"]), **changes})
    save_file(tensors, path, {**metadata, "config": config})
    begin = time.process_time()
    with pytest.raises(
        ValueError, match=r"small\.safetensors (does not fit|gives no network|cannot be read)"
    ) as caught:
        load_network(path)
    assert time.process_time() - begin < 5
    assert "\n" not in str(caught.value)


def test_a_config_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    save_file({"weight": torch.zeros(1)}, path, {"format": DEPTH_FORMAT, "config": "[" * 100_000})
    with pytest.raises(ValueError, match=r"config inside .*deep\.safetensors cannot be read"):
        load_network(path)


def test_config_and_encoder_are_read_without_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("not needed")

    config = KBNetConfig(**TINY)
    save_network(KBNet(config), tmp_path / "depth.safetensors")
    save_pose_network(PoseNet("plain"), tmp_path / "pose.safetensors")
    monkeypatch.setattr(safetensors_file, "read_tensors", refuse)
    for name in ("read_tensors", "network_of"):
        monkeypatch.setattr(depth_network, name, refuse)
    for module, name in ((safetensors_file, "read_tensors"), (pose_network, "PoseNet")):
        monkeypatch.setattr(module, name, refuse)
    assert read_config(tmp_path / "depth.safetensors") == config
    assert read_encoder(tmp_path / "pose.safetensors") == "plain"
