"""Picture of a frame: image, sparse points, completed depth, and error against ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from kbnet.files import atomic_path
from kbnet.frame import FloatArray, Frame, check_depth
from kbnet.report.colour import COLOUR_MAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
PANEL_PX = 560
"""Width of a panel, pixels; its height follows the frame."""
WIDE_PANEL_PX = 1000
"""Width of a panel for frames wider than twice their height; such panels are stacked."""
GAP_PX, TITLE_PX, BAR_PX, BAR_ROOM_PX = 14, 32, 12, 68
BAR_INSET = 0.12
"""Free space on either side of a colour bar, as a share of its slot."""
INK, ERROR_MAP, NO_TRUTH = "#222222", "inferno", "#c4c8cc"
SPARSE_TRUTH = 0.25
"""Ground truth at fewer than this share of the pixels is drawn as discs."""
MaskedMap: TypeAlias = "np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float32]]"


@dataclass(frozen=True)
class _Scale:
    """Colour scale: range in metres, colour map, and whether values exceed the range."""

    low: float
    high: float
    colours: str
    label: str
    extend: str

    def style(self) -> dict[str, Any]:
        return {"cmap": self.colours, "vmin": self.low, "vmax": self.high}


def write_picture(path: str | Path, frame: Frame, depth: FloatArray) -> None:
    """Draw a frame and its completed depth; the file appears complete or not at all.

    Sparse points and completed depth share one colour scale, which spans the 1st to the 99th percentile of either. The
    error, |depth - ground truth| in metres, is drawn where the frame has ground truth.

    Args:
        path: picture to write, in a format of matplotlib by its suffix (PNG, PDF, SVG, ...).
        depth: completed depth, (H, W), metres; 0 = unmeasured.

    Raises:
        KBNetError: the depth does not fit the frame.
        ModuleNotFoundError: matplotlib is not installed.
    """
    depth = check_depth(depth, "depth", frame.size, where=f" (frame '{frame.name}')")
    figure, panels, bars = _layout(frame.size, with_error=frame.ground_truth is not None)
    scale = _depth_scale(depth, frame.sparse_depth)

    panels[0].imshow(frame.image)
    _title(panels[0], "image")
    _draw_points(panels[1], frame, scale)
    panels[2].imshow(np.ma.masked_equal(depth, 0), **scale.style())
    _title(panels[2], "completed depth")
    _draw_bar(bars[0], scale)
    if frame.ground_truth is not None:
        _draw_bar(bars[1], _draw_error(panels[3], depth, frame.ground_truth))

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def _layout(size: tuple[int, int], *, with_error: bool) -> tuple[Figure, list[Axes], list[Axes]]:
    """Layout of panels and colour bars in pixels: a row of three, a square of four, or a stack of wide panels."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ModuleNotFoundError("matplotlib is needed to draw pictures: pip install 'kbnet[report]'") from None

    height, width = size
    count, columns = (4, 2) if with_error else (3, 3)
    panel_width = _panel_width(size)
    columns = 1 if panel_width == WIDE_PANEL_PX else columns
    panel_height = round(panel_width * height / width)
    full_width = columns * (panel_width + GAP_PX) + GAP_PX
    full_height = -(-count // columns) * (panel_height + TITLE_PX) + BAR_ROOM_PX

    figure = Figure(figsize=(full_width / DPI, full_height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def place(left: float, bottom: float, width: float, height: float) -> Axes:
        box = (left / full_width, bottom / full_height, width / full_width, height / full_height)
        axes = figure.add_axes(box, xticks=[], yticks=[], facecolor=NO_TRUTH)
        axes.spines[:].set_visible(False)
        return axes

    panels = []
    for index in range(count):
        row, column = divmod(index, columns)
        bottom = full_height - (row + 1) * (panel_height + TITLE_PX)
        panels.append(place(GAP_PX + column * (panel_width + GAP_PX), bottom, panel_width, panel_height))

    begin = panel_width + GAP_PX if columns == 3 else 0
    share = (full_width - GAP_PX - begin) / (count - 2)
    inset = BAR_INSET * share
    bars = [
        place(GAP_PX + begin + index * share + inset, BAR_ROOM_PX - GAP_PX - BAR_PX, share - GAP_PX - 2 * inset, BAR_PX)
        for index in range(count - 2)
    ]
    return figure, panels, bars


def _panel_width(size: tuple[int, ...]) -> int:
    """Width of a panel, pixels, for a frame of ``size`` (H, W)."""
    return WIDE_PANEL_PX if size[1] > 2 * size[0] else PANEL_PX


def _depth_scale(depth: FloatArray, sparse_depth: FloatArray) -> _Scale:
    measured = [values[values > 0] for values in (depth, sparse_depth) if values.any()]
    if not measured:
        return _Scale(0.0, 1.0, COLOUR_MAP, "depth [m]", "neither")
    ends = np.array([np.percentile(values, (1, 99)) for values in measured])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    margin = max(0.0, 0.05 - (high - low)) / 2
    low, high = max(0.0, low - margin), high + margin
    shown = np.concatenate(measured)
    return _Scale(low, high, COLOUR_MAP, "depth [m]", _extend(bool(shown.min() < low), bool(shown.max() > high)))


def _draw_points(axes: Axes, frame: Frame, scale: _Scale) -> None:
    """Draw the points over the image in grey, nearest on top."""
    grey = frame.image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    axes.imshow(grey, cmap="gray", vmin=-300, vmax=600)
    _draw_discs(axes, np.ma.masked_equal(frame.sparse_depth, 0), scale, largest_on_top=False)
    _title(axes, f"{np.count_nonzero(frame.sparse_depth)} sparse points")


def _draw_error(axes: Axes, depth: FloatArray, ground_truth: FloatArray) -> _Scale:
    judged = (ground_truth > 0) & (depth > 0)
    error: MaskedMap = np.ma.masked_where(~judged, np.abs(depth - ground_truth))
    known = error.compressed()
    high = max(0.01, float(np.percentile(known, 98))) if known.size else 1.0
    scale = _Scale(0.0, high, ERROR_MAP, "error [m]", _extend(False, bool(known.size and known.max() > high)))
    axes.imshow(error, **scale.style())
    where, grey = "", "; grey: no ground truth"
    if known.size < SPARSE_TRUTH * error.size:
        _draw_discs(axes, error, scale, largest_on_top=True)
        where, grey = f" at {known.size} points", ""
    mean = f"error{where}, {1000 * known.mean():.0f} mm on average{grey}" if known.size else "no ground truth"
    _title(axes, mean)
    return scale


def _draw_discs(axes: Axes, values: MaskedMap, scale: _Scale, *, largest_on_top: bool) -> None:
    """Draw every value as a visible disc; more values give smaller discs."""
    rows, columns = np.nonzero(~np.ma.getmaskarray(values))
    shown = values.compressed()
    order = np.argsort(shown if largest_on_top else -shown)
    height, width = values.shape
    spacing_pt = _panel_width(values.shape) * 72 / DPI * np.sqrt(height / width / max(1, shown.size))
    diameter_pt = np.clip(0.42 * spacing_pt, 1.2, 8.0)
    axes.scatter(columns[order], rows[order], s=diameter_pt**2, c=shown[order], linewidths=0, **scale.style())


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=11, color=INK, pad=7)


def _draw_bar(axes: Axes, scale: _Scale) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    mappable = ScalarMappable(Normalize(scale.low, scale.high), scale.colours)
    bar = axes.figure.colorbar(mappable, cax=axes, orientation="horizontal", extend=scale.extend, extendfrac=0.03)
    bar.set_label(scale.label, fontsize=10, color=INK, labelpad=3)
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=9, colors=INK, length=3)


def _extend(below: bool, above: bool) -> str:
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
