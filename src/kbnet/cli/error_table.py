"""How tables of errors look on the terminal and in files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.metrics import DepthErrors

ERROR_COLUMNS = ("MAE mm", "RMSE mm", "iMAE 1/km", "iRMSE 1/km")

PIPED_WIDTH = 200
"""Columns a table may take where stdout is no terminal, so that nothing is cut off in a file."""


def new_table(text_columns: tuple[str, ...], number_columns: tuple[str, ...]) -> Table:
    """A table without rows: columns of text at the left, then right-aligned numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in text_columns:
        table.add_column(name)
    for name in number_columns:
        table.add_column(name, justify="right")
    return table


def error_cells(mean: DepthErrors, std: DepthErrors | None) -> list[str]:
    """Cells of the four errors, with ± the standard deviation over frames under each where it is known."""
    means = [f"{value:.2f}" for value in mean.as_array()]
    if std is None:
        return means
    return [f"{value}\n±{spread:.3f}" for value, spread in zip(means, std.as_array(), strict=True)]


def show_table(table: Table, notes: list[str], path: Path | None = None) -> None:
    """Print a table and the lines under it; write the same to a text file, which appears whole or not at all."""
    from rich.console import Console

    from kbnet.atomic import atomic_path

    drawn = StringIO()
    Console(file=drawn, width=PIPED_WIDTH, color_system=None).print(table)
    text = "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())
    console = Console()
    if console.is_terminal:
        console.print(table)
    else:
        print(text)
    print("\n".join(notes))
    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_text("\n".join([text, *notes]) + "\n", encoding="utf-8")
