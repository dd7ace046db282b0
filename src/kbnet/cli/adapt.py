"""``kbnet adapt``: a few minutes of training on the user's own video, kept only if they help."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import Source, SparseDepths, Weights
from kbnet.cli.known_errors import say
from kbnet.cli.recordings import RecordingFlags

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.evaluation.before_after import BeforeAfter
    from kbnet.training.adaptation_plan import Adaptation, Plan


@dataclass(frozen=True, kw_only=True)
class Command:
    """Adapt weights to one video without labels, and keep the result only if it is better on points that were held out.

    Example:  kbnet adapt SEQUENCE --output adapted.safetensors

    Some input points are removed; the loss is the error at those points and, with poses, at points of neighbouring
    frames. A fifth of the points, in patches, is held out of training. The weights are compared at these points before
    and after. If the error there does not fall by more than twice its standard error, nothing is written and the exit
    code is 1. Ctrl-C saves the state; the same command continues. Ground truth is not read.
    """

    source: Source
    """Sequence folder (K.txt, image/, sparse depth, and absolute_pose/ if known), .csv list of frames, or recording
    with the flags of its kbnet prepare command, which is written to the run folder first."""
    recording_flags: RecordingFlags = ()
    weights: Weights = "indoor"
    """Weights to start from: bundled or local by name (kbnet weights list), or a .safetensors file."""
    sparse_depth: SparseDepths = ("sparse_depth",)
    """Folder of sparse depth in the sequence, or column of the list; of several, each is trained on and judged."""
    minutes: float = 5.0
    """Time to train; the number of steps follows from the measured speed."""
    gap: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Frames to the neighbours whose points are put together (default: as far as the camera moves a tenth of the median
    depth)."""
    output: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("adapted.safetensors")
    """The weights to write; the run folder, with the state to go on from, lies beside it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""

    def run(self) -> None:
        """Hold out, train, judge, keep or not.

        Raises:
            SystemExit: with code 1, if the result is not better.
        """
        from kbnet.cli.recordings import recording_options
        from kbnet.training.adaptation_plan import Adaptation

        options = {name: value for name, value in vars(self).items() if name != "recording_flags"}
        asked = Adaptation(**options, recording=recording_options([self.source], self.recording_flags))
        with asked.alone():
            self._adapt(asked)

    def _adapt(self, asked: Adaptation) -> None:
        from kbnet.cli.progress import frame_steps, training_progress
        from kbnet.training.adaptation import judge, keep, run_training
        from kbnet.training.adaptation_plan import plan

        planned = plan(asked)
        _say(asked, planned)
        with training_progress() as show:
            adapted = run_training(asked, planned, show)
        with frame_steps("judging", planned.held_out.frames * len(planned.held_out.judged)) as on_frame:
            judgement = judge(asked, planned, adapted, on_frame=on_frame)
        _show(judgement)
        if not judgement.better:
            say(f"not kept  nothing is written to {self.output}: this change may be chance, or for the worse")
            raise SystemExit(1)
        keep(asked, planned, judgement)
        say(f"kept      {self.output}")


def _say(asked: Adaptation, plan: Plan) -> None:
    from kbnet.report.fusion.accumulation import REACH
    from kbnet.training.adaptation_plan import FEW_STEPS

    gap, judged = plan.gap, plan.held_out.frames
    labels = "points removed from the input of each frame"
    if gap is not None and gap.baseline is not None:
        frames = f"{gap.frames} frame{'s' if gap.frames > 1 else ''}"
        labels += f", and of {2 * REACH} around it, {frames} or {100 * gap.baseline:.0f} % of the median depth apart"
    say(f"start     {asked.weights}")
    say(f"labels    {labels}")
    say(f"held out  a fifth of the points of {judged} frames")
    say(f"speed     {plan.seconds_per_step:.2f} s a step: {plan.steps} steps in {asked.minutes:g} minutes")
    if plan.steps < FEW_STEPS:
        enough = math.ceil(FEW_STEPS * plan.seconds_per_step / 60)
        warnings.warn(
            f"{plan.steps} steps are few: fewer than {FEW_STEPS} can raise the error; give at least --minutes {enough}",
            stacklevel=2,
        )


def _show(judgement: BeforeAfter) -> None:
    from kbnet.cli.error_table import new_table, show_table
    from kbnet.evaluation.before_after import STANDARD_ERRORS

    table: Table = new_table(("sparse depth", "at held-out points"), ("MAE mm", "RMSE mm", "robust %", "median %"))
    last = None
    for (kind, method), errors in judgement.errors.items():
        if last not in (None, kind):
            table.add_section()
        last = kind
        numbers = (errors.mae_mm, errors.rmse_mm, errors.robust_percent, errors.median_percent)
        digits = (1, 1, 2, 2)
        table.add_row(kind, method, *(f"{number:.{places}f}" for number, places in zip(numbers, digits, strict=True)))
    change, error = 100 * judgement.change, 100 * judgement.standard_error
    notes = [
        f"mean over {judgement.frames} frames; % of the measured depth; robust: outliers have little influence",
        f"change    {change:+.1f} % ± {error:.1f} of the robust mean (standard error over frames; a gain is one beyond "
        f"{-STANDARD_ERRORS * error:.1f} %), {100 * judgement.mae_change:+.1f} % of the MAE",
    ]
    show_table(table, notes)
