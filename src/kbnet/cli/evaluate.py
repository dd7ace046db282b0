"""``kbnet evaluate``: errors and speed on frames with ground truth, beside interpolation, as table, JSON and CSV."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kbnet.cli.arguments import (
    EngineArguments,
    OptionalFolder,
    OptionalPreset,
    PastAndPriorArguments,
    SeveralWeights,
    Sources,
    SparseDepths,
    Switch,
)
from kbnet.cli.error_table import (
    BOUNDARY_COLUMN,
    BOUNDARY_NOTE,
    ERROR_COLUMNS,
    FLICKER_COLUMN,
    FLICKER_NOTE,
    boundary_cell,
    error_cells,
    new_table,
    show_table,
)
from kbnet.cli.known_errors import say
from kbnet.cli.recordings import RecordingFlags
from kbnet.errors import KBNetError
from kbnet.files import resolved

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.evaluation.ground_truth import Part
    from kbnet.evaluation.methods import Method
    from kbnet.evaluation.summary import Summary
    from kbnet.inference.completer import DepthCompleter


@dataclass(frozen=True, kw_only=True)
class Command(EngineArguments, PastAndPriorArguments):
    """Measure completed depth on frames with ground truth: errors, their spread over frames, and time."""

    sources: Sources
    """Sequence folders (K.txt, image/, sparse depth and ground_truth/), .csv lists of frames, and recordings in place
    whose depth is dense, with the flags of kbnet prepare."""
    recording_flags: RecordingFlags = ()
    weights: SeveralWeights = ("indoor",)
    """Bundled or local weights by name (kbnet weights list), .safetensors files, published .pth (with --preset), or
    exported .onnx or .xml (kbnet export). Several are measured side by side."""
    sparse_depth: SparseDepths = ("sparse_depth",)
    """Folders of sparse depth in each sequence, or columns of lists, such as sparse_depth_500; each is evaluated."""
    baselines: Switch = False
    """Evaluate interpolation of the sparse points too: nearest, linear, and scaffold (linear after outlier rejection
    and extrapolation)."""
    preset: OptionalPreset = None
    """Ground truth to judge: 0.2 to 5 m (void, the default) or 0 to 100 m (kitti). Architecture of a published .pth."""
    every: int = 1
    """Evaluate every Nth frame."""
    output: OptionalFolder = None
    """Folder for summary.json, frames.csv and table.txt. With it, a stopped run goes on when it is given again."""

    def run(self) -> None:
        from kbnet.lock import one_writer

        with one_writer(self.output):
            self._evaluate()

    def _evaluate(self) -> None:
        from kbnet.cli.progress import frame_steps
        from kbnet.evaluation.ground_truth import EVALUATION_LIMITS, TIMING, evaluate, run_settings
        from kbnet.evaluation.journal import check_no_list, journal
        from kbnet.evaluation.summary import write_summary

        check_no_list(self.output, "method,sparse_depth,")
        parts = self._parts()
        networks = self._networks()
        limits = EVALUATION_LIMITS[self.preset or "void"]
        settings = run_settings(parts, networks, limits=limits, every=self.every)
        if self.recording_flags:
            settings["options"] = list(self.recording_flags)
        settings |= self.past_and_prior_settings()
        methods = self._methods(networks)
        made_with = {**settings, "methods": [method.name for method in methods]}
        frames = sum(len(part.frames(self.every)) for part in parts)
        with (
            journal(None if self.use_past else self.output, made_with) as done,
            frame_steps("evaluating", frames) as on_frame,
        ):
            if done.earlier:
                say(f"going on after {done.earlier} frames that a stopped run evaluated")
            summary = evaluate(
                parts,
                methods,
                limits=limits,
                every=self.every,
                boundaries=True,
                table=self.output / "frames.csv" if self.output else None,
                journal=done,
                on_frame=on_frame,
            )
        if self.output:
            write_summary(self.output / "summary.json", summary, settings)
        notes = [
            *_networks_in_words(networks),
            f"mean, ± standard deviation over frames; ground truth between {limits[0]:g} and {limits[1]:g} m",
            f"time: {TIMING}",
        ]
        if _has_boundaries(summary):
            notes.insert(-1, BOUNDARY_NOTE)
        if _has_flicker(summary):
            notes.insert(-1, FLICKER_NOTE)
        show_table(_table(summary), notes, self.output / "table.txt" if self.output else None)
        if self.output:
            say(f"wrote summary.json, frames.csv and table.txt to {self.output}")

    def _parts(self) -> list[Part]:
        from kbnet.cli.recordings import open_source
        from kbnet.evaluation.ground_truth import Part

        if not self.sources:
            raise KBNetError("expected at least one sequence folder or list, got none; see kbnet evaluate --help")
        if self.every < 1:
            raise KBNetError(f"expected --every of at least 1 frame, got {self.every}; 1 evaluates every frame")
        opened = [
            (open_source(path, self.recording_flags, sparse_depth if sparse_depth != "sparse_depth" else None), name)
            for sparse_depth in dict.fromkeys(self.sparse_depth)
            for name, path in distinct_names(self.sources).items()
        ]
        several = len(self.sources) > 1
        return [Part(self.extended(source, several=several), name, source.points_from) for source, name in opened]

    def _networks(self) -> dict[str, tuple[str, DepthCompleter]]:
        """Weights and completers by the method's name: ``kbnet``, or where there are several, that of the weights."""
        from kbnet.evaluation.ground_truth import FAR_M

        named = distinct_names(tuple(map(Path, self.weights)))
        if not named:
            raise KBNetError("expected a name or a file after --weights, got none")
        networks = {}
        for name, path in named.items():
            weights = str(path)
            preset = self.preset if path.suffix == ".pth" else None
            completer = self.load(weights, preset=preset)
            networks[name if len(named) > 1 else "kbnet"] = weights, completer
            if self.preset is None and completer.config.max_depth > FAR_M:
                what = f"{name} is made for depth to {completer.config.max_depth:g} m but judged to 5 m"
                warnings.warn(f"{what}; --preset kitti judges to 100 m", stacklevel=2)
        return networks

    def _methods(self, networks: dict[str, tuple[str, DepthCompleter]]) -> list[Method]:
        from kbnet.evaluation.methods import Method, baseline_methods, past_method, without_prior

        prior, completers = self.prior is not None, {name: completer for name, (_, completer) in networks.items()}
        methods = [without_prior(Method(name, completer)) for name, completer in completers.items()]
        if prior:
            methods += [Method(f"{name} with prior", completer) for name, completer in completers.items()]
        if self.use_past:
            methods += [past_method(completer, name, prior=prior) for name, completer in completers.items()]
        return methods + (baseline_methods(scaffold=True) if self.baselines else [])


