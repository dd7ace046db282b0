"""Synthetic frames for benchmarks: a smooth image with grain, and slanted ground with boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kbnet.frame import Frame, ImageArray
from kbnet.frames.sequence_writer import PosedFrame, write_sequence

MEASURED_SHARE = {"void": 0.005, "kitti": 0.05}
"""Share of the pixels with a sparse point: 1536 at 640x480, as in VOID 1500; about that of KITTI's lidar."""
DEPTHS = {"void": (6.0, 1.0), "kitti": (60.0, 4.0)}
"""Depth of the first and last row, metres."""
BLOB = 16
"""Distance between independent colours, pixels."""


def preset_for(max_depth: float) -> str:
    """Preset of frames for a network with depths up to ``max_depth``, metres."""
    return "kitti" if max_depth > 50 else "void"


def made_frame(width: int, height: int, preset: str, seed: int = 0, name: str = "made") -> Frame:
    """Make a synthetic frame with random sparse points; equal arguments give equal frames.

    Args:
        preset: ``void`` or ``kitti``, for the number of points and their depth.
    """
    generator = np.random.default_rng(seed)
    far, near = DEPTHS[preset]
    depth = np.repeat(np.linspace(far, near, height, dtype=np.float32)[:, None], width, axis=1)
    for _ in range(6):
        top, left = generator.integers(0, height * 3 // 4), generator.integers(0, width * 3 // 4)
        depth[top : top + height // 4, left : left + width // 6] *= np.float32(0.7)
    points = np.where(generator.random(depth.shape) < MEASURED_SHARE[preset], depth, np.float32(0))
    K = np.array([[0.8 * width, 0, width / 2], [0, 0.8 * width, height / 2], [0, 0, 1]], np.float32)
    return Frame(_image(width, height, generator), points, K, depth, name=name)


def write_made_sequence(folder: Path, frames: int, width: int, height: int, preset: str) -> None:
    """Write a sequence of different synthetic frames, to measure reading speed."""

    def posed(index: int) -> PosedFrame:
        T_world_camera = np.eye(4)
        T_world_camera[0, 3] = 0.02 * index
        return PosedFrame(made_frame(width, height, preset, index, name=f"{index:04}"), T_world_camera)

    write_sequence(folder, map(posed, range(frames)))


def _image(width: int, height: int, generator: np.random.Generator) -> ImageArray:
    """Smooth colours with grain; a PNG of it is about as large as that of a photograph."""
    blobs = generator.integers(0, 256, (height // BLOB + 2, width // BLOB + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    grain = generator.integers(-4, 5, smooth.shape, dtype=np.int16)
    grainy: ImageArray = (smooth + grain).clip(0, 255).astype(np.uint8)
    return grainy
