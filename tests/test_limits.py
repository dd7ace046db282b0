"""Files that announce more than is allowed are refused before they are read, unless the environment allows more."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz.limits import limits
from PIL import Image

from kbnet.datasets.archive import names
from kbnet.errors import KBNetError
from kbnet.frames.image_file import read_image
from kbnet.frames.npy_file import read_npy
from kbnet.frames.prior_files import read_prior
from kbnet.limits import check_count
from kbnet.sources.depth_file import read_depth_file
from kbnet.sources.point_cloud_file import read_points
from kbnet.sources.trajectory import read_tum_trajectory

MANY = 300_000_001
XYZ = "property float x\nproperty float y\nproperty float z\n"


def sparse(path: Path, header: bytes, size: int = 12 * MANY) -> None:
    """A file of that size whose body takes no room on the disk."""
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


def npy(path: Path) -> None:
    header = str({"descr": "<f4", "fortran_order": False, "shape": (10_001, 10_000)}).encode().ljust(117) + b"\n"
    sparse(path, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header, 4 * 10_001 * 10_000)


def ply(path: Path) -> None:
    sparse(path, f"ply\nformat binary_little_endian 1.0\nelement vertex {MANY}\n{XYZ}end_header\n".encode())


def pcd(path: Path) -> None:
    lines = ("FIELDS x y z", "SIZE 4 4 4", "TYPE F F F", "COUNT 1 1 1", f"POINTS {MANY}", "DATA binary", "")
    sparse(path, "\n".join(("VERSION 0.7", *lines)).encode())


def scan(path: Path) -> None:
    sparse(path, b"", 16 * MANY)


def las(path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    laspy.create(point_format=0, file_version="1.2").write(str(path))
    content = bytearray(path.read_bytes())
    content[107:111] = struct.pack("<I", MANY)
    sparse(path, bytes(content), 20 * MANY)


def table(path: Path) -> None:
    sparse(path, b"", 2_000_000_001)


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", b"x")
    content = bytearray(path.read_bytes())
    content[-10:-6] = struct.pack("<I", 46 * 2_000_001)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "name", "read", "what"),
    [
        (npy, "a.npy", lambda path: read_npy(path, "depth"), "100,000,000 numbers in .*, got 100,010,000"),
        (ply, "a.ply", read_points, "300,000,000 points in .*, got 300,000,001"),
        (pcd, "a.pcd", read_points, "300,000,000 points in .*, got 300,000,001"),
        (scan, "a.bin", read_points, "300,000,000 points in .*, got 300,000,001"),
        (las, "a.las", read_points, "300,000,000 points in .*, got 300,000,001"),
        (table, "a.txt", read_tum_trajectory, "2,000,000,000 bytes of text in .*, got 2,000,000,001"),
        (archive, "a.zip", names, "2,000,000 entries in .*, got 2,000,001"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_more_than_allowed_is_refused_before_it_is_read(
    make: Callable[[Path], None], name: str, read: Callable[[Path], object], what: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    with limits(), pytest.raises(KBNetError, match=rf"expected at most {what}.*KBNET_LIMITS=2 in the environment"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_depth_file(path, 0.01),
        lambda path: read_prior(path, "metric"),
        lambda path: read_npy(path, ""),
    ],
    ids=["depth", "prior", "numbers"],
)
def test_numbers_of_8_bits_take_at_most_ten_times_their_bytes(read: Callable[[Path], object], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2000, 2000), 100, np.uint8))
    tracemalloc.start()
    try:
        read(tmp_path / "a.npy")
        assert tracemalloc.get_traced_memory()[1] < 10 * 2000 * 2000
    finally:
        tracemalloc.stop()


def test_the_environment_multiplies_all_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.zeros(201))
    monkeypatch.setenv("KBNET_LIMITS", "1e-6")
    with pytest.raises(KBNetError, match=r"at most 100 pixels in .*, got 200"):
        read_image(tmp_path / "a.png")
    with pytest.raises(KBNetError, match=r"at most 100 numbers in .*, got 201"):
        read_npy(tmp_path / "a.npy", "depth")
    monkeypatch.setenv("KBNET_LIMITS", "2e-6")
    assert read_image(tmp_path / "a.png").shape == (10, 20, 3)
    monkeypatch.setenv("KBNET_LIMITS", "3")
    check_count(900_000_000, "points", "a.ply")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e308", "much"])
def test_a_factor_that_is_no_positive_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KBNET_LIMITS", text)
    with pytest.raises(KBNetError, match=f"expected KBNET_LIMITS as a positive number, got '{text}'"):
        check_count(1, "points", "a.ply")
