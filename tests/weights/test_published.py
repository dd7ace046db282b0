"""Published files of VOICED, ScaffNet and FusionNet: opened with their presets, imported, and named where wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from fixtures_golden import Recording
from fixtures_siblings import recorded_checkpoint

import kbnet
from kbnet.inference.onnxruntime_engine import available as onnxruntime_available
from kbnet.network.build import network_of
from kbnet.network.config import PRESETS
from kbnet.network.pose_net import PoseNet
from kbnet.network.siblings.config import SIBLING_PRESETS, PresetName, VoicedConfig
from kbnet.network.siblings.voiced import Voiced
from kbnet.weights.depth_network import load_network, read_kbnet_config, save_network
from kbnet.weights.pose_network import load_pose_network, save_pose_network
from kbnet.weights.published import sibling_names
from kbnet.weights.published_import import import_weights, plan_import


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Fresh networks in the published layout, by what they are."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("published")
    networks: dict[str, Any] = {
        name: network_of(SIBLING_PRESETS[name]) for name in SIBLING_PRESETS if "kitti" not in name
    }
    networks["voiced-8"] = Voiced(VoicedConfig(encoder_layers=8))
    files = {}
    for name, network in networks.items():
        checkpoint = published_checkpoint(network)
        files[name] = folder / f"{name}.pth"
        torch.save(checkpoint, files[name])
        if name == "fusionnet-void":
            alone = {group: value for group, value in checkpoint.items() if "scaffnet" not in group}
            del alone["spatial_pyramid_pool_state_dict"]
            files["fusionnet-alone"] = folder / "fusionnet-alone.pth"
            torch.save(alone, files["fusionnet-alone"])
    return files


def published_checkpoint(network: Any) -> dict[str, Any]:
    state, checkpoint = network.state_dict(), {"train_step": 7, "optimizer_state_dict": {}}
    for theirs, ours in sibling_names(network).items():
        group, _, name = theirs.partition(".")
        checkpoint.setdefault(f"{group}_state_dict", {})[name] = state[ours]
    return checkpoint


def test_preset_names_are_those_of_kbnet_and_of_the_siblings() -> None:
    assert get_args(PresetName) == (*PRESETS, *SIBLING_PRESETS)


@pytest.fixture(scope="module")
def recorded_file(family: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The published file that a recording was made with, drawn once."""
    folder = tmp_path_factory.mktemp("recorded")

    def draw(file: str, preset: str) -> Path:
        path = folder / f"{file}.pth"
        if not path.is_file():
            recording = Recording(family / f"{file}.npz")
            torch.save(recorded_checkpoint(family, preset.partition("-")[0], recording), path)
        return path

    return draw


@pytest.mark.parametrize(
    ("file", "preset"),
    [
        ("voiced_void_odd", "voiced-void"),
        ("voiced_kitti", "voiced-kitti"),
        ("fusionnet_void_odd", "fusionnet-void"),
        ("fusionnet_kitti", "fusionnet-kitti"),
        ("scaffnet_void_odd", "scaffnet-scenenet"),
        ("scaffnet_vkitti", "scaffnet-vkitti"),
    ],
)
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_published_file_completes_the_recorded_frame(
    family: Path, recorded_file: Callable[[str, str], Path], file: str, preset: str, engine: Any
) -> None:
    if engine == "onnxruntime" and not onnxruntime_available():
        pytest.skip("onnxruntime is not installed")
    recording = Recording(family / f"{file}.npz")
    completer = kbnet.load(recorded_file(file, preset), preset=preset, device="cpu", engine=engine)
    height, width = recording["sparse_depth"].shape
    image = recording["image"] if "image" in recording else np.zeros((height, width, 3), np.uint8)
    depth = completer(image, recording["sparse_depth"], np.eye(3, dtype=np.float32))
    assert np.abs(depth - recording["depth"]).max() / recording["depth"].max() < 1e-4


