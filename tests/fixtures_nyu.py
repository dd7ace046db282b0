"""NYU v2 in small: its archive and a raw part in exactly the published layouts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kbnet.frame import FloatArray, ImageArray

SIZE = (480, 640)
SCENE = "kitchen_0003"
OTHER_SCENE = "bedroom_0012"
"""Not one of _0000 to _0004, so no part of the published training set."""


@pytest.fixture(scope="session")
def nyu_archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``nyu_v2.zip`` (22 training and 3 test frames, metres x 256) and ``kitchens_part9.zip`` (raw)."""
    folder = tmp_path_factory.mktemp("nyu_archives")
    with zipfile.ZipFile(folder / "nyu_v2.zip", "w") as archive:
        for name, contents in published_files().items():
            archive.writestr(name, contents)
    with zipfile.ZipFile(folder / "kitchens_part9.zip", "w") as archive:
        for name, contents in raw_files("kitchen_0021a").items():
            archive.writestr(name, contents)
    return folder


@pytest.fixture
def write_nyu(tmp_path: Path) -> Callable[..., Path]:
    """Write files of the archive, as `published_files` makes them, to the folder ``unpacked``; return it."""

    def write(**options: int) -> Path:
        return _write(tmp_path / "unpacked", published_files(**options))

    return write


@pytest.fixture
def write_raw_scene(tmp_path: Path) -> Callable[..., Path]:
    """Write a scene of a raw part to the folder ``part``; return that."""

    def write(scene: str = "office_0007", *, frames: int = 3) -> Path:
        return _write(tmp_path / "part", raw_files(scene, frames))

    return write


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, contents in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)
    return folder


def published_files(*, units: int = 256, training: int = 22, testing: int = 3, first: int = 1) -> dict[str, bytes]:
    """Files of the archive by name; a few rendered frames are repeated.

    Args:
        units: of depth, per metre.
        training, testing: frames.
        first: number of the first test frame.
    """
    images = [png(render(shift)) for shift in (0, 4, 8)]
    depths = [png(np.rint(slope(shift) * units).astype(np.uint16)) for shift in (0, 4, 8)]
    files = {}
    for scene, frames in ((SCENE, training), (OTHER_SCENE, 1)):
        for index in range(frames):
            files[f"training/images/raw_data/{scene}/{index}.png"] = images[index % 3]
            files[f"training/depths/raw_data/{scene}/{index}.png"] = depths[index % 3]
    for index in range(testing):
        files[f"testing/images/{first + index}.png"] = images[index % 3]
        files[f"testing/depths/{first + index}.png"] = depths[index % 3]
    return files


def raw_files(scene: str, frames: int = 3) -> dict[str, bytes]:
    """Files of a raw part by name: colour 10 ms after depth, and an accelerometer dump that nobody reads."""
    files = {f"{scene}/a-1294886362.000000-1.dump": b"\0" * 40}
    for index in range(frames):
        time = 1294886362 + index / 25
        files[f"{scene}/r-{time + 0.01:.6f}-{index}.ppm"] = ppm(render(4 * index))
        disparity = np.rint(1092.5 - 351.3 / slope(4 * index)).astype(np.uint16)
        disparity[:, :30] = 2047
        files[f"{scene}/d-{time:.6f}-{index}.pgm"] = pgm(disparity)
    return files


def render(shift: int) -> ImageArray:
    """Blocks of random grey, moved to the left."""
    blocks = np.random.default_rng(0).integers(0, 256, (30, 42), dtype=np.uint8)
    grey = np.kron(blocks, np.ones((16, 16), np.uint8))[:, shift : shift + SIZE[1]]
    return np.stack([grey, grey // 2 + 40, 255 - grey], axis=-1)


def slope(shift: int) -> FloatArray:
    """A wall that is farther to the right, metres."""
    row = np.linspace(1.5, 4, SIZE[1] + 16, dtype=np.float32)[shift : shift + SIZE[1]]
    return np.tile(row, (SIZE[0], 1))


def png(picture: NDArray[np.generic]) -> bytes:
    """A picture as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def ppm(image: ImageArray) -> bytes:
    """A colour image as the Kinect wrote it."""
    return b"P6\n%d %d\n255\n" % (image.shape[1], image.shape[0]) + image.tobytes()


def pgm(disparity: NDArray[np.uint16]) -> bytes:
    """Raw disparity as the Kinect wrote it, low byte first."""
    return b"P5\n%d %d\n65535\n" % (disparity.shape[1], disparity.shape[0]) + disparity.astype("<u2").tobytes()
