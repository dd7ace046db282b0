"""Time of training: reading samples, the step, and both together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from kbnet.benchmark.made_frame import preset_for, write_made_sequence
from kbnet.benchmark.measurement import Timed, synchronise, take_turns
from kbnet.benchmark.plain_kbnet import is_published_architecture, plain_network
from kbnet.benchmark.plain_training import PlainTrainingStep
from kbnet.losses.weights import LossForms
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig, ValidationConfig
from kbnet.training.loop import Run

MARGIN = 32
"""Difference between the size of a synthetic frame and the crop, pixels."""


@dataclass(frozen=True)
class TrainingCase:
    """Training case.

    Attributes:
        config: config of the run; the step is timed in float32 and bfloat16, reading with the config's workers.
        warmup: number of batches before, not timed; at least 1.
    """

    name: str
    config: TrainingConfig
    steps: int
    warmup: int

    def rows(self, scratch: Path) -> Iterator[dict[str, Any]]:
        """Measure one part after another; yield a row of plain values for each."""
        warmup, steps = whole_turns(self.config.workers, self.warmup, self.steps)
        config = ready_config(self.config, scratch, 10 * (warmup + steps))
        with prepared_run(replace(config, precision="float32", output=scratch / "float32")) as run:
            yield self._row("loader", loader_seconds(run, warmup, steps))
            yield from self._step_rows(run, config, scratch)
        with prepared_run(config) as run:
            seconds = both_seconds(run, warmup, steps)
        yield self._row(f"loader and step {config.precision}", seconds)

    def _step_rows(self, run: Run, config: TrainingConfig, scratch: Path) -> Iterator[dict[str, Any]]:
        device = run.fabric.device
        batch = next(iter(run.batches)).to(device)
        with prepared_run(replace(config, precision="bfloat16", output=scratch / "bfloat16")) as narrow_run:
            steps: dict[str, Callable[[], object]] = {}
            if (plain := plain_step(run)) is not None:
                steps["step plain"] = lambda: plain(batch)
            steps |= {"step float32": lambda: run.one_step(batch), "step bfloat16": lambda: narrow_run.one_step(batch)}
            timed = {name: Timed(step) for name, step in steps.items()}
            take_turns(list(timed.values()), device, rounds=self.steps, warmup=self.warmup)
            baseline = timed["step plain"].median if plain is not None else None
            for name, times in timed.items():
                yield self._row(name, times.seconds) | {
                    "times_plain": None if baseline is None else baseline / times.median,
                    "memory_mib": step_memory_mib(times.work, device),
                }

    def _row(self, part: str, seconds: list[float]) -> dict[str, Any]:
        height, width = self.config.augmentation.crop
        return {
            "training": self.name,
            "crop": f"{width}x{height}",
            "batch": self.config.batch_size,
            "part": part,
            "samples_per_second": self.config.batch_size * len(seconds) / sum(seconds),
            "median_batch_ms": 1000 * median(seconds),
            "times_plain": None,
            "memory_mib": None,
            "workers": self.config.workers,
        }


def whole_turns(workers: int, warmup: int, steps: int) -> tuple[int, int]:
    """Numbers of warm-up and timed batches, rounded up to multiples of the workers.

    Batches arrive in bursts, one from every worker; within a burst the measured time would be near 0.

    >>> whole_turns(workers=12, warmup=3, steps=10)
    (12, 12)
    """
    workers = max(1, workers)
    return max(warmup, workers), math.ceil(steps / workers) * workers


def ready_config(config: TrainingConfig, scratch: Path, steps: int) -> TrainingConfig:
    """Config for some steps in a scratch folder, with synthetic frames if it has no sequences."""
    config = replace(
        config, output=scratch / "run", validation=ValidationConfig(), schedule=replace(config.schedule, steps=steps)
    )
    if config.sequences:
        return config
    folder, gap = scratch / "sequence", 1
    height, width = (side + MARGIN for side in config.augmentation.crop)
    preset = preset_for(config.network.max_depth)
    write_made_sequence(folder, 2 * gap + 2 * config.batch_size, width, height, preset)
    return replace(config, sequences=(folder,), sparse_depth=("sparse_depth",), gaps=(gap,))


@contextmanager
def prepared_run(config: TrainingConfig) -> Iterator[Run]:
    """Prepare a training run in one process, as :func:`kbnet.training.loop.train`, before its first step."""
    fabric = Fabric(accelerator=config.device, devices=1, precision="32-true")
    fabric.launch()
    run = Run(config, fabric, None, resume=False)
    run.step_module.train()
    try:
        yield run
    finally:
        run.monitor.close()


def plain_step(run: Run) -> Callable[[TripletBatch], None] | None:
    """Plain training step with copies of the run's networks; None if the run is not of the published kind."""
    config = run.config
    published = is_published_architecture(config.network) and run.pose_network is not None
    further = (config.losses.supervised, config.losses.pose_consistency, config.losses.prior)
    if not published or any(further) or config.adaptive_weighting != "none" or config.loss_forms != LossForms():
        return None
    assert isinstance(config.network, KBNetConfig)
    device = run.fabric.device
    network = plain_network(KBNet(config.network)).to(device)
    module = PlainTrainingStep(network, PoseNet(config.pose_encoder).to(device), config.losses).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=config.schedule.learning_rates[0])

    def step(batch: TripletBatch) -> None:
        total = module(batch)
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(module.parameters(), float("inf"))
        optimizer.step()

    return step


def loader_seconds(run: Run, warmup: int, steps: int) -> list[float]:
    """Seconds between batches of the loader, without training."""
    return _intervals(iter(run.batches), warmup, steps)


def both_seconds(run: Run, warmup: int, steps: int) -> list[float]:
    """Seconds between steps with the loader running, as in training."""

    def trained() -> Iterator[None]:
        for batch in run.batches:
            run.one_step(batch.to(run.fabric.device))
            synchronise(run.fabric.device)
            yield

    return _intervals(trained(), warmup, steps)


def step_memory_mib(step: Callable[[], object], device: torch.device) -> float:
    """Memory of one step, MiB: on a CUDA device the peak; on the CPU the memory kept for the backward pass.

    The latter is most of the former and independent of the device. The peak includes weights and moments of the other
    compared steps.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return float(torch.cuda.max_memory_allocated(device) / 2**20)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(kept.values()) / 2**20


def _intervals(events: Iterator[object], warmup: int, steps: int) -> list[float]:
    times = [time.perf_counter() for _ in islice(events, warmup + steps)]
    return [later - earlier for earlier, later in pairwise(times[warmup - 1 :])]
