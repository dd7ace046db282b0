"""Equal compute of recipes: the number of steps that fit into a time, and schedules of that length.

A run that is stopped by a clock has not reached the end of its cosine schedule, where much of the gain is. Therefore
the time of a step is measured first, and every schedule ends when its time ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from kbnet.benchmark.training import both_seconds, prepared_run, ready_config
from kbnet.errors import KBNetError
from kbnet.files import write_json
from kbnet.network.config import KBNetConfig
from kbnet.training.config import ScheduleConfig, TrainingConfig
from kbnet.training.recipe import to_table

WARMUP_STEPS, TIMED_STEPS, ROUNDS = 1, 3, 2


def known_seconds_per_step(configs: Mapping[str, TrainingConfig], file: Path) -> dict[str, float]:
    """Seconds per step of every recipe, read from ``file`` or measured and written to it.

    Recipes that differ only in rates, averaging and initial weights do equal work and share one value, so measurement
    noise does not give them different numbers of steps.
    """
    known: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    work = {name: _work(config) for name, config in configs.items()}
    missing: dict[str, TrainingConfig] = {}
    for name, config in configs.items():
        if work[name] not in [*(entry["config"] for entry in known), *(work[other] for other in missing)]:
            missing[name] = config
    known += [
        {"seconds_per_step": seconds, "config": work[name]} for name, seconds in seconds_per_step(missing).items()
    ]
    write_json(file, known)
    return {
        name: next(float(entry["seconds_per_step"]) for entry in known if entry["config"] == work[name])
        for name in configs
    }


def seconds_per_step(configs: Mapping[str, TrainingConfig]) -> dict[str, float]:
    """Median seconds per step of every recipe, with reading.

    On a CPU this is processor time divided by the number of threads, which is independent of other load. On a GPU it is
    wall-clock time. All recipes are measured in turn in two rounds, the second in reverse, so that a slower machine
    affects all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in configs}
    for number in range(ROUNDS):
        for name in list(configs)[:: 1 if number % 2 == 0 else -1]:
            with TemporaryDirectory() as scratch:
                seconds[name] += _step_seconds(configs[name], Path(scratch))
    return {name: median(times) for name, times in seconds.items()}


def _step_seconds(config: TrainingConfig, scratch: Path) -> list[float]:
    config = ready_config(config, scratch, 10 * (WARMUP_STEPS + TIMED_STEPS))
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    # Processor time is that of one process; it includes reading in that process.
    with prepared_run(config if on_gpu else replace(config, workers=0)) as run:
        if on_gpu:
            return both_seconds(run, WARMUP_STEPS, TIMED_STEPS)
        times = []
        for batch in islice(run.batches, 1 + WARMUP_STEPS + TIMED_STEPS):
            times.append(time.process_time())
            run.one_step(batch)
    return [(after - before) / torch.get_num_threads() for before, after in pairwise(times[WARMUP_STEPS:])]


def _work(config: TrainingConfig) -> dict[str, Any]:
    """Settings that the time of a step depends on, as plain values."""
    network = config.network
    if isinstance(network, KBNetConfig):
        network = replace(network, weight_init="kaiming")
    # Frozen statistics need initial weights; the step is timed with those of the batch.
    start: dict[str, Any] = {"initial_weights": None, "normalisation_statistics": "batch"}
    same = replace(config, network=network, schedule=ScheduleConfig(), average_decay=0.0, **start)
    plain: dict[str, Any] = json.loads(json.dumps(to_table(same)))
    return plain


def with_steps(config: TrainingConfig, steps: int) -> TrainingConfig:
    """Recipe with another number of steps; the share of the warm-up is unchanged.

    Raises:
        KBNetError: steps is below 1.
    """
    if steps < 1:
        raise KBNetError(f"expected at least 1 step, got {steps}; give more --steps or --seconds")
    before = config.schedule
    warmup = before.warmup_steps if before.steps is None else round(before.warmup_steps * steps / before.steps)
    return replace(config, schedule=replace(before, steps=steps, warmup_steps=min(warmup, steps)))
