"""Summary of an evaluation: mean errors and times by method and sequence, and the settings of the run."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from kbnet.environment import environment, versions
from kbnet.evaluation.metrics import DepthErrors, RunningStatistics
from kbnet.files import atomic_path, parse_json, read_json, write_json

ALL_SEQUENCES = "all sequences"
"""Name of the row over the frames of all sequences."""


@dataclass(frozen=True)
class FrameResult:
    """Errors of one method on one frame.

    Attributes:
        seconds: time of the prediction; None for the warm-up frame.
        boundary_f1: result of `kbnet.evaluation.boundary`, 0 to 1; None if ground truth is not dense or has no edge,
            or if it was not requested.
        flicker_percent: result of `kbnet.evaluation.flicker`; None for the first frame and without poses.
    """

    method: str
    sparse_depth: str
    sequence: str
    frame: str
    errors: DepthErrors
    seconds: float | None
    boundary_f1: float | None = None
    flicker_percent: float | None = None

    def plain(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**vars(self), "errors": vars(self.errors)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FrameResult:
        return cls(**{**plain, "errors": DepthErrors(**plain["errors"])})


@dataclass(frozen=True)
class SummaryRow:
    """Errors of one method over the frames of one sequence, or of all (then ``sequence`` is ``all sequences``).

    Attributes:
        mean, std: mean and population standard deviation of the errors of the frames.
        milliseconds: mean time of a timed frame; None without a timed frame.
        timed_frames: number of timed frames; the first frame of a sequence can be excluded.
        boundary_f1, boundary_f1_std: mean and population standard deviation of the boundary F1, 0 to 1; None if no
            frame has one.
        boundary_frames: number of frames with a boundary F1, that is with dense ground truth and an edge.
        flicker_percent: mean over the frames that have a flicker; None if none has.
    """

    method: str
    sparse_depth: str
    sequence: str
    frames: int
    mean: DepthErrors
    std: DepthErrors
    milliseconds: float | None
    timed_frames: int
    boundary_f1: float | None = None
    boundary_f1_std: float | None = None
    boundary_frames: int = 0
    flicker_percent: float | None = None

    @property
    def total_seconds(self) -> float | None:
        """Total time of all timed frames, seconds."""
        return None if self.milliseconds is None else self.milliseconds * self.timed_frames / 1000.0

    @property
    def frames_per_second(self) -> float | None:
        """Frames per second: 1 / mean time."""
        return 1000.0 / self.milliseconds if self.milliseconds else None


@dataclass(frozen=True)
class _Group:
    """Statistics of one row."""

    errors: RunningStatistics = field(default_factory=RunningStatistics)
    seconds: RunningStatistics = field(default_factory=RunningStatistics)
    boundary_f1: RunningStatistics = field(default_factory=RunningStatistics)
    flicker_percent: RunningStatistics = field(default_factory=RunningStatistics)


class Summary:
    """Accumulation of frame results into means and deviations; its size does not depend on the number of frames."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], _Group] = {}

    def add(self, result: FrameResult) -> None:
        for sequence in (result.sequence, ALL_SEQUENCES):
            key = (result.sparse_depth, sequence, result.method)
            group = self._groups.setdefault(key, _Group())
            group.errors.add(result.errors.as_array())
            if result.seconds is not None:
                group.seconds.add(result.seconds)
            if result.boundary_f1 is not None:
                group.boundary_f1.add(result.boundary_f1)
            if result.flicker_percent is not None:
                group.flicker_percent.add(result.flicker_percent)

    def rows(self) -> list[SummaryRow]:
        """One row for each method, sequence and kind of sparse depth; then rows over all sequences."""
        rows = []
        for sparse_depth in dict.fromkeys(sparse_depth for sparse_depth, _, _ in self._groups):
            keys = [key for key in self._groups if key[0] == sparse_depth]
            sequences = list(dict.fromkeys(sequence for _, sequence, _ in keys if sequence != ALL_SEQUENCES))
            if len(sequences) > 1:
                sequences.append(ALL_SEQUENCES)
            rows += [self._row(key) for sequence in sequences for key in keys if key[1] == sequence]
        return rows

    def overall(self, method: str) -> DepthErrors:
        """Mean errors of one evaluated method over all frames of all sequences and kinds of sparse depth."""
        kinds = [self._groups[key].errors for key in self._groups if key[1:] == (ALL_SEQUENCES, method)]
        total = sum(kind.count * kind.mean for kind in kinds)
        return DepthErrors.from_array(total / sum(kind.count for kind in kinds))

    def _row(self, key: tuple[str, str, str]) -> SummaryRow:
        group = self._groups[key]
        errors, seconds, edges = group.errors, group.seconds, group.boundary_f1
        return SummaryRow(
            method=key[2],
            sparse_depth=key[0],
            sequence=key[1],
            frames=errors.count,
            mean=DepthErrors.from_array(errors.mean),
            std=DepthErrors.from_array(errors.std),
            milliseconds=1000.0 * float(seconds.mean) if seconds.count else None,
            timed_frames=seconds.count,
            boundary_f1=float(edges.mean) if edges.count else None,
            boundary_f1_std=float(edges.std) if edges.count else None,
            boundary_frames=edges.count,
            flicker_percent=float(group.flicker_percent.mean) if group.flicker_percent.count else None,
        )


