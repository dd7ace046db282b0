"""``python benchmarks/robustness.py``: error against points, noise, focal length, sizes, scale, blur, attacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import tyro
from command import check_at_least, check_limits, start

from kbnet.cli.arguments import Device, SeveralWeights
from kbnet.cli.error_table import new_table, show_table
from kbnet.cli.evaluate import distinct_names
from kbnet.errors import KBNetError
from kbnet.evaluation.summary import ALL_SEQUENCES

if TYPE_CHECKING:
    from rich.table import Table
    from studies.degradation import Curve

    from kbnet.evaluation.summary import Summary
    from kbnet.frames.frame_source import FrameSource
    from kbnet.inference.completer import DepthCompleter

ConditionName = Literal[
    "points", "range_noise", "outliers", "focal_length", "frame_size", "scene_scale", "blur", "darkness"
]
CONDITIONS: tuple[ConditionName, ...] = get_args(ConditionName)
AttackedName = Literal["spoofed_near", "spoofed_far", "spoofed_line", "fgsm", "pgd", "pgd_nearer"]
BASELINES = ("nearest", "linear")

Sequences = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="SEQUENCE|LIST.csv ...", help_behavior_hint="(required)")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Judge weights, nearest and linear interpolation while one condition after another grows worse.

    Sparse points are drawn anew from ground truth: corners of the image as it was, whatever is then done to it. A frame
    gets the same points at every level of blur and darkness, and of several weights.

    For another focal length the frame is rescaled and cropped to at most its size, K with it, and the points, as many
    as ever, move as points. Weights trained with either intrinsics scaling stand side by side if both are named. For
    another frame size nothing is cropped. For another scale of the scene all depth is scaled, and the errors are scaled
    back.
    """

    sequences: Sequences
    """Sequence folders, or lists of frames, with ground truth."""
    weights: SeveralWeights = ("indoor",)
    """Bundled or local weights by name, or .safetensors files."""
    frames: int = 10
    """Frames of each sequence, at even distances."""
    curves: tuple[ConditionName | AttackedName, ...] = CONDITIONS
    """What grows worse. fgsm, pgd and pgd_nearer change the image with the gradients of the weights, by 1 to 8 of 255
    levels; spoofed_near, spoofed_far and spoofed_line add 10 to 100 false points that agree with each other."""
    points: int = 300
    """Sparse points where their number is not what changes."""
    range_noise: float = 0.01
    """Likewise: relative standard deviation of their depth."""
    outlier_share: float = 0.03
    """Likewise: fraction of them with a wrong depth."""
    limits: tuple[float, float] = (0.2, 5.0)
    """Judge where ground truth lies between these, metres."""
    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""
    output: Path = Path("runs/robustness")
    """Folder of robustness.json, table.txt and robustness.png, the mean over the sequences."""

    def run(self) -> None:
        """Judge curve after curve, writing after each; print the table; draw."""
        from studies.condition_curves import judge_curve
        from studies.degradation import CURVES, Condition

        from kbnet.cli.progress import frame_progress
        from kbnet.evaluation.methods import Method, baseline_methods
        from kbnet.evaluation.summary import Summary, write_summary
        from kbnet.weights.depth_network import load_network

        if not self.sequences or not self.weights:
            raise KBNetError("expected --sequences to judge by, and --weights; see --help")
        check_at_least(self, frames=1, points=1, range_noise=0, outlier_share=0)
        check_limits(self.limits)
        if self.outlier_share > 1:
            raise KBNetError(f"expected --outlier-share of at most 1, got {self.outlier_share:g}")
        sources, networks = self._sources(), self._networks()
        methods = [Method(name, completer) for name, (_, completer) in networks.items()] + baseline_methods()
        attacked = {name: load_network(path).requires_grad_(False) for name, (path, _) in networks.items()}
        standard = Condition(self.points, self.range_noise, self.outlier_share)
        curves = [curve for curve in CURVES if curve.name in self.curves]
        summary = Summary()
        with frame_progress() as progress:
            task = progress.add_task("judging", total=len(curves) * len(sources) * self.frames)
            for curve in curves:
                judge_curve(
                    curve,
                    sources,
                    methods,
                    summary,
                    standard=standard,
                    frames=self.frames,
                    limits=self.limits,
                    networks=attacked,
                    on_frame=lambda: progress.advance(task),
                )
                write_summary(self.output / "robustness.json", summary, self._settings(networks))
        notes = [
            f"MAE in mm over {self.frames} frames of each sequence; × linear: MAE over that of linear interpolation",
            f"where not said otherwise: {self.points} points, {100 * self.range_noise:g} % range noise, "
            f"{100 * self.outlier_share:g} % false ranges",
        ]
        show_table(error_table(curves, summary), notes, self.output / "table.txt")
        draw_curves(curves, summary, self.output / "robustness.png")
        print(f"wrote robustness.json, table.txt and robustness.png to {self.output}")

    def _sources(self) -> dict[str, FrameSource]:
        from kbnet.frames.open import open_frames

        named = distinct_names(self.sequences).items()
        return {name: open_frames(path, sparse_depth=any_points(path)) for name, path in named}

    def _networks(self) -> dict[str, tuple[Path, DepthCompleter]]:
        """Files and completers by the name of the weights."""
        import kbnet
        from kbnet.weights.names import find_weights

        names = distinct_names(tuple(map(Path, self.weights)))
        return {
            name: (find_weights(weights), kbnet.load(str(weights), device=self.device))
            for name, weights in names.items()
        }

    def _settings(self, networks: dict[str, tuple[Path, DepthCompleter]]) -> dict[str, object]:
        from kbnet.evaluation.ground_truth import run_settings

        weights = run_settings([], networks, limits=self.limits, every=1)["weights"]
        return {**{name: str(value) for name, value in vars(self).items()}, "weights": weights}


