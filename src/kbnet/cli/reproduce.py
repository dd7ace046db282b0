"""``kbnet reproduce``: the published table, measured again where weights and data are there."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.arguments import DeviceArguments, Folder, Switch
from kbnet.cli.error_table import ERROR_COLUMNS, error_cells, new_table, show_table
from kbnet.cli.known_errors import is_known, one_line, say
from kbnet.errors import KBNetError
from kbnet.files import read_json, read_text

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.evaluation.reproduction import PublishedRow, ReproducedRow

TIMES = (
    "ms/frame: not to be compared; published is the network's forward call alone on a GTX 1080 Ti, measured is from "
    "arrays in memory to depth in memory on this machine (benchmarks/published_timing.py measures the former)"
)

ZIPPED = "no ground truth here; the zip is for the online benchmark"
FAILED = "failed: "
VERDICT_WIDTH = 36
"""Columns; with it the table takes at most 140."""

Rows = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ROW ...]", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command(DeviceArguments):
    """Evaluate as published and print published against measured numbers, row by row.

    Rows: kitti-validation, kitti-test, void-1500, void-500, void-150, nyu-v2 of KBNet, voiced-void-1500,
    scaffnet-void-1500, fusionnet-void-1500 and scaffnet-kitti-validation of its siblings (default: all). A row whose
    weights or data are not there is named with the command that gets them. A row that was evaluated with the same
    weights, list and settings is not evaluated again. KITTI test has no ground truth: its depth is written and zipped
    for the online benchmark. Rows of earlier runs stay in OUTPUT's table.

    Exit code: 0 if every row that was evaluated is within the tolerance, 1 if one is not, 2 if one failed, which
    stops no other, or if there was nothing to evaluate any with.
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
    """A quick look: evaluate every Nth frame, without a verdict, into OUTPUT/every-N, and leave KITTI test out."""
    overwrite: Switch = False
    """Evaluate rows again that were evaluated with the same settings."""

    def run(self) -> None:
        """Measure what can be measured, then print the table.

        Raises:
            SystemExit: with code 1, if a row is not within the tolerance.
            KBNetError: rows failed, or none could be measured; the lines under the table say why.
        """
        from kbnet.evaluation.reproduction import published_rows
        from kbnet.files import write_json

        rows = published_rows(self.rows)
        if self.every < 1:
            raise KBNetError(f"expected --every of at least 1 frame, got {self.every}; 1 evaluates every frame")
        if not self.tolerance > 0:
            raise KBNetError(f"expected a --tolerance above 0, got {self.tolerance:g}; 0.01 allows 1 %")
        missing = {row.key: row.missing(self.data) for row in rows}
        lacked_by: dict[str, list[str]] = {}
        for row in rows:
            for what in missing[row.key]:
                lacked_by.setdefault(what, []).append(row.title)
        folder = self._folder
        _check_own(folder, rows)
        if not (folder / "reproduction.json").exists():  # of a killed run too: by it, its files are known
            write_json(folder / "reproduction.json", [_plain(row, "not measured yet") for row in rows])
        outcomes = {row.key: self._outcome(row, missing[row.key]) for row in rows}
        shown = _earlier(folder / "reproduction.json")
        shown |= {key: new for key, new in outcomes.items() if not (missing[key] and _is_done(shown.get(key)))}
        table = published_rows(shown)
        notes = [f"{', '.join(titles)}: no {what}" for what, titles in lacked_by.items()]
        notes += [f"{row.title} {shown[row.key]}" for row in table if _has_failed(shown[row.key])]
        notes += [TIMES, *dict.fromkeys(row.note for row in table if row.note)]
        write_json(folder / "reproduction.json", [_plain(row, shown[row.key]) for row in table])
        show_table(_table(table, shown), notes, folder / "table.txt")
        say(f"wrote reproduction.json and table.txt to {folder}")
        if failed := [row.title for row in rows if _has_failed(outcomes[row.key])]:
            raise KBNetError(f"{len(failed)} of {len(rows)} rows failed: {', '.join(failed)}; see why under the table")
        if not any(map(_is_done, outcomes.values())):
            raise KBNetError("no row could be measured; the table and the lines under it say what it takes")
        if any(not isinstance(outcome, str) and outcome.within is False for outcome in outcomes.values()):
            raise SystemExit(1)

    @property
    def _folder(self) -> Path:
        """A quick look has one of its own, so that it takes nothing from full results."""
        return self.output if self.every == 1 else self.output / f"every-{self.every}"

    def _outcome(self, row: PublishedRow, missing: list[str]) -> ReproducedRow | str:
        """What was measured; or why there is nothing to compare, or why it failed."""
        if missing:
            return "no " + ", no ".join(what.partition(" ")[0] for what in missing)
        try:
            return self._complete(row) if row.limits is None else self._measure(row)
        except Exception as error:
            if not is_known(error):
                raise
            return f"{FAILED}{one_line(error)}"

    def _measure(self, row: PublishedRow) -> ReproducedRow:
        from kbnet.cli.progress import frame_steps
        from kbnet.evaluation.reproduction import ReproducedRow, measure

        with frame_steps(row.title) as on_frame:
            measured = measure(
                row,
                self.data,
                self._folder / row.key,
                every=self.every,
                device=self.device,
                overwrite=self.overwrite,
                on_frame=on_frame,
            )
        return ReproducedRow(row, measured, self.tolerance, self.every)

    def _complete(self, row: PublishedRow) -> str:
        """Write what the online benchmark takes; depth that is there stays only if it was made the same way."""
        import kbnet
        from kbnet.cli.progress import completed_text, frame_steps
        from kbnet.inference.output_folder import OutputFolder
        from kbnet.inference.weights_files import network_origin

        if self.every > 1:
            return "left out of a quick look"
        output = OutputFolder(self.output / row.key, kbnet.open_frames(self.data / row.frames))
        output.check_zip()
        network = network_origin(row.weights, preset=None, precision="auto")
        depth = output.folder / "depth"
        if depth.exists() and (self.overwrite or output.origin(network)[1]):
            shutil.rmtree(depth)
        with frame_steps(row.title) as on_frame:
            load = partial(kbnet.load, row.weights, device=self.device)
            completed = output.complete_missing(load, output.checked_origin(network), on_frame=on_frame)
        say(completed_text(completed, len(output.frames), output.folder))
        say(f"wrote {output.write_zip()}")
        return ZIPPED


