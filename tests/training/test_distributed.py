"""Training on several processes, by itself or under ``torchrun``: the joint batch, and a process that is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import torch

import kbnet
from kbnet.training.checkpoint import load_state
from kbnet.training.config import TrainingConfig
from kbnet.training.distributed import check_devices, count_processes, is_lost_process
from kbnet.training.loop import train
from kbnet.training.recipe import to_table

MakeConfig = Callable[..., TrainingConfig]
WriteSequence = Callable[..., Path]

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(kbnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
WITHIN_SECONDS = 120
"""An end that takes longer counts as none."""


@contextmanager
def started(
    config: TrainingConfig, file: Path, *, torchrun: bool = True, resume: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Training in a process group of its own, by ``torchrun`` with two processes here; the test leaves none behind."""
    file.write_text(tomlkit.dumps(to_table(config)), encoding="utf-8")
    source = ["--resume", config.output] if resume else ["--config", file]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", 2, "--rdzv-backend", "c10d"]
    words = [sys.executable, *([*launcher, "--rdzv-endpoint", "127.0.0.1:0"] if torchrun else [])]
    words += ["-m", "kbnet", "train", *source, "--schedule.steps", config.schedule.steps]
    with subprocess.Popen(
        list(map(str, words)),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # torchrun ends its processes, with force after 30 s


def losses(config: TrainingConfig) -> list[dict[str, float]]:
    """The loss terms of every step, from the log."""
    lines = (config.output / "train.log").read_text(encoding="utf-8").splitlines()
    return [
        {
            name: float(value)
            for name, value in re.findall(r"  (\w+) ([\d.]+)", line.partition("  rate")[0])
            if name != "step"
        }
        for line in lines
        if " total " in line
    ]


@pytest.mark.slow
def test_two_processes_train_what_one_does_with_the_joint_batch(
    write_sequence: WriteSequence, make_config: MakeConfig, tmp_path: Path
) -> None:
    """The pose network, whose BatchNorm sees both processes' samples, and the depth network with BatchNorm too.

    Without ``torchrun``, under which the next test compares weights.
    """
    changes: dict[str, Any] = {
        "poses": "network",
        "pose_encoder": "plain",
        "network": {"normalisation": "batch"},
        "steps": 4,
    }
    # Adam's first step is the sign of the gradient times the rate; a small rate keeps rounding small.
    changes["schedule"] = {"learning_rates": (1e-5,)}
    sequence = write_sequence(frames=10)
    one = make_config(sequence, output="one", batch_size=4, **changes)
    two = make_config(sequence, output="two", batch_size=2, processes=2, **changes)
    with started(two, tmp_path / "two.toml", torchrun=False) as process:
        train(one)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert said.count("step 4/4") == 1, "one process speaks for both"

    alone, joint = losses(one), losses(two)
    assert len(alone) == len(joint) == 4
    for step, (ours, theirs) in enumerate(zip(alone, joint, strict=True)):
        assert theirs == pytest.approx(ours, rel=1e-3, abs=2e-4), f"step {step + 1}"
    ours, theirs = (load_state(config.output) for config in (one, two))
    # Weights tell little, since Adam makes them forget how large a gradient was; its first moments are gradients.
    gradients = [[part["exp_avg"] for part in state["optimizer"]["state"].values()] for state in (ours, theirs)]
    statistics = [
        [value for name, value in state["step_module"].items() if "running_" in name] for state in (ours, theirs)
    ]
    for pairs, tolerance in ((gradients, 0.03), (statistics, 1e-3)):
        assert len(pairs[0]) > 0
        for expected, found in zip(*pairs, strict=True):
            assert (found - expected).norm() <= tolerance * expected.norm()


def wait_for_step(process: subprocess.Popen[str], config: TrainingConfig, step: int) -> None:
    """Wait until a step is done."""
    log = config.output / "train.log"
    deadline = time.monotonic() + 300
    while not (log.is_file() and f"step {step}/" in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def process_of_rank(agent: int, rank: int) -> int:
    """The process that ``torchrun`` started with this rank; those that read for it have it too, but not that parent."""
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text(encoding="ascii").split()
    ranks = {
        int(child): f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        for child in children
    }
    [found] = [child for child, has_rank in ranks.items() if has_rank]
    return found


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_a_killed_process_ends_the_run_with_a_message_and_a_state_to_go_on_from(
    write_sequence: WriteSequence, make_config: MakeConfig, tmp_path: Path
) -> None:
    """First that of rank 0, then, in the resumed run, that of rank 1. The states are those of an unbroken run."""
    config = make_config(write_sequence(frames=10), steps=100_000, workers=2)
    states: list[dict[str, Any]] = [{"step": 0}]
    for rank in (0, 1):
        with started(config, tmp_path / "run.toml", resume=rank == 1) as process:
            wait_for_step(process, config, states[-1]["step"] + 3)
            os.kill(process_of_rank(process.pid, rank), signal.SIGKILL)
            said, _ = process.communicate(timeout=WITHIN_SECONDS)
        assert process.returncode == 1, said
        assert "kbnet: error: another process of this run is gone, after step" in said, said
        assert f"go on with --resume {config.output}" in said, said
        states.append(load_state(config.output))
        assert states[-1]["step"] >= states[-2]["step"] + 3

    unbroken = replace(config, output=tmp_path / "unbroken", processes=1, batch_size=4)
    for resume, state in zip((False, True), states[1:], strict=True):
        train(replace(unbroken, schedule=replace(config.schedule, steps=state["step"])), resume=resume)
        ours, theirs = state["step_module"], load_state(unbroken.output)["step_module"]
        assert ours.keys() == theirs.keys()
        for key, tensor in theirs.items():
            torch.testing.assert_close(ours[key], tensor, rtol=1e-2, atol=1e-3, msg=key)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_signal_to_the_whole_process_group_ends_the_run_after_a_whole_step(
    write_sequence: WriteSequence, make_config: MakeConfig, tmp_path: Path
) -> None:
    """Those that read for it do not die of it first."""
    config = make_config(write_sequence(), steps=100_000, workers=2)
    with started(config, tmp_path / "run.toml", torchrun=False) as process:
        wait_for_step(process, config, 3)
        os.killpg(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=WITHIN_SECONDS)
    assert process.returncode == 130, said
    assert f"go on with --resume {config.output}" in said
    assert load_state(config.output)["step"] >= 3


def test_torchrun_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_processes(3) == (3, 1)
    sizes = {"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}
    for name, value in {"TORCHELASTIC_RUN_ID": "first", **sizes}.items():
        monkeypatch.setenv(name, value)
    assert count_processes(3) == (4, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "5")
    with pytest.raises(ValueError, match="as many processes on each of 2 machines, got 5 here and 8 in all"):
        count_processes(3)


def test_each_process_needs_a_gpu_or_core_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_devices("cpu", 2)
    check_devices("auto", 1)
    with pytest.raises(ValueError, match="expected 2 CUDA devices, found 1"):
        check_devices("auto", 2)
    with pytest.raises(ValueError, match="expected 100000 cores, found"):
        check_devices("cpu", 100_000)


def test_a_bug_is_not_taken_for_a_lost_process() -> None:
    assert not is_lost_process(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert is_lost_process(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4711"))
