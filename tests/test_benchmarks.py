"""The commands in benchmarks/: that they run, that their JSON says what it should, that an archive keeps its limit."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from kbnet.cli.main import main
from kbnet.data.sequence import Sequence
from kbnet.data.sequence_writer import new_sequence
from kbnet.frame import Frame
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.weights import load_network, save_network

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.sh"))
COMMANDS = ("bundle_weights", "inference", "pack_data", "training")
SMALL: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}

Load = Callable[[str], Any]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import one of the commands as ``python benchmarks/<name>.py`` would find it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A sequence of nine frames of 44x52 pixels with everything a sequence may have, and one file more."""
    generator = np.random.default_rng(0)
    K = np.array([[40, 0, 26], [0, 40, 22], [0, 0, 1]], np.float32)
    folder = tmp_path / "room"
    with new_sequence(folder, K) as sequence:
        for index in range(9):
            depth = np.full((44, 52), 2.0, np.float32)
            points = np.where(generator.random(depth.shape) < 0.1, depth, np.float32(0))
            image = generator.integers(0, 256, (*depth.shape, 3), dtype=np.uint8)
            T_world_camera = np.eye(4)
            T_world_camera[0, 3] = 0.1 * index
            sequence.add(Frame(image, points, K, depth, name=f"{index:04}"), T_world_camera)
    (folder / "sparse_depth").rename(folder / "sparse_depth_150")
    (folder / "notes.md").write_text("not a frame")
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_network(KBNet(KBNetConfig(scaffold="linear", **SMALL)), path, notes={"steps": "7"})
    return path


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert content["environment"].keys() >= {"versions", "device", "device_name", "threads", "tf32_convolutions"}
    assert content["environment"]["versions"].keys() == {"python", "kbnet", "torch"}
    return content