def _is_done(outcome: ReproducedRow | str | None) -> bool:
    return outcome == ZIPPED or not (outcome is None or isinstance(outcome, str))


def _has_failed(outcome: ReproducedRow | str) -> bool:
    return isinstance(outcome, str) and outcome.startswith(FAILED)


def _check_own(folder: Path, rows: list[PublishedRow]) -> None:
    """Refuse files in the place of results that are not of this command: its record is there before its other files."""
    record = folder / "reproduction.json"
    own = record.is_file() and '"published"' in read_text(record, "replace")
    places = [record, *(folder / name for name in ("table.txt", *(row.key for row in rows)))]
    if taken := [place for place in places if place.exists() and not own]:
        raise KBNetError(f"{taken[0]} would be replaced, but is not of kbnet reproduce; choose another --output")


def _earlier(path: Path) -> dict[str, ReproducedRow | str]:
    """Outcomes by row that `_plain` wrote; none where there is no such file, or it is damaged."""
    from kbnet.evaluation.reproduction import ReproducedRow, published_rows
    from kbnet.evaluation.summary import row_from

    try:
        entries = {entry["published"]["key"]: entry for entry in read_json(path)}
        return {
            row.key: entry["verdict"]
            if entry["measured"] is None
            else ReproducedRow(row, row_from(entry["measured"]), entry["tolerance"], entry["every"])
            for row, entry in ((row, entries[row.key]) for row in published_rows(entries))
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _table(rows: list[PublishedRow], outcomes: dict[str, ReproducedRow | str]) -> Table:
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
            shares = [*outcome.difference.values()][: len(ERROR_COLUMNS)]
            differences = [f"{100 * share:+.{2 if abs(share) < 1 else 0}f} %" for share in shares]
            table.add_row("", "difference", "", *differences, "", outcome.verdict)
        table.add_section()
    return table


def _cell(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"


def _plain(row: PublishedRow, outcome: ReproducedRow | str) -> dict[str, object]:
    """One row of reproduction.json."""
    if isinstance(outcome, str):
        return {"published": asdict(row), "measured": None, "verdict": outcome}
    return {**asdict(outcome), "difference": outcome.difference, "within": outcome.within, "verdict": outcome.verdict}
