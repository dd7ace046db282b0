"""Errors and times of many frames, summed up a method and a sequence at a time; and what it takes to repeat the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from kbnet.evaluation.metrics import DepthErrors, RunningStatistics
from kbnet.files import environment, versions, write_json

ALL_SEQUENCES = "all sequences"
"""Stands in the place of a sequence's name where its frames were counted together with those of the others."""


@dataclass(frozen=True)
class FrameResult:
    """Errors of one method on one frame.

    Attributes:
        seconds: time of the prediction; None for the frame that warmed the method up.
        boundary_f1: of `kbnet.evaluation.boundary`, 0 to 1; None where ground truth is not dense or has no edge, or not
            asked for.
    """

    method: str
    sparse_depth: str
    sequence: str
    frame: str
    errors: DepthErrors
    seconds: float | None
    boundary_f1: float | None = None


@dataclass(frozen=True)
class SummaryRow:
    """Errors of one method over the frames of one sequence, or of all (then ``sequence`` is ``all sequences``).

    Attributes:
        frames: how many frames the errors are over.
        mean, std: of the frames' errors; population standard deviation.
        milliseconds: mean time for a timed frame; None if there is none.
        timed_frames: how many frames were timed, which may leave out the first of every sequence.
        boundary_f1, boundary_f1_std: mean and population standard deviation of the frames' boundary F1, 0 to 1; None
            if no frame has one.
        boundary_frames: how many frames have a boundary F1: those with dense ground truth that has an edge.
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

    @property
    def total_seconds(self) -> float | None:
        """Time for all timed frames together."""
        return None if self.milliseconds is None else self.milliseconds * self.timed_frames / 1000.0

    @property
    def frames_per_second(self) -> float | None:
        """One over the mean time."""
        return 1000.0 / self.milliseconds if self.milliseconds else None


@dataclass(frozen=True)
class _Group:
    """Statistics over the frames of one row."""

    errors: RunningStatistics = field(default_factory=RunningStatistics)
    seconds: RunningStatistics = field(default_factory=RunningStatistics)
    boundary_f1: RunningStatistics = field(default_factory=RunningStatistics)


class Summary:
    """Collects frame results into means and spreads; its size does not depend on the number of frames."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], _Group] = {}

    def add(self, result: FrameResult) -> None:
        """Take in one frame."""
        for sequence in (result.sequence, ALL_SEQUENCES):
            key = (result.sparse_depth, sequence, result.method)
            group = self._groups.setdefault(key, _Group())
            group.errors.add(result.errors.as_array())
            if result.seconds is not None:
                group.seconds.add(result.seconds)
            if result.boundary_f1 is not None:
                group.boundary_f1.add(result.boundary_f1)

    def rows(self) -> list[SummaryRow]:
        """One row a method, sequence and sparse-depth folder, methods side by side; then all sequences together."""
        rows = []
        for sparse_depth in dict.fromkeys(sparse_depth for sparse_depth, _, _ in self._groups):
            keys = [key for key in self._groups if key[0] == sparse_depth]
            sequences = list(dict.fromkeys(sequence for _, sequence, _ in keys if sequence != ALL_SEQUENCES))
            if len(sequences) > 1:
                sequences.append(ALL_SEQUENCES)
            rows += [self._row(key) for sequence in sequences for key in keys if key[1] == sequence]
        return rows

    def overall(self, method: str) -> DepthErrors:
        """Mean errors of one method over every frame of every sequence and folder of sparse depth."""
        total = RunningStatistics()
        for (_, sequence, name), group in self._groups.items():
            if sequence == ALL_SEQUENCES and name == method:
                total.merge(group.errors)
        return DepthErrors.from_array(total.mean)

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
        )


def write_summary(path: Path, summary: Summary, settings: Mapping[str, object]) -> None:
    """Write the summary as JSON, with what it takes to repeat the run; the file appears whole or not at all.

    Args:
        path: the JSON to write.
        summary: from `kbnet.evaluation.ground_truth.evaluate`.
        settings: what was run, as from `kbnet.evaluation.ground_truth.run_settings`; plain values.
    """
    results = [
        {**asdict(row), "total_seconds": row.total_seconds, "frames_per_second": row.frames_per_second}
        for row in summary.rows()
    ]
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    write_json(path, {"settings": dict(settings), "finished": finished, **environment(), "results": results})


def read_same_run(path: Path, settings: Mapping[str, object]) -> list[SummaryRow]:
    """Rows that `write_summary` wrote for the same settings, with the same versions of what computes.

    Returns:
        The rows; none if there is no such file, or it is of another run or damaged, so that it is to be done again.

    Raises:
        OSError: the file is there, but cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != json.loads(json.dumps(settings)) or content["versions"] != versions():
            return []
        return [row_from(row) for row in content["results"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []


def row_from(plain: Mapping[str, Any]) -> SummaryRow:
    """The row of which ``plain`` holds the fields, as `dataclasses.asdict` gives them; boundary F1 may be missing."""
    names = {field.name for field in fields(SummaryRow)}
    values = {name: value for name, value in plain.items() if name in names}
    return SummaryRow(**values | {name: DepthErrors(**plain[name]) for name in ("mean", "std")})
