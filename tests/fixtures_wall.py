"""Tiny sequences of a camera that slides along a textured wall."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from kbnet.frames.depth_png import write_depth_png

HEIGHT, WIDTH, FOCAL_LENGTH, DEPTH, STEP_PX = 36, 44, 40.0, 2.0, 2

WriteSequence = Callable[..., Path]


@pytest.fixture
def write_sequence(tmp_path: Path) -> WriteSequence:
    """Write a sequence of 36x44 frames of a wall 2 m ahead, two pixels of motion apart; return its folder."""

    def write(
        name: str = "wall",
        *,
        frames: int = 6,
        seed: int = 0,
        poses: bool = True,
        truth: bool = True,
        sparse_depths: tuple[str, ...] = ("sparse_depth",),
    ) -> Path:
        folder = tmp_path / name
        generator = np.random.default_rng(seed)
        wall = gaussian_filter(generator.normal(size=(HEIGHT, WIDTH + STEP_PX * frames, 3)), (1.5, 1.5, 0))
        wall = (128 + 60 * wall / wall.std()).clip(0, 255).astype(np.uint8)
        depth = np.full((HEIGHT, WIDTH), DEPTH, np.float32)
        (folder / "image").mkdir(parents=True)
        (folder / "K.txt").write_text(f"{FOCAL_LENGTH} 0 21.5\n0 {FOCAL_LENGTH} 17.5\n0 0 1\n")
        for index in range(frames):
            seen = wall[:, STEP_PX * index : STEP_PX * index + WIDTH]
            Image.fromarray(seen).save(folder / "image" / f"{index:04}.png")
            for density, sparse_depth in enumerate(sparse_depths, start=1):
                points = np.where(generator.random(depth.shape) < 0.05 * density, depth, np.float32(0))
                write_depth_png(folder / sparse_depth / f"{index:04}.png", points)
            if truth:
                write_depth_png(folder / "ground_truth" / f"{index:04}.png", depth)
            if poses:
                (folder / "absolute_pose").mkdir(exist_ok=True)
                T_world_camera = np.eye(4)
                T_world_camera[0, 3] = index * STEP_PX * DEPTH / FOCAL_LENGTH
                np.savetxt(folder / "absolute_pose" / f"{index:04}.txt", T_world_camera)
        return folder

    return write