def any_points(path: Path) -> str:
    """Some kind of sparse depth of a sequence, since it is opened by one; its points are not used."""
    kinds = sorted(folder.name for folder in path.glob("sparse_depth*") if folder.is_dir())
    return kinds[0] if kinds else "sparse_depth"


def error_table(curves: list[Curve], summary: Summary) -> Table:
    """Curve × level × sequence: MAE of every method, and of networks over that of linear interpolation."""
    mae = {(row.sparse_depth, row.sequence, row.method): row.mean.mae_mm for row in summary.rows()}
    sequences, methods = (list(dict.fromkeys(key[part] for key in mae)) for part in (1, 2))
    networks = [method for method in methods if method not in BASELINES]
    table = new_table(("condition", "sequence"), (*methods, *(f"{network} × linear" for network in networks)))
    for curve in curves:
        for place in map(curve.place, curve.axis):
            for sequence in sequences:
                if (place, sequence, "linear") in mae and sequence != ALL_SEQUENCES:
                    found = [f"{mae[place, sequence, method]:.1f}" for method in methods]
                    yardstick = mae[place, sequence, "linear"]
                    ratios = [f"{mae[place, sequence, network] / yardstick:.3f}" for network in networks]
                    table.add_row(place, sequence, *found, *ratios)
        table.add_section()
    return table


def draw_curves(curves: list[Curve], summary: Summary, path: Path) -> None:
    """Draw the mean MAE over all sequences against each condition."""
    from studies.curves import AxesStyle, Line, Panel, write_curves

    rows = summary.rows()
    sequences = {row.sequence for row in rows}
    judged = ALL_SEQUENCES if ALL_SEQUENCES in sequences else next(iter(sequences), "")
    mae = {(row.sparse_depth, row.method): row.mean.mae_mm for row in rows if row.sequence == judged}
    methods = dict.fromkeys(method for _, method in mae)
    style = AxesStyle("", "MAE, mm")
    panels = []
    for curve in curves:
        lines = [
            Line(method, [(x, mae[curve.place(x), method]) for x in curve.axis if (curve.place(x), method) in mae])
            for method in methods
        ]
        shown = [replace(line, is_yardstick=line.name in BASELINES) for line in lines if line.points]
        panels.append(Panel("", shown, replace(style, x_label=curve.label, x_scale=curve.scale, x_ticks=curve.axis)))
    write_curves(path, panels, style, columns=min(4, len(panels)))


if __name__ == "__main__":
    start(Command)
