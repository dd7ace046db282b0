"""The loop: that stopping changes nothing, that failing keeps what was good, that training lowers the loss."""

from __future__ import annotations

import multiprocessing
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

import kbnet.training.step
from kbnet.errors import KBNetError
from kbnet.evaluation.metrics import DepthErrors
from kbnet.frames.frame_list import FrameFiles, write_frame_list
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.checkpoint import STATE_FILE, load_state
from kbnet.training.config import TrainingConfig, ValidationConfig
from kbnet.training.loop import Interrupted, train
from kbnet.training.monitor import ProgressReport
from kbnet.weights.depth_network import load_network, save_network
from kbnet.weights.pose_network import load_pose_network, save_pose_network

WriteSequence = Callable[..., Path]
MakeConfig = Callable[..., TrainingConfig]

EVERYTHING: dict[str, Any] = {
    "augmentation": {
        "flip_horizontal": 0.5,
        "flip_vertical": 0.5,
        "noise": "gaussian",
        "noise_spread": 0.05,
        "colour_jitter": 0.3,
    },
    "schedule": {"warmup_steps": 3, "decay": "cosine"},
    "sparse_depth": ("sparse_depth", "sparse_depth_150"),
    "average_decay": 0.9,
    "gradient_clip": 1.0,
}
"""Whatever draws, or has a memory of its own."""


def flatten(state: Any, name: str = "") -> dict[str, Any]:
    """Nested dictionaries and lists as one dictionary of their leaves."""
    if isinstance(state, dict):
        return {k: v for key, value in state.items() for k, v in flatten(value, f"{name}.{key}").items()}
    if isinstance(state, list | tuple):
        return {k: v for key, value in enumerate(state) for k, v in flatten(value, f"{name}.{key}").items()}
    return {name: state}


def assert_equal_states(one: Path, other: Path) -> None:
    first, second = (flatten(load_state(folder)) for folder in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        same = torch.equal(value, second[name]) if isinstance(value, Tensor) else value == second[name]
        assert same, f"{name} differs"


def logged_steps(folder: Path) -> list[str]:
    """The log without times and speeds, and without lines such as that of the stop."""
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    stripped = [re.sub(r"  [\d.]+ samples/s$", "", line[len("2026-01-01 00:00:00  ") :]) for line in lines]
    return [line for line in stripped if "stopped" not in line]


def stop_at(step: int) -> Callable[[ProgressReport], None]:
    """ProgressReport handler that sends this process Ctrl-C at a step."""

    def on_report(report: ProgressReport) -> None:
        if report.step == step and not report.message:
            signal.raise_signal(signal.SIGINT)

    return on_report


def losses_of(config: TrainingConfig) -> list[float]:
    """Train and return the total loss of every step."""
    totals: list[float] = []
    train(config, on_report=lambda report: totals.append(report.losses["total"]) if report.losses else None)
    return totals


@pytest.mark.parametrize(
    ("poses", "network", "stops"),
    [
        ("network", {"normalisation": "batch"}, (3,)),
        ("known", {"scaffold": "linear", "outlier_rule": "support"}, (1, 4)),
    ],
)
def test_a_stopped_and_resumed_run_equals_an_unbroken_one_bit_for_bit(
    write_sequence: WriteSequence,
    make_config: MakeConfig,
    poses: Any,
    network: dict[str, Any],
    stops: tuple[int, ...],
) -> None:
    """Six steps over two and a half epochs; weights, averages, optimiser, judgement, log."""
    sequence = write_sequence(sparse_depths=EVERYTHING["sparse_depth"])
    validation = ValidationConfig((sequence,), from_step=2, every_steps=2, every_frames=5)
    changes = {**EVERYTHING, "poses": poses, "pose_encoder": "plain", "network": network, "validation": validation}
    unbroken = make_config(sequence, steps=6, output="unbroken", **changes)
    broken = replace(unbroken, output=unbroken.output.with_name("broken"))
    train(unbroken)
    for count, step in enumerate(stops):
        with pytest.raises(Interrupted, match=f"stopped at step {step}; go on with --resume .*broken"):
            train(broken, resume=count > 0, on_report=stop_at(step))
    train(broken, resume=True)

    assert_equal_states(unbroken.output, broken.output)
    assert logged_steps(unbroken.output) == logged_steps(broken.output)
    for name in ("best.safetensors", "last.safetensors"):
        first, second = (load_file(config.output / name) for config in (unbroken, broken))
        assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())


