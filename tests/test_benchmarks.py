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
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from kbnet.cli.main import main
from kbnet.frame import Frame
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import load_network, save_network

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.sh"))
COMMANDS = (
    "accuracy",
    "bulk_cost",
    "bundle_weights",
    "confidence",
    "family",
    "fusion",
    "interpolation",
    "pack_data",
    "past",
    "priors",
    "published_timing",
    "robustness",
    "same_result",
)
SMALL: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}

Load = Callable[[str], Any]

pytestmark = pytest.mark.usefixtures("torch_engine")


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


def unpack(archive: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Unpack an archive; return what packed.json says of each place in it."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    packed = json.loads((folder / "packed.json").read_text(encoding="utf-8"))
    return {sequence["place"]: sequence for sequence in packed["sequences"]}


HELPS = """
import runpy, sys
for name in {names}:
    sys.path[0], sys.argv = {folder!r}, [f"{{name}}.py", "--help"]
    try:
        runpy.run_path(f"{folder}/{{name}}.py", run_name="__main__")
    except SystemExit as stop:
        print("EXIT", name, stop.code)
"""


def test_commands_start_as_files() -> None:
    """Each as ``python benchmarks/<name>.py`` starts it, one after another in one process, which imports torch once."""
    shown = subprocess.run(
        [sys.executable, "-c", HELPS.format(names=COMMANDS, folder=str(BENCHMARKS))],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    for name in COMMANDS:
        assert f"usage: {name}.py" in shown.stdout
        assert f"EXIT {name} 0\n" in shown.stdout or f"EXIT {name} None\n" in shown.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("confidence x --every 0", "expected --every of at least 1, got 0"),
        ("fusion x --keep nan", "expected --keep as finite numbers, got (nan,)"),
        ("fusion x --keep 0", "expected --keep as shares above 0 and up to 1, got (0.0,)"),
        ("fusion x --voxel 0", "expected a positive --voxel in metres, got 0"),
        ("pack_data x --output y.tar --limit-mib nan", "expected --limit-mib as a finite number, got nan"),
        ("robustness --sequences x --range-noise nan", "expected --range-noise as a finite number, got nan"),
        ("robustness --sequences x --limits 5 1", "expected 0 <= low < high as --limits in metres, got 5 1"),
        ("accuracy --recipes a.toml --train x --test y --steps 0", "expected --steps of at least 1, got 0"),
        (
            "accuracy --recipes a.toml --train x --test y --seconds nan",
            "expected --seconds as a finite number, got nan",
        ),
        ("accuracy --recipes a.toml --train x --test y --seconds 0", "expected a positive number of --seconds, got 0"),
        ("bulk_cost x --rounds 0", "expected --rounds of at least 1, got 0"),
        ("published_timing x --every 0", "expected --every of at least 1, got 0"),
    ],
)
def test_an_impossible_flag_is_one_line(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    name, *flags = line.split()
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *flags])
    with pytest.raises(SystemExit) as stop:
        load("command").start(load(name).Command)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{name}.py: error: {message}")
    assert said.count("\n") == 1


def test_plain_network_is_the_one_of_the_package() -> None:
    """A link, so that the yardstick can be read here and is used from an installed package too."""
    assert (BENCHMARKS / "plain_kbnet.py").samefile(BENCHMARKS.parent / "src/kbnet/benchmark/plain_kbnet.py")


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


def test_bundled_weights_are_the_mean_of_runs(load: Load, weights: Path, tmp_path: Path) -> None:
    network = load_network(weights)
    with torch.no_grad():
        for value in network.parameters():
            value *= 3
    save_network(network, tmp_path / "other.safetensors")
    output = tmp_path / "mean.safetensors"
    load("bundle_weights").Command(weights, output, mean_with=(tmp_path / "other.safetensors",)).run()
    for (name, mean), before in zip(
        load_network(output).named_parameters(), load_network(weights).parameters(), strict=True
    ):
        torch.testing.assert_close(mean, 2 * before, rtol=1e-3, atol=1e-6, msg=name)


