"""Films: GIF by pillow, MP4 by PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frame import ImageArray

SUFFIXES = (".gif", ".mp4")
CODECS = {
    "libx264": {"crf": "20", "x264-params": "threads=1:cpu-independent=1"},
    "mpeg4": {"qscale": "3"},
}
"""Codecs for MP4 with their options; the first one that PyAV has is used. The AVX-512 code of x264 sometimes gives
other bytes for equal pictures, and so does another number of threads."""
COLOURS_FROM = 8
"""Number of pictures from which the 256 colours of a GIF are chosen."""


def check_film_name(path: str | Path) -> None:
    """Check that a file name has the suffix of a GIF or MP4.

    Raises:
        KBNetError: it has another suffix.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise KBNetError(f"expected a film to end in {' or '.join(SUFFIXES)}, got {path}; choose one of them")


def write_film(path: str | Path, pictures: Iterable[ImageArray], fps: int) -> None:
    """Write pictures as a looping film; the file appears complete or not at all.

    Args:
        path: ``.gif`` or ``.mp4``.
        pictures: RGB, (H, W, 3), uint8, all of one size, which is even for MP4; at least one.

    Raises:
        KBNetError: the suffix is another.
        ModuleNotFoundError: PyAV is not installed, for MP4.
    """
    check_film_name(path)
    write = _write_gif if Path(path).suffix.lower() == ".gif" else _write_mp4
    with atomic_path(path) as temporary:
        write(temporary, pictures, fps)


def _write_gif(path: Path, pictures: Iterable[ImageArray], fps: int) -> None:
    frames = list(pictures)
    some = frames[:: -(-len(frames) // COLOURS_FROM)]
    palette = Image.fromarray(np.concatenate(some)).quantize(256)
    # Without dithering, whose noise would flicker and compress badly.
    first, *others = (Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, optimize=False)


def _write_mp4(path: Path, pictures: Iterable[ImageArray], fps: int) -> None:
    import av

    remaining = iter(pictures)
    first = next(remaining)
    with av.open(str(path), "w") as film:
        codec = next(name for name in CODECS if name in av.codecs_available)
        stream: Any = film.add_stream(codec, rate=fps, options=CODECS[codec])
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in chain([first], remaining):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        film.mux(stream.encode())