def test_the_number_of_workers_changes_nothing(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    sequence = write_sequence(sparse_depths=EVERYTHING["sparse_depth"])
    configs = [make_config(sequence, output=f"{workers}", workers=workers, **EVERYTHING) for workers in (0, 2)]
    for config in configs:
        train(config)
    assert_equal_states(configs[0].output, configs[1].output)


def test_a_killed_reader_ends_the_run_and_the_last_state_is_kept(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    config = make_config(write_sequence(), steps=50, workers=1, checkpoint_steps=1)

    def kill_reader(report: ProgressReport) -> None:
        if report.step == 2:
            for reader in multiprocessing.active_children():
                reader.kill()
                reader.join()

    with pytest.raises(ConnectionError, match=r"DataLoader worker .*state, of step \d+, is kept in .* fewer --work"):
        train(config, on_report=kill_reader)
    assert load_state(config.output)["step"] >= 1
    train(replace(config, workers=0, schedule=replace(config.schedule, steps=4)), resume=True)


def test_another_seed_is_another_run(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    sequence = write_sequence()
    losses = [losses_of(make_config(sequence, steps=1, output=str(seed), seed=seed)) for seed in (0, 1)]
    assert losses[0] != losses[1]


def test_handlers_of_signals_are_put_back(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        train(make_config(write_sequence(), steps=9), on_report=stop_at(1))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_interrupt_says_what_the_last_saved_state_is(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    def interrupt_twice(report: ProgressReport) -> None:
        if report.step == 3 and not report.message:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    config = make_config(write_sequence(), steps=9, checkpoint_steps=2)
    with pytest.raises(Interrupted, match="interrupted at step 3; the last saved state, of step 2, is kept in "):
        train(config, on_report=interrupt_twice)
    assert load_state(config.output)["step"] == 2


def test_a_run_folder_holds_config_log_events_weights_and_state(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    config = make_config(write_sequence(), steps=2)
    assert train(config) == config.output / "best.safetensors"
    names = {path.name for path in config.output.iterdir()}
    assert names == {"config.toml", "train.log", "events", "best.safetensors", "last.safetensors", "state.pt"}
    assert load_network(config.output / "last.safetensors").config == config.network
    with safe_open(config.output / "best.safetensors", framework="pt") as file:
        assert file.metadata()["steps"] == "2"
        assert "learning_rates" in file.metadata()["recipe"]
    assert [line.split("  ")[0] for line in logged_steps(config.output)] == ["step 1/2", "step 2/2"]


def test_one_triplet_overfits(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    """Without labels: the depth of a wall from its images, its motion and a few points."""
    config = make_config(
        write_sequence(frames=3),
        steps=100,
        batch_size=1,
        network={"max_depth": 4.0},
        schedule={"learning_rates": (5e-3,)},
        augmentation={"point_removal_probability": 0.0},
    )
    totals = losses_of(config)
    assert sum(totals[-10:]) / 10 < 0.35 * totals[0]  # 0.16 here; 0.11 and 0.16 with two other seeds


def spoil_loss(monkeypatch: pytest.MonkeyPatch, step: int, spoil: Callable[[Tensor], Tensor]) -> None:
    """Replace the total loss of one step, counted from 1."""
    count, original = 0, kbnet.training.step.weighted_total

    def total(*arguments: Any) -> Tensor:
        nonlocal count
        count += 1
        return spoil(original(*arguments)) if count == step else original(*arguments)

    monkeypatch.setattr(kbnet.training.step, "weighted_total", total)


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("loss", lambda total: total * float("nan")),
        ("loss", lambda total: total + float("inf")),
        ("gradient", lambda total: total + (0 * total).sqrt()),
    ],
)
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run_and_keeps_the_last_state(
    write_sequence: WriteSequence,
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    spoil: Callable[[Tensor], Tensor],
) -> None:
    config = make_config(write_sequence(), steps=5, checkpoint_steps=1)
    spoil_loss(monkeypatch, 3, spoil)
    with pytest.raises(
        FloatingPointError, match=rf"the {what} of step 3 is (nan|inf) .* on wall/\d+, wall/\d+; "
    ) as caught:
        train(config)
    assert "\n" not in str(caught.value)
    state = load_state(config.output)
    assert state["step"] == 2
    assert all(torch.isfinite(value).all() for value in flatten(state).values() if isinstance(value, Tensor))


def test_a_learning_rate_far_too_high_stops_the_run(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    config = make_config(write_sequence(), steps=5, schedule={"learning_rates": (1e30,)})
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(config)


def test_a_folder_with_another_run_is_refused_and_left_alone(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    config = make_config(write_sequence(), steps=1)
    train(config)
    before = {path: path.read_bytes() for path in config.output.glob("*.*")}
    with pytest.raises(ValueError, match=r"already \(state.pt\); go on with --resume .*run, or choose"):
        train(replace(config, seed=1))
    (config.output / STATE_FILE).unlink()
    with pytest.raises(ValueError, match=r"holds a run already \(last.safetensors\); choose another --output"):
        train(replace(config, seed=1))
    assert {path: before[path] for path in before if path.name != STATE_FILE} == {
        path: path.read_bytes() for path in config.output.glob("*.*")
    }


def test_a_finished_run_says_so_and_goes_on_for_more_steps(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    config = make_config(write_sequence(), steps=2)
    train(config)
    with pytest.raises(ValueError, match=r"is done \(2 of 2 steps\); raise --schedule\.steps"):
        train(config, resume=True)
    train(replace(config, schedule=replace(config.schedule, steps=3)), resume=True)
    assert load_state(config.output)["step"] == 3


def test_resuming_with_another_network_is_refused(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    sequence = write_sequence()
    train(make_config(sequence, steps=1))
    with pytest.raises(ValueError, match="another network") as caught:
        train(make_config(sequence, steps=2, network={"scaffold": "linear"}), resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weight_decay": 0.1},
            r"expected weight_decay as in the state .*resume with the weight_",
        ),
        ({"second_moment_decay": 0.9}, "expected second_moment_decay as in the state"),
    ],
)
def test_resuming_with_another_optimizer_setting_is_one_line(
    write_sequence: WriteSequence, make_config: MakeConfig, changes: dict[str, float], message: str
) -> None:
    sequence = write_sequence()
    train(make_config(sequence, steps=1))
    with pytest.raises(KBNetError, match=message) as caught:
        train(make_config(sequence, steps=2, **changes), resume=True)
    assert "\n" not in str(caught.value)


def test_resuming_nothing_is_refused(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    with pytest.raises(FileNotFoundError, match=r"state\.pt in the run folder"):
        train(make_config(write_sequence()), resume=True)


def test_training_needs_sequences(make_config: MakeConfig) -> None:
    with pytest.raises(ValueError, match="at least one sequence, list or recording to train on, got none"):
        train(make_config())


@pytest.mark.parametrize(
    ("poses", "all_known", "photometric", "expected"),
    [
        ("known", True, True, False),
        ("known", False, True, True),
        ("network", True, True, True),
        ("network", False, False, False),
    ],
)
def test_a_pose_network_is_trained_where_motion_is_needed_and_not_known(
    write_sequence: WriteSequence,
    make_config: MakeConfig,
    poses: Any,
    all_known: bool,
    photometric: bool,
    expected: bool,
) -> None:
    sequences = [write_sequence("one"), write_sequence("two", poses=all_known, seed=1)]
    config = make_config(*sequences, steps=1, poses=poses, pose_encoder="plain")
    if not photometric:
        config = replace(config, losses=replace(config.losses, colour=0.0, structure=0.0))
    train(config)
    names = load_state(config.output)["step_module"]
    assert any(name.startswith("pose_network.") for name in names) is expected
    assert (config.output / "pose.safetensors").exists() is expected


@pytest.mark.parametrize("encoder", ["resnet18", "plain"])
def test_a_run_from_initial_weights_goes_on_without_their_files(
    write_sequence: WriteSequence, make_config: MakeConfig, tmp_path: Path, encoder: Any
) -> None:
    """What was learnt goes on, bit for bit; the run's own pose network is a start for the next."""
    sequence = write_sequence()
    first = make_config(sequence, steps=1, output="first", poses="network", pose_encoder=encoder)
    train(first)
    unbroken = replace(
        first,
        output=tmp_path / "unbroken",
        schedule=replace(first.schedule, steps=3),
        initial_weights=str(first.output / "best.safetensors"),
        initial_pose_weights=str(first.output / "pose.safetensors"),
        seed=1,
    )
    train(unbroken)
    broken = replace(unbroken, output=tmp_path / "broken")
    with pytest.raises(Interrupted):
        train(broken, on_report=stop_at(1))
    for name in ("best.safetensors", "pose.safetensors"):
        (first.output / name).unlink()
    train(broken, resume=True)

    assert_equal_states(unbroken.output, broken.output)
    one, other = (load_pose_network(config.output / "pose.safetensors") for config in (unbroken, broken))
    assert one.encoder_name == encoder
    saved, state = one.state_dict(), load_state(broken.output)["step_module"]
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, saved[name])
        assert torch.equal(tensor, state[f"pose_network.{name}"])


def test_both_networks_start_where_their_initial_weights_are(
    write_sequence: WriteSequence, make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(
        write_sequence(), steps=1, schedule={"learning_rates": (1e-30,)}, poses="network", pose_encoder="plain"
    )
    torch.manual_seed(99)
    start, pose_start = KBNet(config.network), PoseNet("plain")
    save_network(start, tmp_path / "start.safetensors")
    save_pose_network(pose_start, tmp_path / "pose.safetensors")
    train(
        replace(
            config,
            initial_weights=str(tmp_path / "start.safetensors"),
            initial_pose_weights=str(tmp_path / "pose.safetensors"),
        )
    )
    trained = load_network(config.output / "last.safetensors").state_dict()
    for name, tensor in start.state_dict().items():
        torch.testing.assert_close(trained[name], tensor)
    trained_pose = dict(load_pose_network(config.output / "pose.safetensors").named_parameters())
    for name, parameter in pose_start.named_parameters():
        torch.testing.assert_close(trained_pose[name], parameter)


def test_averaged_weights_are_the_ones_that_are_saved(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    config = make_config(write_sequence(), steps=3, average_decay=0.5, checkpoint_steps=1)
    snapshots: list[dict[str, Tensor]] = []

    def on_report(report: ProgressReport) -> None:
        if report.step > 1:
            snapshots.append(load_state(config.output)["step_module"])

    train(config, on_report=on_report)
    snapshots.append(load_state(config.output)["step_module"])
    saved = load_file(config.output / "last.safetensors")
    for name, tensor in saved.items():
        first, second, third = (snapshot[f"network.{name}"] for snapshot in snapshots)
        torch.testing.assert_close(tensor, 0.25 * first + 0.25 * second + 0.5 * third)


def test_the_best_judged_weights_are_kept(
    write_sequence: WriteSequence, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors rise after the second step, so its weights are the best, though not the last."""
    sequence = write_sequence()
    validation = ValidationConfig((sequence,), from_step=1, every_steps=1)
    errors = iter([DepthErrors(4, 4, 4, 4), DepthErrors(1, 1, 1, 9), DepthErrors(2, 2, 2, 2), DepthErrors(3, 3, 3, 3)])
    monkeypatch.setattr("kbnet.training.loop.validate", lambda *_: next(errors))
    config = make_config(sequence, steps=4, validation=validation)
    train(config)
    with safe_open(config.output / "best.safetensors", framework="pt") as file:
        assert file.metadata()["steps"] == "2"
    judged = [line for line in logged_steps(config.output) if "validation" in line]
    assert ["best" in line for line in judged] == [True, True, False, False]


def test_bfloat16_trains_and_keeps_its_weights_in_float32(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    config = make_config(write_sequence(), steps=2, precision="bfloat16", network={"normalisation": "batch"})
    train(config)
    tensors = flatten(load_state(config.output)["step_module"]).values()
    assert {tensor.dtype for tensor in tensors} == {torch.float32, torch.int64}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_frame_is_one_line_however_it_is_read(
    write_sequence: WriteSequence, make_config: MakeConfig, workers: int
) -> None:
    folder = write_sequence(frames=4)
    (folder / "sparse_depth" / "0001.png").write_bytes(b"not a picture")
    before = multiprocessing.active_children()
    with pytest.raises(ValueError, match=r"^[^\n]*0001\.png[^\n]*$") as caught:
        train(make_config(folder, steps=1, workers=workers))
    assert not str(caught.value).startswith("Caught")
    assert set(multiprocessing.active_children()) <= set(before), "readers end, though the error is kept"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_frame_of_a_list_smaller_than_the_crop_is_one_line(
    write_sequence: WriteSequence, make_config: MakeConfig, tmp_path: Path, workers: int
) -> None:
    """Images of KITTI differ in size; the first one alone is looked at before there is a run."""
    folder = write_sequence(frames=4)
    for kind in ("image", "sparse_depth"):
        with Image.open(folder / kind / "0002.png") as picture:
            picture.crop((0, 0, 40, 33)).save(folder / kind / "0002.png")
    frames = []
    for name in ("0000", "0001", "0002", "0003"):
        image, intrinsics, points = (
            str(folder / file) for file in (f"image/{name}.png", "K.txt", f"sparse_depth/{name}.png")
        )
        frames.append(FrameFiles(f"drive/{name}", image, intrinsics, points, previous=image, next=image))
    write_frame_list(tmp_path / "train.csv", frames)
    config = make_config(
        tmp_path / "train.csv", poses="network", batch_size=4, workers=workers, augmentation={"crop": (34, 40)}
    )
    with pytest.raises(
        ValueError, match=r"^expected frames of at least [^\n]*40x33 \(frame 'drive/0002'\); choose a smaller crop$"
    ):
        train(config)


def test_a_frame_that_cannot_be_read_costs_no_step(write_sequence: WriteSequence, make_config: MakeConfig) -> None:
    sequence = write_sequence()
    unbroken = make_config(sequence, steps=4, output="unbroken")
    broken = replace(unbroken, output=unbroken.output.with_name("broken"))
    train(unbroken)
    pictures = {path: path.read_bytes() for path in (sequence / "image").iterdir()}

    def spoil(report: ProgressReport) -> None:
        if report.step == 2 and not report.message:
            for path in pictures:
                path.write_bytes(b"not a picture")

    with pytest.raises(ValueError, match=r"\.png"):
        train(broken, on_report=spoil)
    assert load_state(broken.output)["step"] == 2
    for path, content in pictures.items():
        path.write_bytes(content)
    train(broken, resume=True)
    assert_equal_states(unbroken.output, broken.output)


def test_what_does_not_fit_is_said_before_there_is_a_run_folder(
    write_sequence: WriteSequence, make_config: MakeConfig
) -> None:
    sequence = write_sequence(truth=False)
    for changes in (
        {"augmentation": {"crop": (40, 40)}},
        {"validation": ValidationConfig((sequence,))},
        {"batch_size": 1, "poses": "network"},
    ):
        config = make_config(sequence, **changes)
        with pytest.raises(ValueError, match=r"choose a smaller crop|to validate with|set batch_size to 2"):
            train(config)
        assert not config.output.exists()


def test_a_validation_that_fails_at_the_end_leaves_the_last_state(
    write_sequence: WriteSequence, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> DepthErrors:
        raise ValueError("no pixel qualifies")

    monkeypatch.setattr("kbnet.training.loop.validate", fail)
    sequence = write_sequence()
    config = make_config(sequence, steps=2, validation=ValidationConfig((sequence,)))
    with pytest.raises(ValueError, match="no pixel qualifies"):
        train(config)
    assert load_state(config.output)["step"] == 2
    assert (config.output / "last.safetensors").is_file()


def test_a_longer_run_knows_the_best_of_the_one_before(
    write_sequence: WriteSequence, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = DepthErrors(1, 1, 1, 1)
    monkeypatch.setattr("kbnet.training.loop.validate", lambda *_: best)
    sequence = write_sequence()
    config = make_config(sequence, steps=1, validation=ValidationConfig((sequence,)))
    train(config)
    assert load_state(config.output)["best"] == vars(best)


def test_the_last_step_is_saved_once(
    write_sequence: WriteSequence, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr("kbnet.training.loop.save_state", lambda folder, state: steps.append(state["step"]))
    config = make_config(write_sequence(), steps=2, checkpoint_steps=1)
    train(config)
    assert steps == [1, 2]


@pytest.mark.parametrize(("device", "found"), [("cuda", 0), ("auto", 1)])
def test_too_few_gpus_are_counted(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, device: Any, found: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    config = make_config(Path("room"), device=device, processes=2)
    with pytest.raises(ValueError, match=f"expected 2 CUDA devices, found {found}; use --device cpu or fewer"):
        train(config)