def test_half_precision_refuses_what_16_bits_cannot_hold(load: Load, tmp_path: Path) -> None:
    network = KBNet(KBNetConfig(normalisation="batch", **SMALL))
    next(value for name, value in network.named_buffers() if name.endswith("running_var")).fill_(1e6)
    save_network(network, tmp_path / "wide.safetensors")
    with pytest.raises(ValueError, match="got 1e\\+06"):
        load("bundle_weights").Command(tmp_path / "wide.safetensors", tmp_path / "half.safetensors").run()
    assert not (tmp_path / "half.safetensors").exists()


def test_fit_finds_the_weights_that_errors_were_made_with(load: Load) -> None:
    generator = np.random.default_rng(0)
    cues = generator.gamma(1.0, 0.05, (20_000, 3))
    errors = cues @ [0.8, 0.0, 0.3] * generator.gamma(1.0, 1.0, len(cues))
    assert load("reliability").fit_weights(cues, errors) == pytest.approx([0.8, 0.0, 0.3], abs=0.03)


def test_confidence_measures_what_the_most_confident_pixels_are_worth(
    load: Load, room: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    plot = tmp_path / "reliability.png"
    command = load("confidence").Command(
        sources=(room,), sparse_depth=("sparse_depth_150",), weights=str(weights), every=4, plot=plot
    )
    command.run()
    seeing = tmp_path / "seeing.safetensors"
    save_network(KBNet(KBNetConfig(**SMALL)), seeing)
    for levels in (0, 8):
        replace(command, weights=str(seeing), pgd_levels=levels, plot=None).run()
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("room")]
    assert [row[1:3] for row in rows] == [["sparse_depth_150", "2"]] * 3
    assert {len(row) for row in rows} == {9}
    assert float(rows[2][3]) > float(rows[1][3]) > 0
    assert plot.stat().st_size > 0


def test_published_timing_is_of_the_forward_call_alone_from_the_first_frame_on(
    load: Load, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Queue:
        """Work is handed over in 0.25 s; who waits for the result waits 4 s more."""

        now = 0.0

        def run_network(self, *_: Any) -> None:
            self.now += 0.25

        def __call__(self, *_: Any) -> None:
            self.run_network()
            self.now += 4

    queue, timing = Queue(), load("published_timing")
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: queue.now))
    sequence = Sequence(room, sparse_depth="sparse_depth_150")
    assert timing.forward_seconds(queue, [sequence.frame(index) for index in range(3)]) == [0.25] * 3


def test_published_timing_prints_a_row_for_each_sequence_and_network(
    load: Load, room: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = load("published_timing").Command(
        sources=(room,), weights=(str(weights),), sparse_depth="sparse_depth_150", every=4, device="cpu"
    )
    command.run()
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("room")]
    assert row[2] == "3"
    assert float(row[3]) > 0


@pytest.mark.parametrize("kind", ["cloud", "mesh"])
def test_fusion_measures_how_far_fused_places_lie_from_the_truth(
    load: Load, room: Path, weights: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "mesh":
        pytest.importorskip("open3d")
    command = load("fusion").Command(
        sources=(room,), sparse_depth=("sparse_depth_150",), weights=str(weights), every=2, voxel=0.05, kind=kind
    )
    command.run()
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines() if line.strip().startswith("room")]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [row[2] for row in cells] == ["linear", "linear, best 80%", "kbnet", "kbnet, best 80%"]
    linear = cells[0]
    assert float(linear[5]) < 1, "interpolating the points of a wall gives the wall"
    assert linear[6] == "100.0 %"


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


def test_ways_to_complete_are_compared_with_frames_one_by_one(
    room: Path, weights: Path, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    command = load("same_result").Command
    command(sequences=(room,), sparse_depth="sparse_depth_150", weights=str(weights), threads=()).run()
    printed = capsys.readouterr().out
    for way in ("batches of 4", "onnxruntime", "openvino"):
        assert re.search(rf"{way} +\d\.\de[-+]\d\d +\d\.\de[-+]\d\d", printed), printed
    largest = [float(number) for number in re.findall(r"(\d\.\de[-+]\d\d) +\d\.\de", printed)]
    assert max(largest) < 1e-4
