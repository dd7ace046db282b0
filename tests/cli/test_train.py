"""``kbnet train``: where its settings come from, and that Ctrl-C and several processes change nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kbnet
import kbnet.cli.main as command_line
from kbnet.cli.main import main
from kbnet.cli.train import parse
from kbnet.frames.sequence import Sequence
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.training.augmentation import AugmentationConfig
from kbnet.training.checkpoint import load_state
from kbnet.training.config import ScheduleConfig, TrainingConfig
from kbnet.training.loop import train
from kbnet.training.presets import training_preset
from kbnet.weights.depth_network import load_network, save_network

WriteSequence = Callable[..., Path]

SOURCE = Path(command_line.__file__).parents[2]
FILTERS: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}


def tiny_run(sequence: Path, output: Path, *, steps: int = 2, **changes: Any) -> TrainingConfig:
    """Sparse depth and smoothness alone, so that no pose network takes time."""
    return TrainingConfig(
        sequences=(sequence,),
        output=output,
        network=KBNetConfig(**FILTERS),
        losses=LossWeights(colour=0.0, structure=0.0),
        augmentation=AugmentationConfig(crop=(32, 32), flip_horizontal=0.5),
        schedule=ScheduleConfig(steps=steps),
        **{"batch_size": 2, "workers": 1, "device": "cpu", "log_steps": 1, **changes},
    )


def arguments(config: TrainingConfig) -> list[str]:
    """What to type for a run of :func:`tiny_run`."""
    words = ["train", *config.sequences, "--output", config.output, "--gaps", 1, "--augmentation.crop", 32, 32]
    for name, filters in FILTERS.items():
        words += [f"--network.{name.replace('_', '-')}", *filters]
    words += ["--losses.colour", 0, "--losses.structure", 0, "--augmentation.flip-horizontal", 0.5]
    words += ["--schedule.steps", config.schedule.steps, "--batch-size", config.batch_size, "--workers", config.workers]
    words += ["--processes", config.processes, "--device", "cpu", "--log-steps", 1]
    return [str(word) for word in words]


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kbnet", *words],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_defaults_come_from_preset_then_file_then_flags(tmp_path: Path) -> None:
    file = tmp_path / "changes.toml"
    file.write_text(
        "batch_size = 3\nseed = 4\n[augmentation]\ncrop = [64, 96]\n[losses]\ncolour = 0.5\n", encoding="utf-8"
    )
    words = ["room", "--preset", "kitti", "--config", str(file), "--seed", "5", "--losses.structure", "0.25"]
    kitti = training_preset("kitti")
    assert parse(words).training == replace(
        kitti,
        sequences=(Path("room"),),
        batch_size=3,
        seed=5,
        augmentation=replace(kitti.augmentation, crop=(64, 96)),
        losses=replace(kitti.losses, colour=0.5, structure=0.25),
    )


def test_the_void_preset_is_the_default() -> None:
    assert parse(["room"]).training == replace(training_preset("void"), sequences=(Path("room"),))


def test_resuming_takes_everything_from_the_run_folder(write_sequence: WriteSequence, tmp_path: Path) -> None:
    config = tiny_run(write_sequence(frames=5), tmp_path / "run")
    train(config)
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    resumed = parse(["--resume", str(moved), "--schedule.steps", "9"]).training
    assert resumed == replace(config, output=moved, schedule=replace(config.schedule, steps=9))


@pytest.fixture
def first_weights(tmp_path: Path) -> Path:
    """Weights of a small network with the depth range of KITTI."""
    path = tmp_path / "first.safetensors"
    save_network(KBNet(KBNetConfig(**FILTERS, min_depth=1.5, max_depth=100.0)), path)
    return path


@pytest.mark.parametrize("flag", ["--initial-weights", "--initial_weights", ""])
def test_initial_weights_bring_their_network_and_nothing_else(first_weights: Path, tmp_path: Path, flag: str) -> None:
    """By flag, or by file; what the preset says of the network gives way."""
    words = ["room", "--preset", "kitti"]
    if flag:
        words += [flag, str(first_weights)]
    else:
        (tmp_path / "changes.toml").write_text(f"initial_weights = {str(first_weights)!r}\n", encoding="utf-8")
        words += ["--config", str(tmp_path / "changes.toml")]
    assert parse(words).training == replace(
        training_preset("kitti"),
        sequences=(Path("room"),),
        initial_weights=str(first_weights),
        network=load_network(first_weights).config,
    )


def test_published_files_bring_their_way_with_intrinsics_unless_told_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "kbnet-kitti.pth"
    file.touch()
    words = ["room", "--preset", "kitti", "--initial-weights", str(file)]
    assert parse(words).training.network == KBNetConfig.preset("kitti", intrinsics_scaling="published")
    exact = parse([*words, "--network.intrinsics-scaling", "exact"]).training.network
    assert exact == KBNetConfig.preset("kitti")


def test_what_initial_weights_change_is_said(
    first_weights: Path, write_sequence: WriteSequence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(tiny_run(write_sequence(frames=5), tmp_path / "run"))
    assert main([*words, "--initial-weights", str(first_weights)]) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith(f"start    {first_weights}; unlike the preset void: network.min_depth 1.5 (not 0.1), ")
    assert "network.max_depth 100.0 (not 8.0)" in said
    assert "pool" not in said


def test_settings_that_contradict_initial_weights_are_one_line(
    first_weights: Path, write_sequence: WriteSequence, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    words = arguments(tiny_run(write_sequence(frames=5), tmp_path / "run"))
    assert main([*words, "--initial-weights", str(first_weights), "--network.max-depth", "8"]) == 2
    assert "of a network with network.max_depth 100.0 (not 8.0); leave" in one_line_error()
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_takes_no_other_start(
    write_sequence: WriteSequence, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    train(tiny_run(write_sequence(frames=5), tmp_path / "run"))
    for flag in ("--initial-weights", "--initial-pose-weights"):
        assert main(["train", "--resume", str(tmp_path / "run"), flag, "indoor"]) == 2
        assert "goes on from its own weights" in one_line_error()


def test_train_writes_a_run_and_says_where_and_with_how_many_readers(
    write_sequence: WriteSequence,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert main(arguments(tiny_run(write_sequence(frames=5), tmp_path / "run", workers=3))) == 0
    written = capsys.readouterr()
    assert "workers  1, not 3: one per usable core\n" in written.out
    assert f"weights  {tmp_path / 'run' / 'best.safetensors'}\n" in written.out
    assert re.search(r"step 2/2  total [\d.]+  sparse_depth [\d.]+  smoothness [\d.]+  [\d.]+ samples/s", written.err)
    assert load_state(tmp_path / "run")["step"] == 2


def test_train_writes_a_recording_to_a_sequence_folder_first(
    write_recording: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_recording(frames=4)
    run, words = tmp_path / "run", ["--intrinsics", str(folder / "K.txt"), "--points", "40", "--poses", "known"]
    assert main([*arguments(tiny_run(folder, run)), *words]) == 0
    assert f"writing  {folder} to {run / 'recordings' / 'recording'}\n" in capsys.readouterr().out
    written = Sequence(run / "recordings" / "recording")
    expected = kbnet.open_frames(folder, intrinsics=folder / "K.txt", points=40)
    assert written.names == expected.names
    np.testing.assert_array_equal(written[3].image, expected[3].image)
    shutil.rmtree(folder)
    assert main(["train", "--resume", str(run), "--schedule.steps", "3"]) == 0
    assert load_state(run)["step"] == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--scale", "2"], "got --scale; its options are --points, --"),
        (["--poses", "trajectory.txt"], "got --poses; its options are"),
        ([], "cannot tell which camera recorded"),
    ],
)
def test_flags_that_do_not_fit_a_recording_are_one_line(
    flags: list[str],
    message: str,
    write_recording: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*arguments(tiny_run(write_recording(), tmp_path / "run")), *flags]) == 2
    written = capsys.readouterr().err
    assert message in written
    assert written.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "at least one sequence, list or recording to train on"),
        (["room", "--depth", "/points"], "--depth belongs to a recording, but none is named"),
        (["nowhere"], "there is no folder nowhere"),
        (["--config", "missing.toml"], "expected a training config missing.toml"),
        (["--resume", "nowhere"], "expected a training config nowhere/config.toml"),
        (["room", "--preset", "nope"], "fusionnet-kitti, got 'nope'; correct --preset"),
        (["room", "--gaps", "1", "2"], "one gap, or one for each of 1 sequences"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_line_error: Callable[[], str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    assert message in one_line_error()
    assert list(tmp_path.iterdir()) == []


def test_a_flag_out_of_range_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    """In a box that the reader of flags draws."""
    assert main(["train", "room", "--augmentation.crop", "16", "16"]) == 2
    assert "training.augmentation: expected a crop of at least 32x32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_size = ", "is not TOML"),
        ("bath_size = 3", "bath_size"),
        ('preset = "indoor"', "fusionnet-kitti, got 'indoor'"),
        ("gaps = 3", "gaps as a list"),
        ("seed = true", "seed as a number"),
    ],
)
def test_a_config_file_with_a_mistake_is_one_line(
    text: str, message: str, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    (tmp_path / "changes.toml").write_text(text, encoding="utf-8")
    assert main(["train", "room", "--config", str(tmp_path / "changes.toml")]) == 2
    error = one_line_error()
    assert message in error
    assert str(tmp_path / "changes.toml") in error


def test_a_sequence_too_short_for_the_gap_is_one_line(
    write_sequence: WriteSequence, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    assert main(["train", str(write_sequence(frames=4)), "--output", str(tmp_path / "run"), "--gaps", "2"]) == 2
    assert "at least 5 frames for a gap of 2, got 4" in one_line_error()


def test_a_recipe_names_its_preset_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('preset = "kitti"\nseed = 4\n', encoding="utf-8")
    words = ["room", "--config", str(file)]
    for more, preset in (([], "kitti"), (["--preset", "void"], "void")):
        command = parse([*words, *more])
        assert command.preset == preset
        assert command.training == replace(training_preset(preset), sequences=(Path("room"),), seed=4)


def test_the_published_kitti_recipe_needs_no_flag(repository: Path) -> None:
    training = parse(["--config", str(repository / "recipes" / "published" / "kitti.toml")]).training
    assert training.augmentation == training_preset("kitti").augmentation


def test_weights_of_the_other_preset_are_warned_of(
    first_weights: Path, write_sequence: WriteSequence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(tiny_run(write_sequence(frames=5), tmp_path / "run"))
    words += ["--initial-weights", str(first_weights), "--preset"]
    assert main([*words, "void"]) == 0
    warning = "made for depth to 100 m, but losses, crop and limits are those of the preset void; did you mean --preset"
    assert f"{warning} kitti?" in " ".join(capsys.readouterr().err.split())
    assert main([*words, "kitti", "--output", str(tmp_path / "other")]) == 0
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "made"), [("data/nyu_v2/train.csv", "kbnet prepare nyu-v2"), ("mine.csv", "kbnet prepare ...")]
)
def test_a_missing_list_is_one_line_that_says_how_it_is_made(
    path: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_line_error: Callable[[], str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", path]) == 2
    assert f"there is no file {path} (from {tmp_path}); make it with '{made}'" in one_line_error()


def test_ctrl_c_saves_and_the_resumed_run_equals_an_unbroken_one(write_sequence: WriteSequence, tmp_path: Path) -> None:
    """A real signal to a real process, at whatever step it is then."""
    sequence = write_sequence(frames=6)
    config = tiny_run(sequence, tmp_path / "broken", steps=100_000)
    process, log = start(arguments(config)), tmp_path / "broken" / "train.log"
    deadline = time.monotonic() + 300
    while not (log.is_file() and "step 3/" in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the state is saved" in errors
    assert "Traceback" not in errors

    stopped_at = load_state(config.output)["step"]
    assert stopped_at >= 3
    finish = replace(config.schedule, steps=stopped_at + 3)
    unbroken = replace(config, output=tmp_path / "unbroken", schedule=finish)
    train(unbroken)
    train(replace(config, schedule=finish), resume=True)
    one, other = (load_file(folder / "last.safetensors") for folder in (config.output, unbroken.output))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_all_processes(write_sequence: WriteSequence, tmp_path: Path) -> None:
    config = tiny_run(write_sequence(frames=8), tmp_path / "run", steps=50, batch_size=1, workers=0, processes=2)
    process = start([*arguments(config), "--schedule.learning-rates", "1e30", "1e30"])
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 2, errors
    assert "kbnet: error: the " in errors
    assert "lower the learning rate" in errors
    assert "Traceback" not in errors
