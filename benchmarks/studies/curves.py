"""Plots of curves in panels with one legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kbnet.files import atomic_path
from kbnet.report.picture import DPI, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color Universal Design" (2008), for any colour vision; without black and the pale yellow.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("solid", (0, (4, 1.5)), (0, (1, 1)))
"""Line styles; further curves repeat the colours in the next style."""
MARKERS = "osD^vP"
GREY, GRID = "#808488", "#e3e5e7"
PANEL_INCHES = (4.1, 3.4)
LEGEND_INCHES = 2.3


@dataclass(frozen=True)
class Line:
    """Curve: name in the legend, points (x, y), and whether it is a baseline."""

    name: str
    points: Sequence[tuple[float, float]]
    is_yardstick: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves in one pair of axes.

    Attributes:
        title: above the axes.
        lines: the curves.
        style: style of these axes instead of the common one.
    """

    title: str
    lines: list[Line]
    style: AxesStyle | None = None


@dataclass(frozen=True)
class AxesStyle:
    """Style of all panels.

    Attributes:
        x_label, y_label: labels with units.
        x_scale, y_scale: scales of the axes.
        x_ticks: labelled values of x; empty: matplotlib's choice.
        level: value of a horizontal reference line; None: no line.
        zoom: limits of y of a second, zoomed row of panels; None: no such row.
    """

    x_label: str
    y_label: str
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    x_ticks: Sequence[float] = ()
    level: float | None = None
    zoom: tuple[float, float] | None = None


def write_curves(path: Path, panels: Sequence[Panel], style: AxesStyle, *, columns: int | None = None) -> None:
    """Draw curves; a name has the same style in all panels. The file appears complete or not at all.

    Args:
        path: picture to write, in a format of matplotlib by its suffix.
        panels: panels from left to right.
        style: style of all panels that have none of their own.
        columns: panels in a row, for a style without zoom; None: all.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ModuleNotFoundError("matplotlib is needed to draw curves: pip install 'kbnet[report]'") from None

    columns = columns or len(panels)
    rows = -(-len(panels) // columns) if style.zoom is None else 2
    size = (columns * PANEL_INCHES[0] + LEGEND_INCHES, rows * PANEL_INCHES[1])
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row" if style.zoom else False)
    looks = _looks(panels)
    drawn = panels if style.zoom is None else [*panels, *panels]
    for index, (axes, panel) in enumerate(zip_longest(grid.flat, drawn)):
        if panel is None:
            axes.set_axis_off()
            continue
        zoomed, own = index >= len(panels), panel.style or style
        for line in panel.lines:
            axes.plot(*zip(*line.points, strict=True), label=line.name, **looks[line.name])
        _style(axes, own, zoomed=zoomed)
        axes.set_title(f"{panel.title}, from near" if zoomed else panel.title, fontsize=11, color=INK)
        if index % columns == 0:
            axes.set_ylabel(own.y_label, fontsize=10, color=INK)
        if panel.style is not None or index >= len(drawn) - columns:
            axes.set_xlabel(own.x_label, fontsize=10, color=INK)
    shown = {name: handle for axes in grid.flat for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(shown.values()), list(shown), loc="outside right upper", frameon=False, fontsize=9, labelcolor=INK
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def _looks(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """Style of each name: baselines in grey and black, the others in colours."""
    lines = {line.name: line for panel in panels for line in panel.lines}
    yardsticks = [name for name, line in lines.items() if line.is_yardstick]
    others = [name for name, line in lines.items() if not line.is_yardstick]
    looks: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(yardsticks):
        looks[name] = {"color": (GREY, INK)[index % 2], "linestyle": DASHES[1 + index % 2], "linewidth": 1.4}
    for index, name in enumerate(others):
        turn, which = divmod(index, len(COLOURS))
        looks[name] = {
            "color": COLOURS[which],
            "linestyle": DASHES[turn % len(DASHES)],
            "marker": MARKERS[turn % len(MARKERS)],
            "markersize": 4,
            "linewidth": 1.8,
        }
    return looks


def _style(axes: Axes, style: AxesStyle, *, zoomed: bool) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale(style.x_scale)
    axes.set_yscale("linear" if zoomed else style.y_scale)
    if style.x_scale == "linear":
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))
    if style.x_ticks:
        axes.set_xticks(style.x_ticks, [f"{tick:g}" for tick in style.x_ticks])
        axes.set_xticks([], minor=True)
    low, high = axes.get_ylim()
    if style.zoom is not None:
        axes.set_ylim(*(style.zoom if zoomed else (min(low, style.zoom[0]), max(high, style.zoom[1]))))
    elif style.y_scale == "linear":
        axes.set_ylim(bottom=0)
    if style.y_scale == "log" and not zoomed:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if style.level is not None:
        axes.axhline(style.level, color=INK, linewidth=1.0, zorder=1.5)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
