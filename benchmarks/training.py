"""``python benchmarks/training.py``: samples a second of the data loader, the training step, and both together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from command import start

if TYPE_CHECKING:
    from kbnet.training.config import TrainingConfig
    from kbnet.training.loop import Run

RECIPES = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Time what a training run is made of: reading and augmenting samples, and the step on a batch of them.

    The slower of the two bounds a run. What bounds a loader is processors: see --workers.
    """

    recipe: Path = RECIPES / "indoor.toml"
    """TOML file as ``kbnet train --config`` reads it."""
    sequences: tuple[Path, ...] = ()
    """Sequence folders; none = a synthetic one that the recipe's crop fits into, which needs scikit-image."""
    steps: int = 30
    """Batches to time."""
    warmup: int = 5
    """Batches before those, not timed."""
    workers: int | None = None
    """Processes that read samples; the recipe's by default."""
    batch_size: int | None = None
    """Samples a step; the recipe's by default."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    output: Path = Path("runs/benchmarks/training.json")
    """JSON to write."""

    def run(self) -> None:
        """Measure, print the table, write the JSON."""
        if self.steps < 1 or self.warmup < 1:
            raise ValueError(f"expected steps and warmup of at least 1, got {self.steps} and {self.warmup}")
        with TemporaryDirectory() as scratch, prepared_run(self._config(Path(scratch))) as run:
            results = [
                row(name, times, run.config.batch_size)
                for name, times in (
                    ("loader", loader_seconds(run, self.warmup, self.steps)),
                    ("step", step_seconds(run, self.warmup, self.steps)),
                    ("loader and step", both_seconds(run, self.warmup, self.steps)),
                )
            ]
            self._report(run, results)

    def _config(self, scratch: Path) -> TrainingConfig:
        """The recipe's config, to run in a scratch folder on the sequences asked for."""
        from kbnet.cli.train import parse
        from kbnet.training.config import ValidationConfig

        config = parse(["--config", str(self.recipe)]).training
        config = replace(
            config,
            batch_size=config.batch_size if self.batch_size is None else self.batch_size,
            workers=config.workers if self.workers is None else self.workers,
            sequences=self.sequences,
            output=scratch / "run",
            validation=ValidationConfig(),
            schedule=replace(config.schedule, steps=10 * (self.warmup + self.steps)),
            device=self.device,
        )
        return config if self.sequences else on_synthetic_sequence(config, scratch / "room")

    def _report(self, run: Run, results: list[dict[str, str | float]]) -> None:
        from measurement import environment, print_table, write_json

        config, surroundings = run.config, environment(run.fabric.device)
        settings = {
            "recipe": self.recipe.name,
            "sequences": [str(folder) for folder in self.sequences] or "synthetic",
            "batch_size": config.batch_size,
            "crop": list(config.augmentation.crop),
            "workers": config.workers,
            "precision": config.precision,
            "steps": self.steps,
            "warmup": self.warmup,
        }
        write_json(self.output, {"settings": settings, "environment": surroundings, "results": results})
        print_table(
            ("part", "samples/s", "median ms/batch"),
            [
                (str(part["part"]), f"{part['samples_per_second']:.1f}", f"{part['median_batch_ms']:.1f}")
                for part in results
            ],
        )
        height, width = config.augmentation.crop
        print(
            f"{self.recipe.name}: batches of {config.batch_size} crops of {width}x{height}, {config.precision}, "
            f"{config.workers} reading processes, {self.steps} batches on {surroundings['device_name']}"
        )
        print(f"wrote {self.output}")


@contextmanager
def prepared_run(config: TrainingConfig) -> Iterator[Run]:
    """A training run as :func:`kbnet.training.loop.train` sets it up, in one process, about to take its first step."""
    from lightning_fabric import Fabric

    from kbnet.training.loop import Run

    fabric = Fabric(accelerator=config.device, devices=1, precision="32-true")
    fabric.launch()
    run = Run(config, fabric, None, resume=False)
    run.step_module.train()
    try:
        yield run
    finally:
        run.monitor.close()


def loader_seconds(run: Run, warmup: int, steps: int) -> list[float]:
    """Seconds from one batch of the loader to the next, nothing being done with them."""
    return _intervals(iter(run.batches), warmup, steps)


def step_seconds(run: Run, warmup: int, steps: int) -> list[float]:
    """Seconds of one whole step (losses, gradients, optimiser) after another, on a batch that is on the device."""
    from measurement import seconds_taken

    device = run.fabric.device
    batch = next(iter(run.batches)).to(device)
    return [seconds_taken(lambda: run.one_step(batch), device) for _ in range(warmup + steps)][warmup:]


def both_seconds(run: Run, warmup: int, steps: int) -> list[float]:
    """Seconds from one step to the next with the loader at work beside them, as in training."""
    from measurement import synchronise

    def trained() -> Iterator[None]:
        for batch in run.batches:
            run.one_step(batch.to(run.fabric.device))
            synchronise(run.fabric.device)
            yield

    return _intervals(trained(), warmup, steps)


def row(part: str, seconds: list[float], batch_size: int) -> dict[str, str | float]:
    """A line of the table and of the JSON."""
    return {
        "part": part,
        "samples_per_second": batch_size * len(seconds) / sum(seconds),
        "median_batch_ms": 1000 * median(seconds),
    }


def on_synthetic_sequence(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """Render a sequence that the config can be trained on, and name it there."""
    from kbnet.data.synthetic import SyntheticConfig, write_synthetic_sequence

    height, width = config.augmentation.crop
    size = SyntheticConfig(
        frames=2 * max(config.gaps) + 2 * config.batch_size,
        width=width + 32,
        height=height + 32,
        points=max(100, height * width // 200),
    )
    write_synthetic_sequence(folder, size)
    return replace(config, sequences=(folder,), sparse_depth=("sparse_depth",), gaps=(max(config.gaps),))


def _intervals(events: Iterator[object], warmup: int, steps: int) -> list[float]:
    times = [time.perf_counter() for _ in islice(events, warmup + steps)]
    return [later - earlier for earlier, later in zip(times[warmup - 1 :], times[warmup:], strict=False)]


if __name__ == "__main__":
    start(Command)
