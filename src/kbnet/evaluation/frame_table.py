"""Table of an evaluation, one row for each frame and method, as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from kbnet.evaluation.metrics import DepthErrors
from kbnet.evaluation.summary import FrameResult
from kbnet.files import atomic_path


@contextmanager
def frame_table(path: Path | None, *, boundaries: bool) -> Iterator[Callable[[FrameResult], object]]:
    """Function that appends one row to the CSV file; without a path it does nothing."""
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
            [result.method, result.sparse_depth, result.sequence, result.frame]
            + [f"{value:.6g}" for value in result.errors.as_array()]
            + [_cell(result.boundary_f1), _cell(result.flicker_percent)] * boundaries
            + ["" if result.seconds is None else f"{result.seconds:.6f}"]
        )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
