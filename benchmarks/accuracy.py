"""``python benchmarks/accuracy.py``: recipes trained on the same data with the same compute, in one table."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from command import check_at_least, check_limits, start

from kbnet.cli.arguments import SparseDepths
from kbnet.cli.error_table import ERROR_COLUMNS, error_cells, new_table, show_table
from kbnet.cli.evaluate import distinct_names
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from rich.table import Table
    from studies.study import Judge, Study

    from kbnet.training.config import TrainingConfig
    from kbnet.training.monitor import ProgressReport

SNAPSHOTS = 5
"""Points of a curve, where --seconds asks for one and --snapshots does not say how many."""
FROM_NEAR = (0.7, 1.3)
"""Ratios to linear interpolation that a second row of panels shows from near."""

Paths = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="SEQUENCE|LIST.csv ...", help_behavior_hint="(required)")]
Recipes = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE.toml ...", help_behavior_hint="(required)")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...", help_behavior_hint="")]
OptionalInteger = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
OptionalNumber = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train recipes on the same data with the same compute, and compare them with each other and with interpolation.

    Each recipe is trained once with each seed by the loop of kbnet train, in a folder of its own, and judged as kbnet
    evaluate judges. After Ctrl-C, the same command goes on with the run that was cut off, and does none again.

    With --seconds, the time of a step is measured first (on a CPU that of the processor, whatever else runs). The
    schedule of each recipe, cosine and warm-up included, is then laid over as many steps as fit, so that no run is cut
    off before its rate has come down.

    The sequences to test on choose nothing: the weights judged are the last ones.
    """

    recipes: Recipes
    """Files as kbnet train --config reads them. Each may have base = "other.toml", and name only what differs."""
    train: Paths
    """Sequence folders, or lists of frames, to train on."""
    test: Paths
    """Sequence folders, or lists of frames, to judge by."""
    sparse_depth: SparseDepths = ("sparse_depth",)
    """Folders or columns of sparse depth. Training draws one of them for every sample; each is judged."""
    seeds: tuple[int, ...] = (0,)
    """Every recipe is trained once with each."""
    steps: OptionalInteger = None
    """Steps of every run; by default what each recipe says."""
    seconds: OptionalNumber = None
    """Seconds of training of every run, in place of --steps."""
    snapshots: OptionalInteger = None
    """How often a run is judged, at even distances, the last time at its end; 5 with --seconds, else 1."""
    every_frames: int = 1
    """Judge one frame of so many."""
    limits: tuple[float, float] = (0.2, 5.0)
    """Judge where ground truth lies between these, metres."""
    set: Settings = ()
    """Settings over those of every recipe, such as losses.smoothness=0.1 or 'gaps=[3, 1]'."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train and judge."""
    output: Path = Path("runs/accuracy")
    """Folder of all runs, and of results.json, table.txt and curves.png."""

    def run(self) -> None:
        """Train and judge run after run, writing after each; show the tables."""
        from studies.study import Study

        if not self.recipes or not self.train or not self.test or not self.seeds:
            raise KBNetError("expected recipes, sequences to train on and to test on, and seeds; see --help")
        if self.steps is not None and self.seconds is not None:
            raise KBNetError("expected --steps or --seconds, got both; leave one out")
        check_at_least(self, seeds=0, steps=1, snapshots=1, every_frames=1)
        check_limits(self.limits)
        if self.seconds is not None and self.seconds <= 0:
            raise KBNetError(f"expected a positive number of --seconds, got {self.seconds:g}")
        judge, configs = self._judge(), self._configs()
        configs, planned = self._planned(configs)
        study = Study(self.output, configs, judge, planned)
        snapshots = self.snapshots or (1 if self.seconds is None else SNAPSHOTS)
        try:
            self._train(study, snapshots)
        except KeyboardInterrupt:
            if study.runs:
                self._show(study, snapshots)
            print("interrupted; the same command goes on")
            sys.exit(130)
        self._show(study, snapshots)

    def _train(self, study: Study, snapshots: int) -> None:
        """Every recipe with the first seed, then every one with the next; one that diverges is left out."""
        from kbnet.files import write_json

        settings = {name: str(value) for name, value in vars(self).items()}
        for seed in self.seeds:
            for recipe, config in study.configs.items():
                print(f"{recipe}, seed {seed}: {config.schedule.steps} steps", flush=True)
                try:
                    run = study.do(recipe, seed, snapshots, _say)
                except FloatingPointError as error:
                    print(f"  left out: {error}", flush=True)
                    continue
                print(f"  {run.seconds:.0f} s of training", flush=True)
                write_json(self.output / "results.json", {"settings": settings, **study.to_plain()})

    def _show(self, study: Study, snapshots: int) -> None:
        if snapshots > 1:
            draw_curves(study, self.output / "curves.png")
        show_table(compute_table(study), ["MAE over that of linear interpolation: mean over kinds of sparse depth"])
        notes = [
            f"mean over frames, one of {self.every_frames}; ± standard deviation over seeds; "
            f"ground truth between {self.limits[0]:g} and {self.limits[1]:g} m",
        ]
        show_table(error_table(study), notes, self.output / "table.txt")
        print(f"wrote results.json, table.txt{' and curves.png' if snapshots > 1 else ''} to {self.output}")

    def _configs(self) -> dict[str, TrainingConfig]:
        """The recipes by name, on the data of this command."""
        from studies.recipe import read_changes, read_recipe

        if others := [str(path) for path in self.recipes if path.suffix != ".toml"]:
            raise KBNetError(f"expected recipes as .toml files, got {', '.join(others)}")
        given = {"sparse_depth": list(self.sparse_depth), "device": self.device, "sequences": [*map(str, self.train)]}
        changes = {**given, **read_changes(self.set)}
        files = {path.with_suffix("").resolve(): path for path in self.recipes}
        names = distinct_names(tuple(path.with_suffix("") for path in self.recipes))
        return {name: read_recipe(files[stem.resolve()], changes) for name, stem in names.items()}

    def _planned(self, configs: dict[str, TrainingConfig]) -> tuple[dict[str, TrainingConfig], dict[str, float]]:
        """The recipes with their number of steps, and where these were planned by time, the seconds of each."""
        from studies.equal_compute import known_seconds_per_step, with_steps

        if self.seconds is None:
            if endless := [name for name, one in configs.items() if (self.steps or one.schedule.steps) is None]:
                raise KBNetError(f"{', '.join(endless)} count epochs, not steps; give --steps or --seconds")
            return {name: with_steps(one, self.steps or one.schedule.steps or 0) for name, one in configs.items()}, {}
        print("measuring the time of a step", flush=True)
        planned = known_seconds_per_step(configs, self.output / "seconds_per_step.json")
        for name, one in planned.items():
            print(f"  {name}: {one:.3f} s")
        return {name: with_steps(one, round(self.seconds / planned[name])) for name, one in configs.items()}, planned

    def _judge(self) -> Judge:
        from studies.study import Judge

        from kbnet.evaluation.ground_truth import Part
        from kbnet.frames.open import open_frames

        parts = tuple(
            Part(open_frames(path, sparse_depth=sparse_depth), name, sparse_depth)
            for sparse_depth in dict.fromkeys(self.sparse_depth)
            for name, path in distinct_names(self.test).items()
        )
        return Judge(parts, self.limits, self.every_frames, self.device)