def unpack(archive: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Unpack an archive; return what packed.json says of each place in it."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    packed = json.loads((folder / "packed.json").read_text(encoding="utf-8"))
    return {sequence["place"]: sequence for sequence in packed["sequences"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_starts_as_a_file(name: str) -> None:
    shown = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", "--help"],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith(f"usage: {name}.py")


def test_inference_times_every_variant(
    load: Load, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "inference.json"
    command = load("inference").Command(
        weights=(str(weights),), sizes=("64x48", "48x40"), rounds=2, warmup=0, device="cpu", output=output
    )
    command.run()
    results = read_json(output)["results"]
    assert [(row["size"], row["precision"]) for row in results] == [
        ("64x48", "float32"),
        ("64x48", "bfloat16"),
        ("48x40", "float32"),
        ("48x40", "bfloat16"),
    ]
    assert results[0]["ratio_to_first"] == 1
    for row in results:
        assert row["preparation_ms"] > 0
        assert row["frame_ms_first_decile"] <= row["frame_ms"] <= row["frame_ms_last_decile"]
        assert row["frames_per_second"] == pytest.approx(1000 / row["frame_ms"])
    assert capsys.readouterr().out.count("bfloat16") == 2


def test_inference_variants_take_turns(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    inference = load("inference")
    calls: list[str] = []
    monkeypatch.setattr(inference.Variant, "complete", lambda variant: calls.append(variant.weights))
    monkeypatch.setattr(inference.Variant, "prepare", lambda variant: None)
    completer = load("kbnet.completion").DepthCompleter(KBNet(KBNetConfig(**SMALL)), device="cpu")
    variants = [inference.Variant(name, "64x48", "float32", completer, ()) for name in ("a", "b")]
    inference.measure(variants, rounds=2, warmup=1)
    assert calls == ["a", "b"] * 3
    assert [len(variant.frame_ms) for variant in variants] == [2, 2]


def test_inference_knows_the_kitti_preset_by_its_size(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    inference = load("inference")
    monkeypatch.setattr(inference, "fresh_network", lambda preset: KBNet(KBNetConfig.preset(preset, **SMALL)))
    command = inference.Command(weights=("fresh",), precisions=("float32",), device="cpu")
    found = {variant.size: (variant.weights, variant.completer.config.max_depth) for variant in command._variants()}
    assert found == {"640x480": ("fresh (void)", 8.0), "1216x352": ("fresh (kitti)", 100.0)}


def test_inference_refuses_what_is_no_size(load: Load, weights: Path) -> None:
    command = load("inference").Command(weights=(str(weights),), sizes=("640",), device="cpu")
    with pytest.raises(ValueError, match="such as 640x480, got '640'"):
        command.run()


def test_training_times_loader_and_step(
    load: Load, room: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "small.toml"
    filters = "".join(f"{name} = {list(values)}\n" for name, values in SMALL.items())
    recipe.write_text(
        'batch_size = 2\nworkers = 0\ngaps = [1]\nposes = "known"\nsparse_depth = ["sparse_depth_150"]\n'
        f'[network]\nscaffold = "linear"\n{filters}[augmentation]\ncrop = [32, 40]\n'
    )
    output = tmp_path / "training.json"
    load("training").Command(recipe=recipe, sequences=(room,), steps=2, warmup=1, device="cpu", output=output).run()
    content = read_json(output)
    assert content["settings"].keys() >= {"recipe", "batch_size", "crop", "workers", "precision"}
    assert [row["part"] for row in content["results"]] == ["loader", "step", "loader and step"]
    assert all(row["samples_per_second"] > 0 and row["median_batch_ms"] > 0 for row in content["results"])
    assert "loader and step" in capsys.readouterr().out


def test_training_makes_a_sequence_that_fits_the_recipe(load: Load, tmp_path: Path) -> None:
    training = load("training")
    config = training.Command(batch_size=1, device="cpu")._config(tmp_path)
    sequence = Sequence(config.sequences[0])
    height, width = config.augmentation.crop
    assert len(sequence.triplet_indices(config.gaps[0])) >= config.batch_size
    assert sequence.image(0).shape > (height, width)


def test_pack_leaves_everything_as_it_is_where_it_fits(load: Load, room: Path, tmp_path: Path) -> None:
    output = tmp_path / "data.tar"
    load("pack_data").Command(sequences=(room,), held_out=(room,), output=output).run()
    packed = unpack(output, tmp_path / "there")
    assert packed.keys() == {"train/room", "held_out/room"}
    assert packed["train/room"]["left_out"] == ["notes.md"]
    original = Sequence(room, sparse_depth="sparse_depth_150")
    for place in packed:
        sequence = Sequence(tmp_path / "there" / place, sparse_depth="sparse_depth_150")
        assert sequence.names == original.names
        for index in range(len(original)):
            one, other = sequence.frame(index), original.frame(index)
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.sparse_depth, other.sparse_depth)
            np.testing.assert_array_equal(sequence.pose(index), original.pose(index))
        assert sequence.has_ground_truth


@pytest.mark.parametrize("limit_mib", [0.2, 0.15, 0.1])
def test_pack_keeps_its_limit_and_what_is_left_opens(
    load: Load, room: Path, tmp_path: Path, limit_mib: float, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "data.tar"
    load("pack_data").Command(sequences=(room,), held_out=(room,), output=output, limit_mib=limit_mib).run()
    assert output.stat().st_size <= limit_mib * 2**20
    packed = unpack(output, tmp_path / "there")
    said = capsys.readouterr().out
    for place, contents in packed.items():
        sequence = Sequence(tmp_path / "there" / place, sparse_depth="sparse_depth_150")
        assert len(sequence) == contents["frames"] == len(range(0, 9, contents["every"]))
        assert sequence.triplet(1, 1).frame.ground_truth is not None
        assert f"{place}: {contents['frames']} of 9 frames" in said
    assert packed["train/room"]["encoded_images"] or max(one["every"] for one in packed.values()) > 1
    assert packed["held_out/room"]["encoded_images"] == 0, "frames to judge by must be those that others judge by"


def test_pack_refuses_a_limit_that_no_triplet_fits_into(load: Load, room: Path, tmp_path: Path) -> None:
    output = tmp_path / "data.tar"
    with pytest.raises(ValueError, match="raise --limit-mib"):
        load("pack_data").Command(sequences=(room,), output=output, limit_mib=0.04).run()
    assert not output.exists()


def test_pack_is_the_same_every_time(load: Load, room: Path, tmp_path: Path) -> None:
    archives = [tmp_path / name for name in ("first.tar", "second.tar")]
    for output in archives:
        load("pack_data").Command(sequences=(room,), output=output).run()
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_half_precision_keeps_config_and_origin(load: Load, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "half.safetensors"
    load("bundle_weights").Command(weights, output).run()
    before, after = load_network(weights), load_network(output)
    assert after.config == before.config
    assert output.stat().st_size < 0.6 * weights.stat().st_size
    for name, tensor in after.state_dict().items():
        torch.testing.assert_close(tensor, before.state_dict()[name], rtol=1e-3, atol=1e-6)
    with safe_open(output, framework="pt") as file:
        assert file.metadata()["steps"] == "7"


def test_half_precision_refuses_what_16_bits_cannot_hold(load: Load, tmp_path: Path) -> None:
    network = KBNet(KBNetConfig(normalisation="batch", **SMALL))
    next(value for name, value in network.named_buffers() if name.endswith("running_var")).fill_(1e6)
    save_network(network, tmp_path / "wide.safetensors")
    with pytest.raises(ValueError, match="got 1e\\+06"):
        load("bundle_weights").Command(tmp_path / "wide.safetensors", tmp_path / "half.safetensors").run()
    assert not (tmp_path / "half.safetensors").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_sound_and_can_be_run(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


def test_scripts_use_flags_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (BENCHMARKS / "train_on_gpu.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    for command in ("train", "evaluate"):
        assert main([command, "--help"]) == 0
        known = set(re.findall(r"--[a-z][\w-]*", capsys.readouterr().out))
        (used,) = re.findall(rf"-m kbnet {command} (.*)", lines)
        assert set(re.findall(r"--[a-z][\w-]*", used)) <= known
