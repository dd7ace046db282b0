"""What the commands that prepare data show on the terminal: bytes on their way, frames, points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.cli.known_errors import Stderr, printable, say
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.datasets.download import Progress
    from kbnet.frames.recording import Recording

FromPaths = Annotated[tuple[Path, ...], tyro.conf.arg(name="from", metavar="PATH ...", help_behavior_hint="")]
"""What a user has of a data set; with any, nothing is downloaded."""

PIPED_WIDTH = 200
"""Columns the table may take where stdout is no terminal, so that no path is cut off in a file."""

LOOKED_AT = 20
"""Frames of a new sequence that are looked at, evenly spread."""


@dataclass(frozen=True)
class SplitCount:
    """One row of the table.

    Attributes:
        published: frames the publishers state; None = they state none.
    """

    split: str
    frames: int
    published: int | None
    path: Path
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PrepareRecording:
    """A recording as a sequence folder."""

    recording: Annotated[Path, tyro.conf.Positional]
    folder: SequenceFolder
    options: Any
    overwrite: Overwrite = False

    def run(self) -> None:
        from kbnet.frames.kinds import kinds, open_kind

        kind = next(kind for kind in kinds() if kind.options is type(self.options))
        write_recording(open_kind(kind.name, self.recording, self.options), self.folder, overwrite=self.overwrite)


def recording_command(name: str) -> type[PrepareRecording]:
    """The command ``kbnet prepare <name>`` of a kind of recording, with the options of the kind."""
    from kbnet.frames.kinds import kinds

    kind = next(kind for kind in kinds() if kind.name == name)
    path: Any = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar=kind.path, help=kind.path_help)]
    options: Any = Annotated[kind.options, tyro.conf.arg(name="")]
    default: Any = MISSING if any(one.default is MISSING for one in fields(kind.options)) else kind.options
    own: list[Any] = [("recording", path), ("options", options, field(default_factory=default))]
    about = {"__doc__": kind.options.__doc__}
    return make_dataclass("Command", own, bases=(PrepareRecording,), namespace=about, frozen=True, kw_only=True)


def conclude(rows: list[SplitCount], failures: Mapping[str, str], *, unchanged: bool) -> None:
    """Print what was prepared, and raise what was not in one line.

    Args:
        failures: why a list could not be made, by its name; several reasons get a line each before the last one.

    Raises:
        KBNetError: there are failures.
    """
    if rows:
        print_splits(rows)
        if unchanged and not failures:
            say("everything was there already: checked the files and wrote the lists")
    lists: dict[str, list[str]] = {}
    for name, reason in failures.items():
        lists.setdefault(reason, []).append(name)
    lines = [f"{', '.join(names)} could not be made: {reason}" for reason, names in lists.items()]
    if len(lines) > 1:
        say(*lines)
        raise KBNetError(f"{', '.join(failures)} could not be made, for the {len(lines)} reasons above")
    if lines:
        raise KBNetError(lines[0])


def print_splits(rows: list[SplitCount]) -> None:
    """Print each split with its frames beside the published number, and where its list lies."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("split")
    table.add_column("frames", justify="right")
    table.add_column("published", justify="right")
    table.add_column("list", overflow="fold")
    if any(row.note for row in rows):
        table.add_column("note")
    for row in rows:
        published = "-" if row.published is None else f"{row.published:,}"
        # Brackets in a path are no markup.
        table.add_row(
            row.split, f"{row.frames:,}", published, escape(printable(str(row.path))), *([row.note] if row.note else [])
        )
    console = Console()
    (console if console.is_terminal else Console(width=PIPED_WIDTH)).print(table)


def write_recording(recording: Recording[Any], folder: Path, *, overwrite: bool) -> None:
    """Write a recording to a sequence folder, and print what was written and what was left out."""
    from kbnet.cli.progress import frame_steps
    from kbnet.evaluation.pose_fit import warn_of_misread_poses
    from kbnet.frames.sequence import Sequence
    from kbnet.frames.sequence_writer import write_sequence

    with frame_steps("writing", recording.expected) as on_frame:
        frames, inputs = recording.posed_frames(), recording.inputs
        written = write_sequence(folder, frames, overwrite=overwrite, inputs=inputs, on_frame=on_frame)
    for line in recording.summary(written, folder):
        say(line)
    if not recording.says_points:
        print_points(folder)
    if written.posed:
        warn_of_misread_poses(Sequence(folder))


def print_points(folder: Path) -> None:
    """Say how many points the frames of a new sequence have and how far away they are, which shows a wrong unit."""
    import numpy as np

    from kbnet.frames.sequence import Sequence

    sequence = Sequence(folder)
    indices = sorted({round(index) for index in np.linspace(0, len(sequence) - 1, LOOKED_AT)})
    depths = [depth[depth > 0] for depth in map(sequence.sparse_depth, indices)]
    low, middle, high = np.percentile(np.concatenate(depths), [5, 50, 95])
    points = np.median([depth.size for depth in depths])
    say(f"{points:,.0f} points a frame, {middle:.2f} m away ({low:.2f} to {high:.2f} m)")


@contextmanager
def transfer_progress() -> Iterator[Progress]:
    """Yield a callable that shows one bar at a time on stderr, or, where that is no terminal, a line as each begins."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(file=Stderr())  # type: ignore[arg-type]
    if not console.is_terminal:
        yield _line_by_line()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    shown: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as bars:

        def report(what: str, done: int, total: int) -> None:
            if what not in shown:
                for _ in range(len(shown)):
                    bars.remove_task(shown.popitem()[1])
                shown[what] = bars.add_task(printable(what), total=None)
            bars.update(shown[what], completed=done, total=total or None)

        yield report


def _line_by_line() -> Progress:
    from kbnet.datasets.disk_space import size_text

    last = ""

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        if what != last:
            last = what
            # Of other work, the total may be a number of frames.
            size = f" ({size_text(total)})" if total and what.startswith("downloading ") else ""
            say(f"{what}{size}", error=True)

    return report