@pytest.mark.parametrize(
    ("file", "preset", "said"),
    [
        (
            "voiced-void",
            "scaffnet-scenenet",
            "weights of ScaffNet, but .* holds VOICED with 11-layer encoders; its preset",
        ),
        ("scaffnet-vkitti", "fusionnet-void", "weights of FusionNet, but .* holds ScaffNet; its preset is scaffnet-sc"),
        (
            "fusionnet-void",
            "void",
            r"weights of a KBNet \(depth\), but .* holds FusionNet; its preset is fusionnet-void",
        ),
        ("voiced-8", "voiced-void", "VOICED with 11-layer encoders, but .* holds VOICED with 8-layer encoders$"),
        ("fusionnet-alone", "fusionnet-void", "holds FusionNet without the ScaffNet that it needs inside$"),
        (
            "voiced-void",
            None,
            r"add preset='voiced-void' \(.*\) or 'voiced-kitti' for .* VOICED with 11-layer encoders",
        ),
        ("voiced-void", "voiced", "one of the presets void, kitti, voiced-void, .*, got 'voiced'"),
    ],
)
def test_a_file_of_another_network_is_named_in_one_line(
    published: dict[str, Path], file: str, preset: str | None, said: str
) -> None:
    if file == "scaffnet-vkitti":
        file = "scaffnet-scenenet"
    with pytest.raises(ValueError, match=said) as caught:
        kbnet.load(published[file], preset=preset, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_file_of_kbnet_is_named_too(shared: Path) -> None:
    for file, said in (
        ("kbnet-void-seed1.pth", r"KBNet \(depth\); its preset is void or kitti"),
        ("posenet-seed3.pth", "PoseNet"),
    ):
        with pytest.raises(ValueError, match=f"expected weights of ScaffNet, but .* holds {said}"):
            kbnet.load(shared / "golden" / file, preset="scaffnet-vkitti", device="cpu")


def test_released_names_are_recognised_and_the_weights_keep_what_the_file_does_not_hold(
    published: dict[str, Path], tmp_path: Path
) -> None:
    released = {
        "voiced-void1500.pth": ("voiced", "voiced-void"),
        "scaffnet-scenenet.pth": ("scaffnet-scenenet", "scaffnet-scenenet"),
        "fusionnet-void1500.pth": ("fusionnet-void", "fusionnet-void"),
    }
    for file, (name, preset) in released.items():
        (tmp_path / file).write_bytes(published[preset].read_bytes())
        assert import_weights(plan_import(tmp_path / file)) == [name]
        assert import_weights(plan_import(tmp_path / file)) == []
        imported, opened = load_network(name), load_network(published[preset], preset=preset)
        assert imported.config == opened.config == SIBLING_PRESETS[preset]
        for tensor, expected in zip(imported.state_dict().values(), opened.state_dict().values(), strict=True):
            assert torch.equal(tensor, expected)


def test_a_file_of_another_name_needs_a_preset_of_its_system(published: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(published["voiced-void"].read_bytes())
    with pytest.raises(ValueError, match=r"it holds VOICED .*; add --preset \(voiced-void or voiced-kitti\) and"):
        plan_import(tmp_path / "mine.pth")
    (planned,) = plan_import(tmp_path / "mine.pth", name="mine", preset="voiced-kitti")
    assert planned.config == SIBLING_PRESETS["voiced-kitti"]


@pytest.mark.parametrize("config", [VoicedConfig(encoder_layers=8, max_depth=6.5), *SIBLING_PRESETS.values()], ids=repr)
def test_own_files_of_siblings_come_back_with_their_config(tmp_path: Path, config: Any) -> None:
    torch.manual_seed(0)
    network = network_of(config)
    save_network(network, tmp_path / "own.safetensors", dtype=torch.float16)
    loaded = load_network(tmp_path / "own.safetensors")
    assert loaded.config == config
    assert type(loaded) is type(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().to(tensor.dtype)), name


def test_weights_of_a_sibling_are_not_taken_for_those_of_a_kbnet_to_adapt(
    published: dict[str, Path], tmp_path: Path
) -> None:
    save_network(load_network(published["voiced-void"], preset="voiced-void"), tmp_path / "own.safetensors")
    with pytest.raises(ValueError, match=r"expected weights of a KBNet to adapt, but .* are those of voiced"):
        read_kbnet_config(tmp_path / "own.safetensors")


def test_the_pose_network_of_the_siblings_is_recognised_and_keeps_its_rotation(family: Path, tmp_path: Path) -> None:
    recording = {**Recording(family / "posenet.npz"), "output_factor": 1.0}
    torch.save(recorded_checkpoint(family, "posenet", recording), tmp_path / "pose.pth")
    network = load_pose_network(tmp_path / "pose.pth")
    assert (network.encoder_name, network.rotation) == ("plain", "axis-angle")
    assert import_weights(plan_import(tmp_path / "pose.pth", name="pose")) == ["pose"]
    exponential = PoseNet("plain", rotation="exponential")
    save_pose_network(exponential, tmp_path / "own.safetensors")
    assert load_pose_network(tmp_path / "own.safetensors").rotation == "exponential"


def test_a_frame_with_fewer_than_three_points_is_named(published: dict[str, Path]) -> None:
    completer = kbnet.load(published["voiced-void"], preset="voiced-void", device="cpu", engine="torch")
    sparse_depth = np.zeros((64, 64), np.float32)
    sparse_depth[3, 4] = sparse_depth[10, 11] = 2.0
    with pytest.raises(ValueError, match=r"expected at least three sparse points .* got 2 on one line: VOICED"):
        completer(np.zeros((64, 64, 3), np.uint8), sparse_depth, np.eye(3, dtype=np.float32))
