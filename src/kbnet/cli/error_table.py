"""How tables of errors look on the terminal and in files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbnet.cli.known_errors import printable, say

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.evaluation.metrics import DepthErrors

ERROR_COLUMNS = ("MAE mm", "RMSE mm", "iMAE 1/km", "iRMSE 1/km")

BOUNDARY_COLUMN = "boundary F1"
BOUNDARY_NOTE = "boundary F1: higher is better, 1 at most; only frames with ground truth at 50 % of the pixels or more"

FLICKER_COLUMN = "flicker %"
FLICKER_NOTE = "flicker: mean change of the relative error between frames at the same points; 0 is steady"

NAME_WIDTH = 8
"""Columns that names keep on the narrowest terminal, where they go on in the next line; numbers are never broken."""


def new_table(text_columns: tuple[str, ...], number_columns: tuple[str, ...]) -> Table:
    """A table without rows: columns of text at the left, then right-aligned numbers."""
    from rich import box
    from rich.table import Table

    class PlainTable(Table):
        """A table whose cells can hold any name of a file."""

        def add_row(self, *cells: Any, **options: Any) -> None:
            super().add_row(*("\n".join(map(printable, str(cell).split("\n"))) for cell in cells), **options)

    table = PlainTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in text_columns:
        table.add_column(name, overflow="fold")
    for name in number_columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def error_cells(mean: DepthErrors, std: DepthErrors | None) -> list[str]:
    """Cells of ``ERROR_COLUMNS``, with ± the standard deviation over frames under each where it is known."""
    means = [f"{value:.2f}" for value in mean.as_array()[: len(ERROR_COLUMNS)]]
    if std is None:
        return means
    return [f"{value}\n±{spread:.3f}" for value, spread in zip(means, std.as_array(), strict=False)]


def boundary_cell(mean: float | None, std: float | None) -> str:
    """Cell of the boundary F1, with ± its standard deviation over frames under it; ``-`` where there is none."""
    if mean is None:
        return "-"
    return f"{mean:.3f}" if std is None else f"{mean:.3f}\n±{std:.3f}"


def show_table(table: Table, notes: list[str], path: Path | None = None) -> None:
    """Print a table and the lines under it; write the same to a text file, which appears whole or not at all.

    Nothing is ever cut off: on a terminal that is too narrow, names stand one under the other beside the numbers.
    """
    from rich.console import Console

    from kbnet.files import atomic_path

    drawn = StringIO()
    Console(file=drawn, width=_width(table), color_system=None, markup=False, emoji=False).print(table)
    text = "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())
    console = Console(markup=False, emoji=False)
    if console.is_terminal:
        if _width(table) > console.width:
            table = _stacked(table)
            table.columns[0].max_width = NAME_WIDTH
            least = _width(table)
            table.columns[0].max_width += max(0, console.width - least)
            console.width = max(console.width, least)
        console.print(table)
    else:
        say(*text.split("\n"))
    say(*notes)
    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_text("\n".join([text, *notes]) + "\n", encoding="utf-8", errors="backslashreplace")


def _width(table: Table) -> int:
    """Columns that a table takes where there is room."""
    from rich.console import Console

    return Console(width=10_000, markup=False, emoji=False).measure(table).maximum


def _stacked(table: Table) -> Table:
    """The same with all text of a row in its first column, a line each, and the numbers closer together."""
    texts = [column for column in table.columns if column.justify != "right"]
    numbers = [column for column in table.columns if column.justify == "right"]
    names = [
        "\n".join(filter(None, map(str, cells))) for cells in zip(*(column.cells for column in texts), strict=True)
    ]
    stacked = new_table(
        ("\n".join(filter(None, (str(column.header) for column in texts))),),
        tuple(str(column.header).replace(" ", "\n") for column in numbers),
    )
    stacked.padding = 0
    for row, name, *values in zip(table.rows, names, *(column.cells for column in numbers), strict=True):
        stacked.add_row(name, *values, end_section=row.end_section)
    return stacked
