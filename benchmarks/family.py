"""``python benchmarks/family.py``: KBNet, siblings and the network of ``indoor`` after equal training, in a table."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from command import check_at_least, check_limits, start

from kbnet.cli.evaluate import distinct_names
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from studies.learning import Snapshot
    from studies.study import Judge

    from kbnet.frame import Frame
    from kbnet.training.config import TrainingConfig
    from kbnet.training.monitor import ProgressReport

Network = Literal["kbnet", "voiced", "scaffnet", "fusionnet", "propagation"]
NETWORKS: dict[Network, str] = {
    "kbnet": "KBNet, as published",
    "voiced": "VOICED",
    "scaffnet": "ScaffNet",
    "fusionnet": "FusionNet",
    "propagation": "network of `indoor`",
}
"""Names in the table by recipe in benchmarks/family/."""
RECIPES = Path(__file__).parent / "family"
SCAFFNET_SHARE = 0.5
"""Share of FusionNet's time in which its ScaffNet is trained."""
RATES = (3e-4, 1e-3, 3e-3)
"""Learning rates of the trials."""

Paths = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="SEQUENCE|LIST.csv ...", help_behavior_hint="(required)")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train each network for the same time on the same data with ground truth, evaluate it and measure its speed.

    The time of a step is measured first; the schedule of each network ends when its time ends. The learning rate is
    that of the short trial with the smallest loss in training. FusionNet's ScaffNet is trained in the first half of
    FusionNet's time. One thread. A repeated command goes on with the network that was cut off.
    """

    train: Paths
    """Sequence folders or lists with ground truth to train on."""
    test: Paths
    """Sequence folders or lists to evaluate; nothing is chosen by them."""
    networks: tuple[Network, ...] = tuple(NETWORKS)
    """Networks in the order of the table."""
    sparse_depth: str = "sparse_depth_500"
    """Folder or column of sparse depth that is evaluated; in training, points are drawn from ground truth."""
    seconds: float = 200.0
    """Seconds of training of every network, besides the trials."""
    trial_seconds: float = 40.0
    """Seconds of training of every trial of a learning rate."""
    every_frames: int = 4
    """Evaluate every Nth frame."""
    limits: tuple[float, float] = (0.2, 5.0)
    """Evaluate ground truth between these, metres."""
    rounds: int = 10
    """Timed frames of every network, in turn."""
    set: Settings = ()
    """Settings over those of every recipe, such as batch_size=2."""
    output: Path = Path("runs/family")
    """Folder of all runs, of results.jsonl and of table.md."""

    def run(self) -> None:
        """Train and evaluate one network after another, a line each in results.jsonl; then time them and show all."""
        import torch

        if not self.train or not self.test:
            raise KBNetError("expected sequences to train on and to test on; see --help")
        check_at_least(self, seconds=0.1, trial_seconds=0.1, every_frames=1, rounds=1)
        check_limits(self.limits)
        torch.set_num_threads(1)
        judge = self._judge()
        results = {network: self._result(network, judge) for network in self.networks}
        milliseconds = self._frame_milliseconds(results.values(), judge.parts[0].source.frame(0))
        table = markdown_table(list(results.values()), milliseconds)
        (self.output / "table.md").write_text(table, encoding="utf-8")
        print(table)

    def _result(self, network: Network, judge: Judge) -> dict[str, Any]:
        """The line of a network: read where the same settings made it, else made and appended."""
        from studies.standing import mean_ratios

        from kbnet.weights.depth_network import load_network

        file = self.output / "results.jsonl"
        settings = {name: str(getattr(self, name)) for name in ("train", "test", "sparse_depth", "seconds", "set")}
        settings |= {name: str(getattr(self, name)) for name in ("trial_seconds", "every_frames", "limits")}
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        for line in map(json.loads, lines):
            if line["network"] == network and line["settings"] == settings:
                return dict(line)
        baselines = judge.baselines(self.output / "baselines.json")
        snapshot = self._trained(network)
        rows = judge.weights(snapshot.weights)
        line = {
            "network": network,
            "steps": snapshot.step,
            "seconds": round(snapshot.seconds, 1),
            "learning_rate": self._rate(network),
            "parameters": sum(one.numel() for one in load_network(snapshot.weights).parameters()),
            "mae_mm": {row.sequence: row.mean.mae_mm for row in rows},
            "times_linear": mean_ratios(rows, baselines),
            "weights": str(snapshot.weights.relative_to(self.output)),
            "settings": settings,
        }
        with file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line) + "\n")
        return line

    def _trained(self, network: Network) -> Snapshot:
        """Train a network; FusionNet after its ScaffNet."""
        if network != "fusionnet":
            return self._learn(network, self._config(network, self.output / network), self.seconds)
        scaffnet = self._config("scaffnet", self.output / network / "scaffnet")
        first = self._learn("scaffnet", scaffnet, SCAFFNET_SHARE * self.seconds)
        config = self._config(network, self.output / network / network, initial_weights=str(first.weights))
        return self._learn(network, config, (1 - SCAFFNET_SHARE) * self.seconds)

    def _learn(self, network: Network, config: TrainingConfig, seconds: float) -> Snapshot:
        """Train for a time at the rate of the best trial."""
        from studies.equal_compute import known_seconds_per_step, with_steps
        from studies.learning import learn

        name = str(config.output.relative_to(self.output))
        per_step = known_seconds_per_step({name: config}, self.output / "seconds_per_step.json")[name]
        self._try_rates(network, with_steps(config, max(1, round(self.trial_seconds / per_step))))
        config = with_steps(config, max(1, round(seconds / per_step)))
        config = _with_rate(config, self._rate(network))
        print(f"{name}: {config.schedule.steps} steps of {per_step:.3f} s at {self._rate(network):g}", flush=True)
        return learn(config, 1, _say)[-1]

    def _try_rates(self, network: Network, config: TrainingConfig) -> None:
        """Train at each rate, and write the loss of the last fifth of the steps to a file; none is tried twice."""
        from studies.learning import learn

        from kbnet.files import write_json

        losses = self._losses()
        for rate in RATES:
            if str(rate) in losses.get(network, {}):
                continue
            output = self.output / "trials" / network / str(rate)
            shutil.rmtree(output, ignore_errors=True)
            reports: list[ProgressReport] = []
            try:
                learn(replace(_with_rate(config, rate), output=output), 1, reports.append)
                loss = next(one.losses["total"] for one in reversed(reports) if not one.message)
            except FloatingPointError:
                loss = sys.float_info.max
            losses.setdefault(network, {})[str(rate)] = loss
            print(f"{network}: loss {loss:.4f} after {config.schedule.steps} steps at {rate:g}", flush=True)
            write_json(self._rates_file, losses)

    def _rate(self, network: Network) -> float:
        losses = self._losses()[network]
        return float(min(losses, key=lambda rate: losses[rate]))

    def _losses(self) -> dict[str, dict[str, float]]:
        """Losses of the trials by network and rate."""
        file = self._rates_file
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}

    @property
    def _rates_file(self) -> Path:
        """File of the losses; trials of another length have another file."""
        return self.output / f"rates_{self.trial_seconds:g}_s.json"

    def _config(self, network: Network, output: Path, **changes: Any) -> TrainingConfig:
        from studies.recipe import read_changes, read_recipe

        given = {"sequences": [*map(str, self.train)], "sparse_depth": [self.sparse_depth], "output": str(output)}
        return read_recipe(RECIPES / f"{network}.toml", {**given, **changes, **read_changes(self.set)})

    def _judge(self) -> Judge:
        from studies.study import Judge

        from kbnet.evaluation.ground_truth import Part
        from kbnet.frames.open import open_frames

        parts = tuple(
            Part(open_frames(path, sparse_depth=self.sparse_depth), name, self.sparse_depth)
            for name, path in distinct_names(self.test).items()
        )
        return Judge(parts, self.limits, self.every_frames, "cpu")

    def _frame_milliseconds(self, results: Iterable[dict[str, Any]], frame: Frame) -> list[float]:
        """Median time of completing a frame with torch in float32, each network in turn, ms."""
        import torch

        import kbnet
        from kbnet.benchmark.measurement import Timed, take_turns

        timed = []
        for result in results:
            completer = kbnet.load(self.output / result["weights"], engine="torch", precision="float32", device="cpu")
            timed.append(Timed(functools.partial(completer, frame.image, frame.sparse_depth, frame.intrinsics)))
        take_turns(timed, torch.device("cpu"), rounds=self.rounds, warmup=2)
        return [1000 * one.median for one in timed]


def _with_rate(config: TrainingConfig, rate: float) -> TrainingConfig:
    return replace(config, schedule=replace(config.schedule, learning_rates=(rate,)))


def markdown_table(results: list[dict[str, Any]], milliseconds: list[float]) -> str:
    """Table of the networks: size, speed, steps, and MAE over that of linear interpolation by sequence and on average.

    Args:
        results: lines of results.jsonl.
        milliseconds: time of a frame of each.
    """
    sequences = list(results[0]["times_linear"])
    heads = ["network", "parameters", "ms a frame", "learning rate", "steps", *sequences, "mean"]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for result, time_ms in zip(results, milliseconds, strict=True):
        ratios = [result["times_linear"][sequence] for sequence in sequences]
        numbers = [f"{ratio:.3f}" for ratio in (*ratios, sum(ratios) / len(ratios))]
        size = f"{result['parameters'] / 1e6:.1f} M"
        rate = f"{result['learning_rate']:g}"
        lines.append([NETWORKS[result["network"]], size, f"{time_ms:.0f}", rate, str(result["steps"]), *numbers])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _say(report: ProgressReport) -> None:
    text = report.message or f"loss {report.losses['total']:.4f}  {report.samples_per_second:.1f} samples/s"
    print(f"  step {report.step}/{report.steps}  {text}", flush=True)


if __name__ == "__main__":
    start(Command)