@contextmanager
def frame_table(path: Path | None, *, boundaries: bool) -> Iterator[Callable[[FrameResult], object]]:
    """Function that appends the row of one frame and method to a CSV file; without a path it does nothing."""
    if path is None:
        yield lambda result: None
        return
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        errors = [field.name for field in fields(DepthErrors)] + ["boundary_f1", "flicker_percent"] * boundaries
        writer.writerow(["method", "sparse_depth", "sequence", "frame", *errors, "seconds"])
        yield lambda result: writer.writerow(
            [*map(no_formula, (result.method, result.sparse_depth, result.sequence, result.frame))]
            + [f"{value:.6g}" for value in result.errors.as_array()]
            + [_cell(result.boundary_f1), _cell(result.flicker_percent)] * boundaries
            + ["" if result.seconds is None else f"{result.seconds:.6f}"]
        )


def no_formula(name: str) -> str:
    """A name for a cell of a table: with an apostrophe where spreadsheets would compute it."""
    return f"'{name}" if re.match(r"[=@]|[+-](?![\d.]*$)", name) else name


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def write_summary(path: Path, summary: Summary, settings: Mapping[str, object]) -> None:
    """Write summary and settings as JSON; the file appears complete or not at all.

    Args:
        settings: plain values, as from `kbnet.evaluation.ground_truth.run_settings`.
    """
    results = [
        {**asdict(row), "total_seconds": row.total_seconds, "frames_per_second": row.frames_per_second}
        for row in summary.rows()
    ]
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    write_json(path, {"settings": dict(settings), "finished": finished, **environment(), "results": results})


def read_same_run(path: Path, settings: Mapping[str, object]) -> list[SummaryRow]:
    """Read the rows of an earlier evaluation with equal settings and equal versions of the computing packages.

    Returns:
        The rows; empty if the file is missing, damaged or of other settings, so the evaluation has to be repeated.
    """
    try:
        content = read_json(path)
        if content["settings"] != parse_json(json.dumps(settings)) or content["versions"] != versions():
            return []
        return [row_from(row) for row in content["results"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []


def row_from(plain: Mapping[str, Any]) -> SummaryRow:
    """Row from the plain values of `dataclasses.asdict`; boundary F1 can be missing."""
    names = {field.name for field in fields(SummaryRow)}
    values = {name: value for name, value in plain.items() if name in names}
    return SummaryRow(**values | {name: DepthErrors(**plain[name]) for name in ("mean", "std")})
