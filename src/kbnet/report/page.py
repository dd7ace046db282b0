"""Self-contained HTML page: pictures, depth, charts and an interactive point cloud.

The template is in ``web/``; this module fills it. The page opens from a folder and loads nothing from the network (its
content policy forbids it). It is written frame by frame.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kbnet.evaluation.methods import NETWORK
from kbnet.evaluation.point_errors import Judging
from kbnet.files import atomic_path
from kbnet.frame import FloatArray, ImageArray
from kbnet.frames.depth_png import nearest_pixels
from kbnet.report.colour import DEPTH_COLOURS, ERROR_COLOURS
from kbnet.report.figures import Figures, ShownFrame
from kbnet.report.picture import SPARSE_TRUTH

WEB = Path(__file__).with_name("web")
SCRIPTS = ("unpack.js", "colours.js", "panels.js", "cloud.js", "charts.js", "page.js")
MOST_POINTS = 20_000
"""Largest number of points of one kind in a frame of the page."""
LEAST = 0.001
"""Value of the code 1, metres; the code 0 is unmeasured."""
DEPTH_STEP, ERROR_STEP = 0.001, 0.02
"""Logarithmic step from one code to the next: 0.1 % for depth, 2 % for errors."""
JPEG_QUALITY = 85


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
        "depth": pack_map(nearest_pixels(shown.depth, size), DEPTH_STEP),
        "expected": pack_map(nearest_pixels(shown.expected_error, size), ERROR_STEP),
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
        content["truth"] = pack_map(nearest_pixels(truth, size), DEPTH_STEP)
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


def pack_map(values: FloatArray, step: float) -> str:
    """Pack a map: codes are stored as differences from the plane through their neighbours, which are mostly small.

    Args:
        values: (H, W), metres; 0 = unmeasured.
        step: ``DEPTH_STEP`` or ``ERROR_STEP``.
    """
    codes = logarithmic(values, step)
    above = np.diff(codes, axis=0, prepend=np.zeros((1, codes.shape[1]), np.uint16))
    differences = np.diff(above, axis=1, prepend=np.zeros((codes.shape[0], 1), np.uint16)).view(np.int16)
    # Signed to unsigned: 0, -1, 1, -2 become 0, 1, 2, 3.
    return pack_numbers(((differences << 1) ^ (differences >> 15)).view(np.uint16))


def pack_numbers(numbers: NDArray[np.uint16]) -> str:
    """Pack numbers of any shape, row by row: all low bytes, then all high bytes, deflated, in base64."""
    planes = np.concatenate([(numbers & 255).ravel(), (numbers >> 8).ravel()]).astype(np.uint8)
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def pack_image(image: ImageArray, size: tuple[int, int]) -> str:
    """JPEG of (H, W) pixels as a ``data:`` address."""
    file = BytesIO()
    picture = Image.fromarray(image)
    if size != image.shape[:2]:
        picture = picture.resize(size[::-1], Image.Resampling.LANCZOS)
    picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def logarithmic(values: NDArray[np.floating], step: float) -> NDArray[np.uint16]:
    """Codes of values ``LEAST * exp((code - 1) * step)``; 0 for 0, 1 for values below ``LEAST``."""
    codes = np.rint(np.log(np.maximum(values, LEAST) / LEAST) / step) + 1
    return np.where(values > 0, codes, 0).astype(np.uint16)
