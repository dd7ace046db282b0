"""``kbnet reproduce``: the published table, measured again where weights and data are there."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.arguments import Device, Folder, Switch
from kbnet.cli.error_table import ERROR_COLUMNS, error_cells, new_table, show_table

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.reproduction import Comparison, PublishedRow

TIMES = (
    "time: published of the network's forward call alone, on a GTX 1080 Ti; "
    "measured here from arrays in memory to depth in memory"
)

Rows = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ROW ...]", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Evaluate as published and print published against measured numbers, row by row.

    Rows: kitti-validation, kitti-test, void-1500, void-500, void-150, nyu-v2 (default: all). A row whose weights or
    data are not there is named with the command that gets them. A row that was evaluated with the same weights, list
    and settings is not evaluated again. KITTI test has no ground truth: its depth is written and zipped for the online
    benchmark.

    Exit code: 0 if every row that was evaluated is within the tolerance, 1 if one is not, 2 on an error.
    """

    rows: Rows = ()
    """Rows to measure."""
    data: Folder = Path("data")
    """Folder in which kitti/, void/ and nyu_v2/ were prepared."""
    output: Folder = Path("reproduction")
    """Folder for reproduction.json, table.txt and, a folder a row, summary.json and frames.csv."""
    tolerance: float = 0.01
    """Relative difference allowed to each error, better or worse; 0.01 is 1 %."""
    every: int = 1
    """A quick look: evaluate every Nth frame, without a verdict, and leave KITTI test out."""
    overwrite: Switch = False
    """Evaluate rows again that were evaluated with the same settings."""
    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""

    def run(self) -> None:
        """Measure what can be measured, then print the table.

        Raises:
            SystemExit: with code 1, if a row is not within the tolerance.
        """
        from kbnet.reproduction import Comparison, published_rows
        from kbnet.summary import write_json

        rows = published_rows(self.rows)
        if self.every < 1:
            raise ValueError(f"expected --every of at least 1 frame, got {self.every}; 1 evaluates every frame")
        if not self.tolerance > 0:
            raise ValueError(f"expected a --tolerance above 0, got {self.tolerance:g}; 0.01 allows 1 %")
        missing = {row.key: row.missing(self.data) for row in rows}
        lacked_by: dict[str, list[str]] = {}
        for row in rows:
            for what in missing[row.key]:
                lacked_by.setdefault(what, []).append(row.title)
        outcomes = {row.key: self._outcome(row, missing[row.key]) for row in rows}
        notes = [f"{', '.join(titles)}: no {what}" for what, titles in lacked_by.items()]
        notes += [TIMES]
        notes += dict.fromkeys(row.note for row in rows if row.note)
        write_json(self.output / "reproduction.json", [_plain(row, outcomes[row.key]) for row in rows])
        show_table(self._table(rows, outcomes), notes, self.output / "table.txt")
        print(f"wrote reproduction.json and table.txt to {self.output}")
        if any(isinstance(outcome, Comparison) and outcome.within is False for outcome in outcomes.values()):
            raise SystemExit(1)

    def _outcome(self, row: PublishedRow, missing: list[str]) -> Comparison | str:
        """What was measured; or why there is nothing to compare."""
        from kbnet.cli.progress import frame_progress
        from kbnet.reproduction import Comparison, measure

        if missing:
            return "no " + ", no ".join(what.partition(" ")[0] for what in missing)
        if row.limits is None:
            return self._complete(row)
        with frame_progress() as progress:
            task = progress.add_task(row.title, total=None)
            measured = measure(
                row,
                self.data,
                self.output / row.key,
                every=self.every,
                device=self.device,
                overwrite=self.overwrite,
                on_frame=lambda total: progress.update(task, advance=1, total=total),
            )
        return Comparison(row, measured, self.tolerance, self.every)

    def _complete(self, row: PublishedRow) -> str:
        """Write what the online benchmark takes; what is there stays only if it is of the same weights and list."""
        from kbnet.cli import complete
        from kbnet.network.weights import find_weights
        from kbnet.summary import file_sha256, write_json

        if self.every > 1:
            return "left out of a quick look"
        folder = self.output / row.key
        record = folder / "inputs.json"
        inputs = {str(path): file_sha256(path) for path in (find_weights(row.weights), self.data / row.frames)}
        if self.overwrite or not record.is_file() or json.loads(record.read_text(encoding="utf-8")) != inputs:
            shutil.rmtree(folder / "depth", ignore_errors=True)
            write_json(record, inputs)
        complete.Command(
            sequence=self.data / row.frames, output=folder, weights=row.weights, zip=True, device=self.device
        ).run()
        return f"for the online benchmark, which alone has the ground truth: {folder / 'test.zip'}"

    def _table(self, rows: list[PublishedRow], outcomes: dict[str, Comparison | str]) -> Table:
        table = new_table(("row", ""), ("frames", *ERROR_COLUMNS, "ms/frame"))
        table.add_column("verdict", overflow="fold")
        for row in rows:
            outcome = outcomes[row.key]
            milliseconds = "-" if row.milliseconds is None else f"{row.milliseconds:.1f}"
            published = (row.title, "published", str(row.count), *error_cells(row.mean, row.std), milliseconds)
            if isinstance(outcome, str):
                table.add_row(*published, outcome)
            else:
                table.add_row(*published, "")
                self._add_measured(table, outcome)
            table.add_section()
        return table

    def _add_measured(self, table: Table, outcome: Comparison) -> None:
        measured = outcome.measured
        milliseconds = "-" if measured.milliseconds is None else f"{measured.milliseconds:.1f}"
        cells = error_cells(measured.mean, measured.std)
        table.add_row("", "measured", str(measured.frames), *cells, milliseconds, "")
        differences = [f"{100 * value:+.2f} %" for value in outcome.difference.values()]
        table.add_row("", "difference", "", *differences, "", outcome.verdict)


def _plain(row: PublishedRow, outcome: Comparison | str) -> dict[str, object]:
    """One row of reproduction.json."""
    if isinstance(outcome, str):
        return {"published": asdict(row), "measured": None, "verdict": outcome}
    return {**asdict(outcome), "difference": outcome.difference, "within": outcome.within, "verdict": outcome.verdict}
