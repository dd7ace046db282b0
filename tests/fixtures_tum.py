"""A small recording in TUM's format: three images, depth of 2 m that slopes, poses on a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteRecording = Callable[..., Path]


@pytest.fixture
def write_recording(tmp_path: Path) -> WriteRecording:
    """Write it and return its folder; depth comes ``late`` seconds after each image, in ``units`` a metre."""

    def write(name: str = "recording", *, late: float = 0.01, units: float = 5000, frames: int = 3) -> Path:
        folder = tmp_path / name
        generator = np.random.default_rng(0)
        depth = np.linspace(1.5, 2.5, 40)[:, None] * np.ones((40, 48))
        lists: dict[str, list[str]] = {"rgb": [], "depth": []}
        for part, delay in (("rgb", 0.0), ("depth", late)):
            (folder / part).mkdir(parents=True)
            for index in range(frames):
                time = 100 + index / 30 + delay
                lists[part].append(f"{time:.6f} {part}/{time:.6f}.png")
                picture = (
                    generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
                    if part == "rgb"
                    else np.rint(depth * units).clip(0, 65535).astype(np.uint16)
                )
                Image.fromarray(picture).save(folder / part / f"{time:.6f}.png")
        for part, lines in lists.items():
            (folder / f"{part}.txt").write_text("# timestamp filename\n" + "\n".join(lines) + "\n")
        (folder / "groundtruth.txt").write_text(
            "# timestamp tx ty tz qx qy qz qw\n100 0 0 0 0 0 0 1\n100.05 1 0 0 0 0 0 1\n"
        )
        (folder / "K.txt").write_text("50 0 23.5\n0 50 19.5\n0 0 1\n")
        return folder

    return write
