"""Study: comparison of recipes, each trained with every seed and evaluated, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kbnet.evaluation.ground_truth import Part, evaluate, run_settings
from kbnet.evaluation.methods import NETWORK, Method, baseline_methods
from kbnet.evaluation.metrics import RunningStatistics
from kbnet.evaluation.summary import ALL_SEQUENCES, SummaryRow, read_same_run, write_summary
from kbnet.inference.completer import load
from kbnet.training.config import TrainingConfig
from kbnet.training.monitor import ProgressReport
from kbnet.training.recipe import to_table
from studies.learning import Snapshot, learn
from studies.standing import Standing, mean_ratios, standings

BASELINES_FILE = "baselines.json"


@dataclass(frozen=True)
class Judge:
    """Evaluation of weights and interpolation; existing results are read.

    Attributes:
        parts: sequences with their kinds of sparse depth.
        limits: range of the evaluated ground truth, metres.
        every: stride of the frames.
        device: a torch device.
    """

    parts: tuple[Part, ...]
    limits: tuple[float, float]
    every: int
    device: str

    def weights(self, weights: Path) -> list[SummaryRow]:
        """Errors of a network on every sequence, stored in a JSON file beside its weights."""
        completer = load(weights, device=self.device)
        settings = run_settings(self.parts, {"kbnet": (weights, completer)}, limits=self.limits, every=self.every)
        return self._rows([Method(NETWORK, completer)], settings, weights.with_suffix(".json"))

    def baselines(self, file: Path) -> list[SummaryRow]:
        """Errors of nearest and linear interpolation, stored in ``file``."""
        settings = run_settings(self.parts, {}, limits=self.limits, every=self.every)
        return self._rows(baseline_methods(), settings, file)

    def _rows(self, methods: list[Method], settings: dict[str, object], file: Path) -> list[SummaryRow]:
        rows = read_same_run(file, settings)
        if not rows:
            summary = evaluate(self.parts, methods, limits=self.limits, every=self.every)
            write_summary(file, summary, settings)
            rows = summary.rows()
        return [row for row in rows if row.sequence != ALL_SEQUENCES]


@dataclass(frozen=True)
class Stage:
    """Evaluation of a snapshot of a run."""

    step: int
    seconds: float
    rows: list[SummaryRow]


@dataclass(frozen=True)
class JudgedRun:
    """One recipe trained with one seed.

    Attributes:
        recipe, seed: recipe and seed of the run.
        config: config of the run.
        stages: evaluated snapshots, first to last.
    """

    recipe: str
    seed: int
    config: TrainingConfig
    stages: list[Stage]

    @property
    def seconds(self) -> float:
        """Total training time, seconds."""
        return self.stages[-1].seconds


class Study:
    """Runs of several recipes with their evaluation.

    Args:
        folder: folder of the study, with a subfolder for each recipe and seed.
        configs: recipes by name, with their number of steps.
        judge: evaluation of all runs.
        planned_seconds_per_step: seconds per step by recipe if steps were planned by time; else empty.
    """

    def __init__(
        self,
        folder: Path,
        configs: Mapping[str, TrainingConfig],
        judge: Judge,
        planned_seconds_per_step: Mapping[str, float],
    ) -> None:
        self.folder, self.configs, self.judge = folder, dict(configs), judge
        self.planned = dict(planned_seconds_per_step)
        self.runs: list[JudgedRun] = []
        self.baselines = judge.baselines(folder / BASELINES_FILE)

    def do(self, recipe: str, seed: int, snapshots: int, on_report: Callable[[ProgressReport], None]) -> JudgedRun:
        """Train one recipe with one seed, or read it if it exists, and evaluate its snapshots."""
        config = replace(self.configs[recipe], output=self.folder / recipe / f"seed{seed}", seed=seed)
        kept = learn(config, snapshots, on_report)
        run = JudgedRun(recipe, seed, config, [self._stage(one) for one in (kept if snapshots > 1 else kept[-1:])])
        self.runs.append(run)
        return run

    def _stage(self, snapshot: Snapshot) -> Stage:
        return Stage(snapshot.step, snapshot.seconds, self.judge.weights(snapshot.weights))

    def standings(self) -> list[Standing]:
        """Errors of the last snapshots of all runs over seeds, and of interpolation."""
        return standings(
            self.baselines, {name: [run.stages[-1].rows for run in self.of(name)] for name in self.configs}
        )

    def curves(self) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """Points (training seconds, ratio to linear interpolation) by sequence and recipe, mean over seeds.

        If steps were planned by time, the seconds are those of the plan, because the clock of a run depends on other
        load."""
        found: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for recipe in self.configs:
            points: dict[tuple[str, int], tuple[RunningStatistics, RunningStatistics]] = {}
            for run in self.of(recipe):
                for stage in run.stages:
                    for sequence, ratio in mean_ratios(stage.rows, self.baselines).items():
                        key = sequence, stage.step
                        seconds, ratios = points.setdefault(key, (RunningStatistics(), RunningStatistics()))
                        seconds.add(self.planned[recipe] * stage.step if recipe in self.planned else stage.seconds)
                        ratios.add(ratio)
            for (sequence, _), (seconds, ratios) in points.items():
                line = found.setdefault(sequence, {}).setdefault(recipe, [])
                line.append((float(seconds.mean), float(ratios.mean)))
        return found

    def of(self, recipe: str) -> list[JudgedRun]:
        """Finished runs of one recipe."""
        return [run for run in self.runs if run.recipe == recipe]

    def to_plain(self) -> dict[str, Any]:
        """Study as plain values, with versions and machine at the evaluation of interpolation."""
        judged = json.loads((self.folder / BASELINES_FILE).read_text(encoding="utf-8"))
        return {
            "made_with": {name: judged[name] for name in judged.keys() - {"settings", "results"}},
            "baselines": [asdict(row) for row in self.baselines],
            "runs": [
                {
                    "recipe": run.recipe,
                    "seed": run.seed,
                    "steps": run.config.schedule.steps,
                    "planned_seconds_per_step": self.planned.get(run.recipe),
                    "seconds": run.seconds,
                    "config": to_table(run.config.without_folders()),
                    "stages": [asdict(stage) for stage in run.stages],
                }
                for run in self.runs
            ],
            "standings": [asdict(standing) for standing in self.standings()],
        }
