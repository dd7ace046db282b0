"""Weights files: what is read, what is refused and how, and that nothing in them is ever run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import kbnet
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.weights.depth_network import load_network, save_network
from kbnet.weights.pose_network import save_pose_network
from kbnet.weights.published import fill_pose_network, read_published

TINY = {
    "image_filters": (8, 8, 8, 8, 8, 8),
    "depth_filters": (8, 8, 8, 8, 8, 8),
    "decoder_filters": (8, 8, 8, 8, 8),
}
ODD_CONFIG = KBNetConfig(
    min_pool_sizes=(3,), max_pool_sizes=(5, 9), max_depth=6.5, scaffold="linear", outlier_rule="support", **TINY
)


@pytest.fixture
def published(shared: Path) -> Path:
    return shared / "golden" / "kbnet-void-seed1.pth"


def tampered(published: Path, folder: Path, change: Any) -> Path:
    """A copy of the published file after ``change`` had its way with the dictionary."""
    checkpoint = read_published(published)
    change(checkpoint)
    torch.save(checkpoint, folder / "tampered.pth")
    return folder / "tampered.pth"


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def stored_parameters(path: Path) -> int:
    groups = [
        tensors
        for group, tensors in read_published(path).items()
        if group.endswith(("coder_state_dict", "pool_state_dict"))
    ]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return sum(tensor.numel() for group in groups for name, tensor in group.items() if not name.endswith(statistics))


def test_published_weights_load_with_the_preset_and_the_published_scaling(published: Path) -> None:
    completer = kbnet.load(published, preset="void", device="cpu")
    assert completer.config == KBNetConfig(intrinsics_scaling="published")


def test_published_weights_hold_one_branch_more_than_the_network_reads(published: Path) -> None:
    unread = 384 * 192 * 3 * 3
    assert stored_parameters(published) == 6_957_764
    assert parameters(KBNet()) + unread == 6_957_764


def test_published_pose_weights_hold_projections_that_the_network_does_not_read(shared: Path) -> None:
    path = shared / "golden" / "posenet-seed3.pth"
    network = PoseNet()
    fill_pose_network(network, read_published(path))
    unread = sum(channels**2 for channels in (32, 64, 128, 256))
    assert stored_parameters(path) == 4_063_104
    assert parameters(network) + unread == 4_063_104


def test_weights_with_code_inside_are_refused_and_the_code_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    torch.save({"encoder_state_dict": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="damaged or holds code, which is never run"):
        kbnet.load(tmp_path / "evil.pth", preset="void")
    assert not marker.exists()


def test_truncated_published_weights_are_called_damaged(published: Path, tmp_path: Path) -> None:
    (tmp_path / "half.pth").write_bytes(published.read_bytes()[: 1 << 20])
    with pytest.raises(ValueError, match=r"half\.pth, but it is damaged .* fetch the file again"):
        kbnet.load(tmp_path / "half.pth", preset="void")


@pytest.mark.parametrize("kept", [0, 5, 100, -4])
def test_truncated_own_weights_are_called_damaged(tmp_path: Path, kept: int) -> None:
    save_network(KBNet(ODD_CONFIG), tmp_path / "whole.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cut\.safetensors is truncated or damaged"):
        load_network(tmp_path / "cut.safetensors")


def test_published_weights_need_a_preset(published: Path) -> None:
    with pytest.raises(ValueError, match=r"add preset='void' \(--preset void on the command line\)"):
        load_network(published)
    with pytest.raises(ValueError, match=r"one of the presets void, kitti, voiced-void, .*, got 'indoor'"):
        load_network(published, preset="indoor")


def test_own_weights_refuse_a_preset(tmp_path: Path) -> None:
    save_network(KBNet(ODD_CONFIG), tmp_path / "own.safetensors")
    with pytest.raises(ValueError, match="carries its own config; leave the preset out"):
        load_network(tmp_path / "own.safetensors", preset="void")


@pytest.mark.parametrize("config", [ODD_CONFIG, KBNetConfig(normalisation="batch", **TINY)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_own_weights_come_back_with_their_config(tmp_path: Path, config: KBNetConfig, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network, path = KBNet(config), tmp_path / "new" / "own.safetensors"
    save_network(network, path, dtype=dtype, notes={"recipe": "by hand"})
    loaded = load_network(path)
    assert loaded.config == config
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == tensor.dtype
        assert torch.equal(found, tensor.to(dtype).to(tensor.dtype)), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["recipe"] == "by hand"


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    for dtype in (torch.float32, torch.float16):
        save_network(KBNet(KBNetConfig()), tmp_path / f"{dtype}.safetensors", dtype=dtype)
    full, half = ((tmp_path / f"torch.{name}.safetensors").stat().st_size for name in ("float32", "float16"))
    assert half < 0.51 * full


def test_safetensors_of_another_program_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"other\.safetensors has no kbnet config inside \(format 'pt'\)"):
        load_network(tmp_path / "other.safetensors")


@pytest.mark.parametrize("name", ["missing.safetensors", "missing.pth"])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no weights file .*{name}"):
        load_network(tmp_path / name, preset="void")


def test_weights_of_another_preset_say_so(published: Path) -> None:
    with pytest.raises(ValueError, match=r"trained with another preset \(there are void, kitti\)") as caught:
        load_network(published, preset="kitti")
    name = "sparse_to_dense_pool.pool_convs.0.conv.weight"
    assert f"of another shape is {name} (expected (8, 7, 1, 1), got (8, 5, 1, 1));" in str(caught.value)


def test_unknown_missing_and_misshapen_published_weights_are_all_named_in_one_line(
    published: Path, tmp_path: Path
) -> None:
    def change(checkpoint: dict[str, Any]) -> None:
        del checkpoint["decoder_state_dict"]["module.output0.conv.weight"]
        checkpoint["encoder_state_dict"]["module.conv0_image.conv.weight"] = torch.zeros(48, 1, 3, 3)
        checkpoint["encoder_state_dict"]["module.conv0_depth.conv.weight"] = "lost"
        for name in ("module.extra", "module.more"):
            checkpoint["encoder_state_dict"][name] = torch.zeros(1)

    with pytest.raises(ValueError, match=r"tampered\.pth does not fit this KBNet") as caught:
        load_network(tampered(published, tmp_path, change), preset="void")
    message = str(caught.value)
    assert "it lacks decoder.output0.conv.weight; " in message
    assert "it has encoder.extra, encoder.more, which the network has not; " in message
    assert "encoder.conv0_image.conv.weight (expected (48, 3, 3, 3), got (48, 1, 3, 3))" in message
    assert "encoder.conv0_depth.conv.weight (expected (16, 8, 3, 3), got str)" in message
    assert "\n" not in message


def test_weights_that_nothing_reads_need_not_be_there(published: Path, tmp_path: Path) -> None:
    unread = "module.calibrated_backprojection4.conv_image.conv_block.0.conv.weight"
    path = tampered(published, tmp_path, lambda checkpoint: checkpoint["encoder_state_dict"].pop(unread))
    load_network(path, preset="void")


def test_every_weight_of_a_missing_group_is_named(published: Path, tmp_path: Path) -> None:
    path = tampered(published, tmp_path, lambda checkpoint: checkpoint.pop("decoder_state_dict"))
    with pytest.raises(ValueError, match="it lacks decoder") as caught:
        load_network(path, preset="void")
    assert str(caught.value).count("decoder.") == 11


def test_a_checkpoint_of_another_program_says_what_it_has(tmp_path: Path) -> None:
    for content, complaint in (
        ({"epoch": 3, "model": {}}, r"it has none of them \(it has epoch, model\)"),
        (torch.zeros(3), "got a Tensor"),
    ):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ValueError, match=complaint):
            load_network(tmp_path / "other.pth", preset="void")


def test_weights_of_a_pose_network_are_recognised(tmp_path: Path, shared: Path) -> None:
    save_pose_network(PoseNet(), tmp_path / "pose.safetensors")
    with pytest.raises(ValueError, match=r"expected weights of a KBNet .*pose\.safetensors holds those of a PoseNet"):
        load_network(tmp_path / "pose.safetensors")
    with pytest.raises(ValueError, match=r"expected weights of a KBNet .*posenet-seed3\.pth holds PoseNet"):
        load_network(shared / "golden" / "posenet-seed3.pth", preset="void")


def test_own_weights_that_do_not_fit_their_config_name_every_key_and_no_preset(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_network(KBNet(ODD_CONFIG), path)
    with safe_open(path, framework="pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    dropped = sorted(state)[:2]
    save_file({name: tensor for name, tensor in state.items() if name not in dropped}, path, metadata)
    with pytest.raises(ValueError, match="does not fit the network of its config") as caught:
        load_network(path)
    assert f"it lacks {', '.join(dropped)};" in str(caught.value)
    assert "preset" not in str(caught.value)


@pytest.mark.parametrize("config", ['{"wings": 2}', "{", "3", '{"max_depth": "far"}'])
def test_a_config_that_cannot_be_read_names_its_file(tmp_path: Path, config: str) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "own.safetensors", {"format": "kbnet-1", "config": config})
    with pytest.raises(ValueError, match=r"config inside .*own\.safetensors cannot be read \(.*newer kbnet\?"):
        load_network(tmp_path / "own.safetensors")
