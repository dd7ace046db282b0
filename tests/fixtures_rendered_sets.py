"""SceneNet RGB-D and Virtual KITTI 2 in their published layout, small and made by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WALL_M, FLOOR_M = 2.0, 5.0
"""Depth along z of the SceneNet frames: left and right half."""
STREET_M = 12.34
SIZE, KITTI_SIZE = (60, 100), (66, 110)
"""Of the rendered streets, and of KITTI's lidar depth."""
DRIVES = {"2011_09_26_drive_0001_sync": 3, "2011_09_26_drive_0009_sync": 2}
"""Frames of each drive; the scene has three."""


@pytest.fixture
def scenenet(tmp_path: Path) -> Path:
    """``train`` with the trajectories 0/77 and 0/78 of five frames; 0/77/2125 is one that is left out by name."""
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:240, :320]
    ray = np.sqrt(1 + ((x + 0.5 - 160) / 277.128) ** 2 + ((y + 0.5 - 120) / 289.706) ** 2)
    depth_mm = np.rint(1000 * np.where(x < 160, WALL_M, FLOOR_M) * ray).astype(np.uint16)
    depth_mm[:20, :20] = 0
    for trajectory, first in (("77", 2075), ("78", 0)):
        folder = tmp_path / "scenenet" / "train" / "0" / trajectory
        for name in ("photo", "depth"):
            (folder / name).mkdir(parents=True)
        for number in range(first, first + 125, 25):
            image = np.kron(generator.integers(0, 256, (24, 32, 3)), np.ones((10, 10, 1))).astype(np.uint8)
            Image.fromarray(image).save(folder / "photo" / f"{number}.jpg", quality=95)
            Image.fromarray(depth_mm).save(folder / "depth" / f"{number}.png")
    return tmp_path / "scenenet" / "train"


@pytest.fixture
def vkitti(tmp_path: Path) -> Path:
    """Scene01 of three frames and two cameras, each archive in a folder of its name; the upper third is sky."""
    root = tmp_path / "vkitti"
    depth_cm = np.full(SIZE, round(100 * STREET_M), np.uint16)
    depth_cm[:20] = 65535
    for camera in (0, 1):
        for kind, array in (("rgb", np.full((*SIZE, 3), 90, np.uint8)), ("depth", depth_cm)):
            folder = root / f"vkitti_2.0.3_{kind}" / "Scene01" / "clone" / "frames" / kind / f"Camera_{camera}"
            folder.mkdir(parents=True)
            for number in range(3):
                suffix = {"rgb": "jpg", "depth": "png"}[kind]
                Image.fromarray(array).save(folder / f"{kind}_{number:05}.{suffix}")
    text = root / "vkitti_2.0.3_textgt" / "Scene01" / "clone"
    text.mkdir(parents=True)
    keys = [(number, camera) for number in range(3) for camera in (0, 1)]
    pinhole = "\n".join(f"{number} {camera} 80 80 49.5 29.5" for number, camera in keys)
    (text / "intrinsic.txt").write_text(f"frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n{pinhole}\n")
    # World to camera: the camera stands at z = number, camera 1 half a metre to the right.
    motion = "\n".join(
        f"{number} {camera} 1 0 0 {-0.5 * camera} 0 1 0 0 0 0 1 {-number} 0 0 0 1" for number, camera in keys
    )
    (text / "extrinsic.txt").write_text(f"frame cameraID r1,1 r1,2 ...\n{motion}\n")
    return root


@pytest.fixture
def lidar_masks(tmp_path: Path) -> Path:
    """``train`` of KITTI's lidar depth with two drives; frame i of a drive has points in column 10 (i + 1) alone."""
    for drive, count in DRIVES.items():
        for camera in ("image_02", "image_03"):
            folder = tmp_path / "velodyne" / "train" / drive / "proj_depth" / "velodyne_raw" / camera
            folder.mkdir(parents=True)
            for index in range(count):
                depth = np.zeros(KITTI_SIZE, np.uint16)
                depth[::2, 10 * (index + 1)] = 9 * 256
                Image.fromarray(depth).save(folder / f"{index + 5:010}.png")
    return tmp_path / "velodyne" / "train"
