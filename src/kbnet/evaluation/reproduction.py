"""Reproduction of the published table, row by row (published system, section 7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from kbnet.evaluation.ground_truth import Part, evaluate, run_settings
from kbnet.evaluation.methods import network_method
from kbnet.evaluation.metrics import DepthErrors
from kbnet.evaluation.published_table import PublishedRow
from kbnet.evaluation.summary import SummaryRow, read_same_run, write_summary
from kbnet.frames.open import open_prepared
from kbnet.inference.completer import load


@dataclass(frozen=True)
class ReproducedRow:
    """Published row and its reproduction.

    Attributes:
        measured: errors and time over the frames that were evaluated.
        tolerance: relative difference allowed to each published error.
        every: stride of the evaluated frames.
    """

    published: PublishedRow
    measured: SummaryRow
    tolerance: float
    every: int

    @property
    def difference(self) -> dict[str, float]:
        """Relative difference (measured - published) / published of each published error, by its name."""
        pairs = zip(self.measured.mean.as_array(), self.published.mean.as_array(), strict=True)
        names = (field.name for field in fields(DepthErrors))
        shares = {
            name: float(measured / published - 1) for name, (measured, published) in zip(names, pairs, strict=True)
        }
        return {name: share for name, share in shares.items() if not math.isnan(share)}

    @property
    def within(self) -> bool | None:
        """Whether all errors are within the tolerance, in both directions; None for a stride above 1."""
        if self.every > 1:
            return None
        return all(abs(difference) <= self.tolerance for difference in self.difference.values())

    @property
    def verdict(self) -> str:
        """Verdict sentence of ``within``."""
        if self.within is None:
            return f"quick look, stride {self.every}"
        verdict = f"{'within' if self.within else 'NOT within'} {100 * self.tolerance:g} %"
        frames, count = self.measured.frames, self.published.count
        return verdict if frames == count else f"{verdict} ({frames} of {count} frames)"


def measure(
    row: PublishedRow,
    data: Path,
    folder: Path,
    *,
    every: int = 1,
    device: str = "auto",
    overwrite: bool = False,
    on_frame: Callable[[int], None] | None = None,
) -> SummaryRow:
    """Evaluate a row with ground truth, or read the result of an equal earlier evaluation.

    Evaluations are equal if weights, list, limits, stride, device and the versions of kbnet and of the computing
    packages are. The files named in the list are not compared.

    Args:
        row: row with nothing ``missing``.
        folder: folder of summary.json and frames.csv.
        on_frame: called after each frame with the total number of frames.

    Raises:
        FileNotFoundError: weights or a file of the data are missing.
        KBNetError: a file is invalid.
    """
    assert row.limits is not None
    part = Part(open_prepared(data / row.frames), row.key, "sparse_depth")
    completer = load(row.weights, device=device)
    networks = {"kbnet": (row.weights, completer)}
    settings = run_settings([part], networks, limits=row.limits, every=every)
    if not overwrite and (done := read_same_run(folder / "summary.json", settings)):
        return done[0]
    total = len(part.frames(every))
    summary = evaluate(
        [part],
        [network_method(completer)],
        limits=row.limits,
        every=every,
        table=folder / "frames.csv",
        on_frame=None if on_frame is None else lambda: on_frame(total),
    )
    write_summary(folder / "summary.json", summary, settings)
    return summary.rows()[0]
