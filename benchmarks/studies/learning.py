"""Training run with its time and snapshots of its weights; an interrupted run can be resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import tomlkit

from kbnet.errors import KBNetError
from kbnet.files import atomic_path, write_json
from kbnet.training.checkpoint import STATE_FILE, load_state
from kbnet.training.config import TrainingConfig, ValidationConfig
from kbnet.training.loop import CONFIG_FILE, LAST_WEIGHTS, train
from kbnet.training.monitor import ProgressReport
from kbnet.training.recipe import from_table
from kbnet.weights.safetensors_file import read_metadata

CLOCK_FILE = "clock.json"
SNAPSHOTS = "snapshots"
READINGS = 5
"""Number of time readings between two snapshots."""


@dataclass(frozen=True)
class Snapshot:
    """Snapshot of weights during training.

    Attributes:
        step: number of steps so far.
        seconds: training time so far, with reading, without saving and initialisation.
        weights: a safetensors file.
    """

    step: int
    seconds: float
    weights: Path


def learn(
    config: TrainingConfig, snapshots: int, on_report: Callable[[ProgressReport], None] = lambda report: None
) -> list[Snapshot]:
    """Train to the end of the schedule, resume an interrupted run, or read a finished one.

    There is no validation, so only training data have an influence.

    Args:
        config: run with its ``output`` and number of steps.
        snapshots: number of evenly spaced snapshots; the last one is at the end.
        on_report: called with every report of the training.

    Returns:
        Snapshots, first to last.

    Raises:
        KBNetError: the config has no number of steps or several processes, or the folder holds a run of other settings.
        Interrupted: Ctrl-C; the state is saved.
    """
    folder, steps = config.output, config.schedule.steps
    if steps is None or snapshots < 1 or config.processes != 1:
        raise KBNetError(
            f"expected schedule.steps, at least 1 snapshot and 1 process, got {steps}, {snapshots}, {config.processes}"
        )
    log_steps = max(1, steps // snapshots // READINGS)
    interval = -(-steps // (snapshots * log_steps)) * log_steps
    config = replace(
        config, validation=ValidationConfig(), log_steps=log_steps, checkpoint_steps=interval, summary_steps=steps
    )
    _check_same_run(config)
    if not _snapshot_path(folder, steps).is_file():
        started = (folder / STATE_FILE).is_file()
        clock = _Clock(folder / CLOCK_FILE, load_state(folder)["step"] if started else 0, config.batch_size)

        def watch(report: ProgressReport) -> None:
            clock.read(report)
            _keep_weights(folder, interval, steps)
            on_report(report)

        if not started or clock.step < steps:
            train(config, resume=started, on_report=watch)
        _keep_weights(folder, interval, steps)
    if not _snapshot_path(folder, steps).is_file():
        raise KBNetError(f"the run in {folder} ended without its last weights; remove that folder to train it again")
    read = _Clock(folder / CLOCK_FILE, steps, config.batch_size)
    files = sorted((folder / SNAPSHOTS).glob("*.safetensors"))
    return [Snapshot(int(file.stem), read.seconds_at(int(file.stem)), file) for file in files]


class _Clock:
    """Training time by step, stored on disk, so that times of a resumed run add up.

    Args:
        path: JSON file.
        step: present step of the run; later readings are dropped, because their steps are repeated.
        batch_size: samples per step.
    """

    def __init__(self, path: Path, step: int, batch_size: int) -> None:
        self._path, self._batch_size = path, batch_size
        self._readings: list[tuple[int, float]] = []
        if path.is_file():
            readings = json.loads(path.read_text(encoding="utf-8"))["seconds_by_step"]
            self._readings = [(at, seconds) for at, seconds in readings if at <= step]
        self.step, self._seconds = step, self.seconds_at(step)

    def read(self, report: ProgressReport) -> None:
        """Add a report with the rate of the steps since the previous one."""
        if report.message:
            return
        self._seconds += (report.step - self.step) * self._batch_size / report.samples_per_second
        self.step = report.step
        self._readings.append((self.step, self._seconds))
        write_json(self._path, {"seconds_by_step": self._readings})

    def seconds_at(self, step: int) -> float:
        """Training time until a step, seconds, linear between readings and after the last one."""
        before = max((reading for reading in self._readings if reading[0] <= step), default=(0, 0.0))
        after = min((reading for reading in self._readings if reading[0] >= step), default=None)
        if before[0] == step:
            return before[1]
        if after is None:
            return before[1] * step / before[0] if before[0] else 0.0
        return before[1] + (after[1] - before[1]) * (step - before[0]) / (after[0] - before[0])


def _snapshot_path(folder: Path, step: int) -> Path:
    return folder / SNAPSHOTS / f"{step:07}.safetensors"


def _keep_weights(folder: Path, interval: int, steps: int) -> None:
    """Copy the last saved weights if their step is a snapshot; the next ones overwrite them."""
    last = folder / LAST_WEIGHTS
    if not last.is_file():
        return
    step = int(read_metadata(last)["steps"])
    kept = _snapshot_path(folder, step)
    if (step % interval == 0 or step == steps) and not kept.is_file():
        with atomic_path(kept) as temporary:
            shutil.copyfile(last, temporary)


def _check_same_run(config: TrainingConfig) -> None:
    """Check that the run in a folder has equal settings and data."""
    file = config.output / CONFIG_FILE
    if not file.is_file():
        return
    there = from_table(tomlkit.parse(file.read_text(encoding="utf-8")).unwrap(), TrainingConfig())
    watching = {
        name: getattr(config, name)
        for name in ("log_steps", "summary_steps", "checkpoint_steps", "workers", "device", "output")
    }
    if replace(there, **watching) != config:
        raise KBNetError(
            f"{config.output} holds a run of other settings or data; choose another --output, or remove that folder"
        )
