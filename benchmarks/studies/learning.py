"""One run of training, watched: its clock, and its weights at several times. It can be cut off, and goes on."""

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
from kbnet.training.monitor import Report
from kbnet.training.recipe import from_table
from kbnet.weights.safetensors_file import read_metadata

CLOCK_FILE = "clock.json"
SNAPSHOTS = "snapshots"
READINGS = 5
"""Of the clock between two snapshots."""


@dataclass(frozen=True)
class Snapshot:
    """Weights on the way.

    Attributes:
        step: after how many steps.
        seconds: of training until then, as the clock of the run says; reading included, saving and setting up left out.
        weights: a safetensors file.
    """

    step: int
    seconds: float
    weights: Path


def learn(
    config: TrainingConfig, snapshots: int, on_report: Callable[[Report], None] = lambda report: None
) -> list[Snapshot]:
    """Train to the end of the schedule, or go on where the run was cut off, or just look where it is done.

    Nothing is validated on the way, so that no data but those to train on have a say.

    Args:
        config: the run, with its ``output`` and the number of its steps.
        snapshots: how often to keep the weights, at even distances; the last time is at the end.
        on_report: called with every report of the training.

    Returns:
        What was kept, first to last.

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

        def watch(report: Report) -> None:
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
    """Seconds of training by step; on disk, so that they add up over the parts of a run that was cut off.

    Args:
        path: the JSON file.
        step: where the run stands; readings beyond it are of steps that will be done again.
        batch_size: samples a step.
    """

    def __init__(self, path: Path, step: int, batch_size: int) -> None:
        self._path, self._batch_size = path, batch_size
        self._readings: list[tuple[int, float]] = []
        if path.is_file():
            readings = json.loads(path.read_text(encoding="utf-8"))["seconds_by_step"]
            self._readings = [(at, seconds) for at, seconds in readings if at <= step]
        self.step, self._seconds = step, self.seconds_at(step)

    def read(self, report: Report) -> None:
        """Take in a report, whose rate is that of the steps since the last one."""
        if report.message:
            return
        self._seconds += (report.step - self.step) * self._batch_size / report.samples_per_second
        self.step = report.step
        self._readings.append((self.step, self._seconds))
        write_json(self._path, {"seconds_by_step": self._readings})

    def seconds_at(self, step: int) -> float:
        """Seconds until a step; between two readings, and after the last one, as if all steps there took the same."""
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
    """Copy the weights that were saved last, if they are of a step to keep; the next ones will take their place."""
    last = folder / LAST_WEIGHTS
    if not last.is_file():
        return
    step = int(read_metadata(last)["steps"])
    kept = _snapshot_path(folder, step)
    if (step % interval == 0 or step == steps) and not kept.is_file():
        with atomic_path(kept) as temporary:
            shutil.copyfile(last, temporary)


def _check_same_run(config: TrainingConfig) -> None:
    """Refuse a folder with a run that would not have come to the same weights."""
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
