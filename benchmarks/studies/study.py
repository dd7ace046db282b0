"""A comparison of recipes: each trained with every seed, judged on the way, and kept in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kbnet.evaluation.ground_truth import Part, evaluate, run_settings
from kbnet.evaluation.methods import Method, baseline_methods, network_method
from kbnet.evaluation.metrics import RunningStatistics
from kbnet.evaluation.summary import ALL_SEQUENCES, SummaryRow, read_same_run, write_summary
from kbnet.inference.completer import load
from kbnet.training.config import TrainingConfig
from kbnet.training.monitor import Report
from kbnet.training.recipe import to_table
from studies.learning import Snapshot, learn
from studies.standing import Standing, mean_ratios, standings

BASELINES_FILE = "baselines.json"


@dataclass(frozen=True)
class Judge:
    """How weights and interpolation are judged; what was judged before is read.

    Attributes:
        parts: sequences with their kinds of sparse depth.
        limits: judge where ground truth lies between these, metres.
        every: judge one frame of so many.
        device: where to compute.
    """

    parts: tuple[Part, ...]
    limits: tuple[float, float]
    every: int
    device: str

    def weights(self, weights: Path) -> list[SummaryRow]:
        """Errors of a network on every sequence; kept in a JSON file beside its weights."""
        completer = load(weights, device=self.device)
        settings = run_settings(self.parts, {"kbnet": (weights, completer)}, limits=self.limits, every=self.every)
        return self._rows([network_method(completer)], settings, weights.with_suffix(".json"))

    def baselines(self, file: Path) -> list[SummaryRow]:
        """Errors of nearest and linear interpolation, kept in ``file``."""
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
    """What weights on the way, or at the end of a run, are worth."""

    step: int
    seconds: float
    rows: list[SummaryRow]


@dataclass(frozen=True)
class JudgedRun:
    """One recipe trained with one seed.

    Attributes:
        recipe, seed: which run it is.
        config: everything it is defined by.
        stages: first to last.
    """

    recipe: str
    seed: int
    config: TrainingConfig
    stages: list[Stage]

    @property
    def seconds(self) -> float:
        """Of training, all of it, as the clock of the run says."""
        return self.stages[-1].seconds


class Study:
    """Runs of several recipes and what they are worth, collected as they are done.

    Args:
        folder: gets a folder a recipe in it, and in that one a seed.
        configs: the recipes by name, with their number of steps.
        judge: of all runs.
        planned_seconds_per_step: by recipe, where the steps were planned by time; else empty.
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

    def do(self, recipe: str, seed: int, snapshots: int, on_report: Callable[[Report], None]) -> JudgedRun:
        """Train one recipe with one seed, or take what is there; judge it at the end, or that many times on the way."""
        config = replace(self.configs[recipe], output=self.folder / recipe / f"seed{seed}", seed=seed)
        kept = learn(config, snapshots, on_report)
        run = JudgedRun(recipe, seed, config, [self._stage(one) for one in (kept if snapshots > 1 else kept[-1:])])
        self.runs.append(run)
        return run

    def _stage(self, snapshot: Snapshot) -> Stage:
        return Stage(snapshot.step, snapshot.seconds, self.judge.weights(snapshot.weights))

    def standings(self) -> list[Standing]:
        """The last stages of all runs so far, seeds taken together, beside interpolation."""
        return standings(
            self.baselines, {name: [run.stages[-1].rows for run in self.of(name)] for name in self.configs}
        )

    def curves(self) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """By sequence and recipe: seconds of training, and MAE over that of linear interpolation, seeds taken together.

        Where steps were planned by time, the seconds are those of the plan. The clock of a run would also tell how busy
        the machine was during it.
        """
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
        """The runs of one recipe that are done."""
        return [run for run in self.runs if run.recipe == recipe]

    def to_plain(self) -> dict[str, Any]:
        """All so far as plain values, with versions and machine as they were when interpolation was judged."""
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
