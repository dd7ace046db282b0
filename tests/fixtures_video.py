"""A small video: five frames of 64x48 at 10 Hz, each of one colour, lossless."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[[], Path]:
    """Write the video; return its path. Frame i is (40 i, 10, 100), so frames are told apart."""
    av = pytest.importorskip("av")

    def write() -> Path:
        path = tmp_path / "walk.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
            for index in range(5):
                picture = np.full((48, 64, 3), (40 * index, 10, 100), np.uint8)
                container.mux(
                    stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0"))
                )
            container.mux(stream.encode())
        return path

    return write
