"""Self-contained HTML page: pictures, depth, charts and an interactive point cloud.

The template is in ``web/``; this module fills it. The page opens from a folder and loads nothing from the network (its
content policy forbids it). It is written frame by frame.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.evaluation.judged_pixels import Judging
from kbnet.evaluation.methods import NETWORK
from kbnet.files import atomic_path
from kbnet.frame import FloatArray
from kbnet.report.colour import DEPTH_COLOURS, ERROR_COLOURS
from kbnet.report.figures import Figures
from kbnet.report.packing import (
    DEPTH_STEP,
    ERROR_STEP,
    LEAST,
    logarithmic,
    pack_image,
    pack_map,
    pack_numbers,
    sampled,
)
from kbnet.report.picture import SPARSE_TRUTH
from kbnet.report.shown_frames import ShownFrame

WEB = Path(__file__).with_name("web")
SCRIPTS = ("unpack.js", "colours.js", "panels.js", "cloud.js", "charts.js", "page.js")
MOST_POINTS = 20_000
"""Largest number of points of one kind in a frame of the page."""


def write_page(
    path: Path,
    frames: Iterable[ShownFrame],
    judging: Judging,
    *,
    title: str,
    about: Sequence[str] = (),
    longest: int = 640,
) -> Figures:
    """Write a page; it appears complete or not at all. One frame at a time is in memory.

    Args:
        frames: at least one frame.
        about: subtitle: source and weights.
        longest: longer side of the stored maps, pixels; larger frames are subsampled.

    Returns:
        The figures of the page.
    """
    figures = Figures(held_out=judging.held_out)
    has_truth = False

    def packed() -> Iterator[str]:
        nonlocal has_truth
        for position, shown in enumerate(frames):
            figures.add(shown)
            frame = pack_frame(shown, longest)
            has_truth = has_truth or "truth" in frame
            yield f'<script type="application/json" id="frame-{position}">{as_json(frame)}</script>\n'

    def content() -> Iterator[str]:
        colours = {"depth": DEPTH_COLOURS.split(), "error": ERROR_COLOURS.split()}
        steps = {"least": LEAST, "depth": DEPTH_STEP, "error": ERROR_STEP}
        said = {"about": list(about), "judgedBy": str(judging), "network": NETWORK}
        kinds = {"heldOut": judging.held_out, "hasTruth": has_truth}
        yield as_json({**figures.content(), **said, **kinds, "colours": colours, "steps": steps})

    parts: dict[str, Iterable[str]] = {
        "title": [html.escape(title)],
        "style": [_web("page.css")],
        "three": [_web("three.min.js")],
        "frames": packed(),
        "content": content(),
        "scripts": (f"<script>\n{_web(name)}</script>\n" for name in SCRIPTS),
    }
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as file,
    ):
        for position, piece in enumerate(re.split(r"\{\{(\w+)\}\}", _web("page.html"))):
            file.writelines(parts[piece] if position % 2 else [piece])
    return figures


def pack_frame(shown: ShownFrame, longest: int) -> dict[str, Any]:
    """Data of one frame in a page, unpacked by ``web/unpack.js``."""
    frame, judged = shown.frame, shown.judged
    scale = min(1.0, longest / max(frame.size))
    size = max(1, round(scale * frame.size[0])), max(1, round(scale * frame.size[1]))
    measured = np.array(np.nonzero(frame.sparse_depth))
    content: dict[str, Any] = {
        "name": frame.name,
        "size": frame.size,
        "stored": size,
        "intrinsics": frame.intrinsics.ravel().tolist(),
        "points": measured.shape[1],
        "image": pack_image(frame.image, size),
        "depth": pack_map(sampled(shown.depth, size), DEPTH_STEP),
        "expected": pack_map(sampled(shown.expected_error, size), ERROR_STEP),
        "sparse": _pack_points(measured, (frame.sparse_depth[tuple(measured)], DEPTH_STEP)),
    }
    if judged is None:
        return content
    if judged.true.size < SPARSE_TRUTH * frame.sparse_depth.size:
        error = np.abs(judged.depths[NETWORK] - judged.true)
        content["judged"] = _pack_points(judged.pixels, (judged.true, DEPTH_STEP), (error, ERROR_STEP))
    else:
        truth = np.zeros(frame.size, np.float32)
        truth[tuple(judged.pixels)] = judged.true
        content["truth"] = pack_map(sampled(truth, size), DEPTH_STEP)
    return content


def as_json(content: dict[str, Any]) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _pack_points(pixels: NDArray[np.intp], *values: tuple[FloatArray, float]) -> str:
    """Pack columns: x, y, and the codes of each kind of value, (N,) metres, with its step."""
    count = pixels.shape[1]
    kept = np.arange(count)
    if count > MOST_POINTS:
        kept = np.sort(np.random.default_rng(0).choice(count, MOST_POINTS, replace=False))
    columns = [pixels[1], pixels[0], *(logarithmic(of, step) for of, step in values)]
    return pack_numbers(np.stack([column[kept] for column in columns]).astype(np.uint16))


def _web(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")