def _networks_in_words(networks: dict[str, tuple[str, DepthCompleter]]) -> list[str]:
    """A line for each network: what it was made of, and what computed it."""
    return [
        f"{name}: weights {weights}, {completer.engine} {completer.precision} on {completer.device}"
        for name, (weights, completer) in networks.items()
    ]


def distinct_names(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Name each path by its last part, or by as many of its last parts as it takes to tell it from all others.

    A list of frames is named by the folder it lies in too, which says of which data set it is, without its suffix.

    Returns:
        The paths as given, without repetitions, by name.

    Example:
        >>> list(distinct_names((Path("/train/room"), Path("/test/room"), Path("/hall"), Path("/void/test.csv"))))
        ['train/room', 'test/room', 'hall', 'void/test']
    """
    given: dict[Path, Path] = {}
    for path in paths:
        given.setdefault(resolved(path), path)
    plain = {path: path.with_suffix("") if path.suffix.lower() == ".csv" else path for path in given}
    named = {}
    for path, parts in ((path, plain[path].parts) for path in given):
        for count in range(2 if path.suffix.lower() == ".csv" else 1, len(parts) + 1):
            if [other.parts[-count:] for other in plain.values()].count(parts[-count:]) == 1:
                named["/".join(parts[-count:])] = given[path]
                break
        else:
            named[str(path)] = given[path]
    return named


def _has_boundaries(summary: Summary) -> bool:
    """Whether a frame of any row has a boundary F1, which takes dense ground truth."""
    return any(row.boundary_frames for row in summary.rows())


def _has_flicker(summary: Summary) -> bool:
    """Whether a row has a flicker, which takes poses."""
    return any(row.flicker_percent is not None for row in summary.rows())


def _table(summary: Summary) -> Table:
    """One row a method, sequence and sparse depth; boundary F1 and flicker are columns only where there are any."""
    boundaries, flicker = _has_boundaries(summary), _has_flicker(summary)
    columns = (*ERROR_COLUMNS, *[BOUNDARY_COLUMN] * boundaries, *[FLICKER_COLUMN] * flicker)
    table = new_table(("sparse depth", "sequence", "method"), ("frames", *columns, "total s", "ms/frame"))
    last = None
    for row in summary.rows():
        group = (row.sparse_depth, row.sequence)
        if last not in (None, group):
            table.add_section()
        last = group
        times = ((row.total_seconds, 2), (row.milliseconds, 1))
        table.add_row(
            *group,
            row.method,
            str(row.frames),
            *error_cells(row.mean, row.std),
            *[boundary_cell(row.boundary_f1, row.boundary_f1_std)] * boundaries,
            *["-" if row.flicker_percent is None else f"{row.flicker_percent:.2f}"] * flicker,
            *("-" if value is None else f"{value:.{digits}f}" for value, digits in times),
        )
    return table
