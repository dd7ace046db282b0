"""``kbnet benchmark``: how fast completion and training are on this machine, beside a plain implementation."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import DeviceArguments, OptionalFile, OptionalInteger, SeveralWeights, Switch
from kbnet.cli.benchmark_report import BenchmarkReport
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    import torch

    from kbnet.benchmark.contenders import Contender
    from kbnet.benchmark.inference import Case
    from kbnet.benchmark.training import TrainingCase
    from kbnet.network.depth_network import DepthNetwork

Engine = Literal["torch", "onnxruntime", "openvino"]
Precision = Literal["float32", "float16", "bfloat16", "int8"]
QUICK_ROUNDS, QUICK_STEPS = 3, 2
MOST_WORKERS = 12

Sizes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="WIDTHxHEIGHT ...")]
Integers = Annotated[tuple[int, ...], tyro.conf.arg(metavar="INT ...", help_behavior_hint="")]
Precisions = Annotated[tuple[Precision, ...], tyro.conf.arg(help_behavior_hint="")]
Sequences = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="SEQUENCE|LIST.csv ...", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command(DeviceArguments):
    """Time completion and training beside a plain implementation of the published network.

    Plain is the published network as specified, in eager float32 with stock layers. In every round, plain and every
    installed engine and precision run in turn on the same frames, so that ratios hold on a machine whose speed changes.
    Times start and end with the device idle. Input lies on the device as tensors; files are read in the timing of
    training only. Frames are synthetic: a smooth image with grain over slanted ground, a sparse point on 0.5 % of the
    pixels (5 % at 1216x352). Ctrl-C ends it and keeps what was measured.
    """

    parts: tuple[Literal["inference", "training"], ...] = ("inference", "training")
    """What to time. Training needs kbnet[train]."""
    weights: SeveralWeights = ("fresh",)
    """What to complete with; ``fresh``: the published network with random weights, of the KITTI preset at 1216x352 and
    of the VOID preset at other sizes."""
    sizes: Sizes = ("640x480", "1216x352")
    """Frame sizes, pixels."""
    batch_sizes: Integers = ()
    """Frames at once; 1 and 4 by default, and 1, 8 and 32 on a GPU."""
    engines: tuple[Engine, ...] = ("torch", "onnxruntime", "openvino")
    """Engines to time; those that are not installed are named and left out."""
    precisions: Precisions = ()
    """Precisions to time; by default all that an engine has."""
    rounds: int = 20
    """How often everything is timed in a comparison of inference."""
    warmup: int = 3
    """Rounds, and training batches, before those, not timed."""
    presets: tuple[Literal["void", "kitti"], ...] = ("void", "kitti")
    """Published trainings to time."""
    recipe: OptionalFile = None
    """TOML file as ``kbnet train --config`` reads it, to time in place of the presets."""
    sequences: Sequences = ()
    """Train on these in place of made-up frames."""
    training_batch_size: OptionalInteger = None
    """Samples a step (default: that of the preset or recipe; on a CPU at most 2)."""
    workers: OptionalInteger = None
    """Processes that read samples (default: all processors less one, at most 12)."""
    steps: int = 10
    """Training batches to time."""
    quick: Switch = False
    """A first look: the first size and preset, single frames, 3 rounds, 2 steps, no memory."""
    output: Path = Path("runs/benchmark.json")
    """JSON to write, after every comparison."""

    def run(self) -> None:
        from kbnet.benchmark.measurement import conditions
        from kbnet.inference.completer import find_device

        command = self._shortened() if self.quick else self
        if command.rounds < 1 or command.warmup < 1 or command.steps < 1:
            raise KBNetError(
                f"expected rounds, warmup and steps of at least 1, "
                f"got {command.rounds}, {command.warmup} and {command.steps}"
            )
        device = find_device(self.device)
        report = BenchmarkReport(self.output, conditions(device))
        cases, trainings = command.cases(device), command.training_cases(device, report)
        try:
            for compared in _by_weights(cases):
                _compare(compared, command, device, report)
            for training in trainings:
                _train(training, report)
        except KeyboardInterrupt:
            report.finish()
            raise KeyboardInterrupt(f"interrupted; {self.output} holds what was measured") from None
        report.finish()

    def _shortened(self) -> Command:
        return replace(
            self,
            sizes=self.sizes[:1],
            presets=self.presets[:1],
            batch_sizes=(1,),
            rounds=QUICK_ROUNDS,
            warmup=1,
            steps=QUICK_STEPS,
        )

    def cases(self, device: torch.device) -> list[Case]:
        """What is completed, by weights first."""
        from kbnet.benchmark.inference import Case

        if "inference" not in self.parts:
            return []
        batches = self.batch_sizes or ((1, 8, 32) if device.type == "cuda" else (1, 4))
        if min(batches) < 1:
            raise KBNetError(f"expected batch sizes of at least 1, got {min(batches)}")
        sizes = [_size(text) for text in self.sizes]
        return [Case(weights, *size, batch) for weights, size, batch in product(self.weights, sizes, batches)]

    def training_cases(self, device: torch.device, report: BenchmarkReport) -> list[TrainingCase]:
        """What is trained; nothing where the packages for it are not installed, unless nothing else is asked for."""
        if "training" not in self.parts:
            return []
        try:
            from kbnet.benchmark.training import TrainingCase
            from kbnet.cli.train import parse
        except ModuleNotFoundError as error:
            if self.parts == ("training",):
                raise
            report.leave_out("training", error)
            return []
        flags = [["--config", str(self.recipe)]] if self.recipe else [["--preset", name] for name in self.presets]
        workers = min(MOST_WORKERS, max(1, (os.cpu_count() or 2) - 1)) if self.workers is None else self.workers
        cases = []
        for flag in flags:
            config = parse(flag).training
            most = config.batch_size if device.type == "cuda" else min(2, config.batch_size)
            config = replace(
                config,
                batch_size=self.training_batch_size or most,
                workers=workers,
                sequences=self.sequences,
                gaps=config.gaps[:1],
                device="cuda" if device.type == "cuda" else "cpu",
            )
            cases.append(TrainingCase(Path(flag[1]).stem, config, self.steps, self.warmup))
        return cases


def _by_weights(cases: list[Case]) -> list[list[Case]]:
    """Cases that one network completes."""
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.weights, case.preset), []).append(case)
    return list(groups.values())


def _compare(cases: list[Case], command: Command, device: torch.device, report: BenchmarkReport) -> None:
    import torch

    from kbnet.benchmark.contenders import contenders

    network: DepthNetwork = cases[0].network()
    _say(f"building the engines for {cases[0].weights}")
    entrants: list[Contender] = list(contenders(network, command.engines, command.precisions, device, report.leave_out))
    for case in cases:
        _say(str(case))
        try:
            _compare_in(case, network, entrants, command, device, report)
        except torch.OutOfMemoryError as error:
            report.leave_out(str(case), error)


def _compare_in(
    case: Case,
    network: DepthNetwork,
    entrants: list[Contender],
    command: Command,
    device: torch.device,
    report: BenchmarkReport,
) -> None:
    from kbnet.benchmark.inference import CaseTimes, peak_memory_mib

    comparison = CaseTimes(case, network, entrants, device, report.leave_out)
    try:
        comparison.measure(command.rounds, command.warmup)
        if not command.quick:
            for index, each in enumerate(comparison.entrants):
                _say(f"memory of {each.engine} {each.precision}")
                comparison.memory_mib[index] = peak_memory_mib(case, each.engine, each.precision, device)
    finally:
        report.add(comparison)


def _train(case: TrainingCase, report: BenchmarkReport) -> None:
    import torch

    _say(f"training {case.name}")
    with TemporaryDirectory() as scratch:
        try:
            for row in case.rows(Path(scratch)):
                report.training.append(row)
                report.write()
        except torch.OutOfMemoryError as error:
            report.leave_out(f"training {case.name}", error)


def _size(text: str) -> tuple[int, int]:
    from kbnet.frame import MINIMUM_SIZE

    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or min(int(width), int(height)) < MINIMUM_SIZE:
        raise KBNetError(
            f"expected a size as width x height, at least {MINIMUM_SIZE} pixels each, such as 640x480, got '{text}'"
        )
    return int(width), int(height)


def _say(line: str) -> None:
    """What is going on, on a terminal."""
    if sys.stderr.isatty():
        say(line, error=True)
