"""``kbnet reproduce``: the published table, measured again where weights and data are there."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.arguments import Device, Folder, Switch
from kbnet.cli.error_table import ERROR_COLUMNS, error_cells, new_table, show_table
from kbnet.cli.main import KNOWN_ERRORS, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.reproduction import Comparison, PublishedRow

TIMES = (
    "ms/frame: not to be compared; published is the network's forward call alone on a GTX 1080 Ti, measured is from "
    "arrays in memory to depth in memory on this machine ('kbnet evaluate --published-timing' times the former)"
)

VERDICT_WIDTH = 36
"""Columns; with it the table takes at most 140."""

Rows = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ROW ...]", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Evaluate as published and print published against measured numbers, row by row.

    Rows: kitti-validation, kitti-test, void-1500, void-500, void-150, nyu-v2 (default: all). A row whose weights or
    data are not there is named with the command that gets them. A row that was evaluated with the same weights, list
    and settings is not evaluated again. KITTI test has no ground truth: its depth is written and zipped for the online
    benchmark.

    Exit code: 0 if every row that was evaluated is within the tolerance, 1 if one is not, 2 if one failed, which
    stops no other.
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
            ValueError: rows failed; the lines under the table say why.
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
        outcomes: dict[str, Comparison | str] = {}
        failed: dict[str, str] = {}
        for row in rows:
            try:
                outcomes[row.key] = self._outcome(row, missing[row.key])
            except KNOWN_ERRORS as error:
                outcomes[row.key] = failed[row.title] = f"failed: {one_line(error)}"
        notes = [f"{', '.join(titles)}: no {what}" for what, titles in lacked_by.items()]
        notes += [f"{title} {reason}" for title, reason in failed.items()]
        notes += [TIMES, *dict.fromkeys(row.note for row in rows if row.note)]
        write_json(self.output / "reproduction.json", [_plain(row, outcomes[row.key]) for row in rows])
        show_table(_table(rows, outcomes), notes, self.output / "table.txt")
        print(f"wrote reproduction.json and table.txt to {self.output}")
        if failed:
            raise ValueError(f"{len(failed)} of {len(rows)} rows failed: {', '.join(failed)}; see why under the table")
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
        from kbnet.atomic import atomic_path
        from kbnet.cli import complete
        from kbnet.network.weights import find_weights
        from kbnet.summary import file_sha256

        if self.every > 1:
            return "left out of a quick look"
        folder = self.output / row.key
        frames, record = self.data / row.frames, folder / "SHA256SUMS"
        inputs = "".join(f"{file_sha256(path)}  {path}\n" for path in (find_weights(row.weights), frames)).encode()
        if self.overwrite or not record.is_file() or record.read_bytes() != inputs:
            if (folder / "depth").exists():
                shutil.rmtree(folder / "depth")
            with atomic_path(record) as temporary:
                temporary.write_bytes(inputs)
        complete.Command(sequence=frames, output=folder, weights=row.weights, zip=True, device=self.device).run()
        return "no ground truth here; the zip is for the online benchmark"


def _table(rows: list[PublishedRow], outcomes: dict[str, Comparison | str]) -> Table:
    table = new_table(("row", ""), ("frames", *ERROR_COLUMNS, "ms/frame"))
    table.add_column("verdict", overflow="fold", max_width=VERDICT_WIDTH)
    for row in rows:
        outcome = outcomes[row.key]
        published = (row.title, "published", str(row.count), *error_cells(row.mean, row.std), _cell(row.milliseconds))
        if isinstance(outcome, str):
            table.add_row(*published, outcome.partition(": ")[0])  # why it failed takes a line of its own
        else:
            measured = outcome.measured
            errors = error_cells(measured.mean, measured.std)
            table.add_row(*published)
            table.add_row("", "measured", str(measured.frames), *errors, _cell(measured.milliseconds))
            differences = [_percent(value) for value in outcome.difference.values()]
            table.add_row("", "difference", "", *differences, "", outcome.verdict)
        table.add_section()
    return table


def _cell(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:+.{2 if abs(share) < 1 else 0}f} %"


def _plain(row: PublishedRow, outcome: Comparison | str) -> dict[str, object]:
    """One row of reproduction.json."""
    if isinstance(outcome, str):
        return {"published": asdict(row), "measured": None, "verdict": outcome}
    return {**asdict(outcome), "difference": outcome.difference, "within": outcome.within, "verdict": outcome.verdict}