def error_table(study: Study) -> Table:
    """Recipe × kind of sparse depth × sequence: all four errors, and MAE over that of linear interpolation."""
    table = new_table(("sparse depth", "sequence", "method"), ("seeds", *ERROR_COLUMNS, "× linear"))
    last = None
    for one in study.standings():
        where = one.sparse_depth, one.sequence
        if last not in (None, where):
            table.add_section()
        last = where
        table.add_row(*where, one.method, str(one.seeds), *error_cells(one.mean, one.std), f"{one.ratio:.3f}")
    return table


def compute_table(study: Study) -> Table:
    """Recipe: what it cost, and how it stands on each sequence."""
    curves = study.curves()
    table = new_table(("recipe",), ("steps", "ms/step", "took s", *(f"{sequence} × linear" for sequence in curves)))
    for recipe, config in study.configs.items():
        runs = study.of(recipe)
        if not runs:
            continue
        seconds = sum(run.seconds for run in runs) / len(runs)
        steps = config.schedule.steps or 0
        planned = study.planned.get(recipe, seconds / steps)
        ratios = (f"{lines[recipe][-1][1]:.3f}" for lines in curves.values())
        table.add_row(recipe, str(steps), f"{1000 * planned:.0f}", f"{seconds:.0f}", *ratios)
    return table


def draw_curves(study: Study, path: Path) -> None:
    """Draw error against seconds of training, one panel a sequence, from afar and from near."""
    from studies.curves import AxesStyle, Line, Panel, write_curves

    panels = [
        Panel(sequence, [Line(recipe, points) for recipe, points in lines.items()])
        for sequence, lines in study.curves().items()
    ]
    style = AxesStyle(
        "training, seconds", "MAE over that of linear interpolation", y_scale="log", level=1.0, zoom=FROM_NEAR
    )
    write_curves(path, panels, style)


def _say(report: ProgressReport) -> None:
    text = report.message or f"loss {report.losses['total']:.4f}  {report.samples_per_second:.1f} samples/s"
    print(f"  step {report.step}/{report.steps}  {text}", flush=True)


if __name__ == "__main__":
    start(Command)
