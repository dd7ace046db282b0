"""Progress bars: of commands that go through frames, and of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kbnet.cli.known_errors import Stderr, printable, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from kbnet.training.monitor import ProgressReport


def frame_progress() -> Progress:
    """A bar on stderr with frames done, frames a second and time left; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class FramesPerSecond(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f} frames/s", style="progress.data.speed")

    console = Console(file=Stderr())  # type: ignore[arg-type]
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        FramesPerSecond(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def frame_steps(description: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar of frames, as :func:`frame_progress`.

    Call what is yielded after each frame, with the number of all frames where only the caller knows it.
    """
    with frame_progress() as progress:
        task = progress.add_task(description, total=total)
        yield lambda total=None: progress.update(task, advance=1, total=total)


def completed_text(completed: int, frames: int, output: Path, *, failed: int = 0) -> str:
    """How many frames were completed, and how many had been before, for people."""
    skipped = frames - completed - failed
    done = f"; skipped {skipped} that were done (--overwrite does them again)" if skipped else ""
    return f"completed {completed} of {frames} frames in {output}{done}"


@contextmanager
def training_progress() -> Iterator[Callable[[ProgressReport], None]]:
    """A bar on stderr with losses, samples a second and time left; plain lines where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from kbnet.training.distributed import is_first_process

    console = Console(file=Stderr())  # type: ignore[arg-type]
    quiet = not console.is_terminal
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        TextColumn("training"),
        *columns,
        TextColumn("{task.description}"),
        console=console,
        disable=quiet or not is_first_process(),
    ) as bar:
        task = bar.add_task("", total=None)

        def show(report: ProgressReport) -> None:
            if report.message:
                text = f"step {report.step}: {report.message}"
                if quiet:
                    say(text, error=True)
                else:
                    bar.console.print(printable(text), highlight=False, soft_wrap=True, markup=False)
                return
            terms = "  ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
            text = f"{terms}  {report.samples_per_second:.1f} samples/s"
            bar.update(task, completed=report.step, total=report.steps, description=text)
            if quiet:
                say(f"step {report.step}/{report.steps}  {text}", error=True)

        yield show
