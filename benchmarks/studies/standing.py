"""Errors of recipes over several seeds, compared with interpolation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kbnet.evaluation.metrics import DepthErrors, RunningStatistics
from kbnet.evaluation.summary import SummaryRow

YARDSTICK = "linear"
"""Reference method of the ratios."""


@dataclass(frozen=True)
class Standing:
    """Errors of one recipe, or of interpolation, on one sequence with one kind of sparse depth.

    Attributes:
        method: recipe or interpolation.
        seeds: number of runs.
        mean: mean of the runs' errors, each the mean over frames.
        std: standard deviation of the runs' errors; None for one run.
        ratio: mean MAE of the runs divided by that of linear interpolation.
    """

    method: str
    sparse_depth: str
    sequence: str
    seeds: int
    mean: DepthErrors
    std: DepthErrors | None
    ratio: float


def standings(baselines: Sequence[SummaryRow], runs: Mapping[str, Sequence[Sequence[SummaryRow]]]) -> list[Standing]:
    """One row for each kind of sparse depth, sequence and method, in this order.

    Args:
        baselines: rows of ``nearest`` and ``linear``.
        runs: rows of the runs by recipe, one set per seed.
    """
    yardstick = {place(row): row.mean.mae_mm for row in baselines if row.method == YARDSTICK}
    sets = {method: [[row for row in baselines if row.method == method]] for method in ("nearest", YARDSTICK)}
    found = []
    for where, unit in yardstick.items():
        for method, of_seeds in {**sets, **runs}.items():
            rows = [row for seed in of_seeds for row in seed if place(row) == where]
            if rows:
                errors = RunningStatistics(row.mean.as_array() for row in rows)
                mean = DepthErrors.from_array(errors.mean)
                std = DepthErrors.from_array(errors.std) if len(rows) > 1 else None
                found.append(Standing(method, *where, len(rows), mean, std, mean.mae_mm / unit))
    return found


def mean_ratios(rows: Iterable[SummaryRow], baselines: Sequence[SummaryRow]) -> dict[str, float]:
    """Ratio of MAE to that of linear interpolation by sequence, mean over the kinds of sparse depth."""
    yardstick = {place(row): row.mean.mae_mm for row in baselines if row.method == YARDSTICK}
    ratios: dict[str, RunningStatistics] = {}
    for row in rows:
        if place(row) in yardstick:
            ratios.setdefault(row.sequence, RunningStatistics()).add(row.mean.mae_mm / yardstick[place(row)])
    return {sequence: float(ratio.mean) for sequence, ratio in ratios.items()}


def place(row: SummaryRow) -> tuple[str, str]:
    """Kind of sparse depth and sequence of a row."""
    return row.sparse_depth, row.sequence
