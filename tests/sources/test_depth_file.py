"""Depth as programs write it: .npy, EXR and 16-bit PNG; a unit that the file does not say is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.frames.npy_file import read_npy
from kbnet.limits import LIMITS
from kbnet.sources.depth_file import read_depth_file

DEPTH = np.array([[1.5, 2.25, 0.0], [4.0, 300.0, 7.5]], np.float32)
READ = np.where(DEPTH > 255, 0, DEPTH)
"""What is deeper than depth files hold counts as unmeasured."""


def test_floats_are_metres_and_whole_numbers_need_a_unit(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DEPTH[None, ..., None])
    np.testing.assert_array_equal(read_depth_file(tmp_path / "a.npy"), READ)
    np.save(tmp_path / "odd.npy", np.array([[np.nan, np.inf, -1.0, 1e10, 2.0]]))
    np.testing.assert_array_equal(read_depth_file(tmp_path / "odd.npy"), [[0, 0, 0, 0, 2]])
    for type_, largest in ((np.uint16, 65535), (np.int16, 32767), (np.uint32, 2**32 - 1)):
        np.save(tmp_path / "largest.npy", np.array([[2000, largest]], type_))
        np.testing.assert_allclose(read_depth_file(tmp_path / "largest.npy", 0.001), [[2, 0]])
    Image.fromarray(np.array([[2000, 65535, 65534]], np.uint16)).save(tmp_path / "largest.png")
    np.testing.assert_allclose(read_depth_file(tmp_path / "largest.png", 0.001), [[2, 0, 65.534]])
    millimetres = (DEPTH * 1000).astype(np.uint32)
    np.save(tmp_path / "mm.npy", millimetres)
    Image.fromarray(np.where(millimetres > 65535, 0, millimetres).astype(np.uint16)).save(tmp_path / "mm.png")
    for name in ("mm.npy", "mm.png"):
        np.testing.assert_allclose(read_depth_file(tmp_path / name, 0.001), READ)
        with pytest.raises(ValueError, match=r"unit .* is not known: .*0\.001 \(millimetres\): \S+ m; 0\.0039"):
            read_depth_file(tmp_path / name)
    np.save(tmp_path / "float_mm.npy", 1000 * READ)
    with pytest.raises(
        ValueError, match=r"looks like millimetres read as metres; give metres in one unit \(--depth-un"
    ):
        read_depth_file(tmp_path / "float_mm.npy")
    np.testing.assert_allclose(read_depth_file(tmp_path / "float_mm.npy", 0.001), READ)


@pytest.mark.parametrize(("steps", "refused"), [(255, True), (65535, True), (1000, False), (256, False), (5000, False)])
@pytest.mark.parametrize("type_", [np.float32, np.float64])
def test_pictures_scaled_to_one_are_no_metres_but_near_depth_is(
    steps: int, refused: bool, type_: type[np.floating], tmp_path: Path
) -> None:
    counts = np.random.default_rng(0).integers(round(0.3 * steps), round(0.9 * steps), (40, 40))
    np.save(tmp_path / "a.npy", (counts / steps).astype(type_))
    if refused:
        with pytest.raises(ValueError, match=rf"got fractions of {steps} up to 0\.\d+ in .*--depth-unit"):
            read_depth_file(tmp_path / "a.npy")
    np.testing.assert_allclose(read_depth_file(tmp_path / "a.npy", 1.0 if refused else None), counts / steps, rtol=1e-6)


@pytest.mark.parametrize("channels", ["Z", "V", "Depth.V", "ViewLayer.Depth.Z", "RGB"])
def test_exr_is_read_by_the_channel_of_depth(channels: str, tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    path = tmp_path / "a.exr"
    background = np.where(DEPTH == 0, 1e10, DEPTH).astype(np.float32)
    content = {channels: np.stack([background] * 3, -1) if channels == "RGB" else background}
    if channels == "Z":
        content["A"] = np.ones_like(DEPTH)
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    with exr.File(header, content) as file:
        file.write(str(path))
    np.testing.assert_array_equal(read_depth_file(path), READ)


def test_exr_of_colours_or_damaged_is_refused(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    path = tmp_path / "a.exr"
    colours = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    with exr.File(header, {"RGB": colours}) as file:
        file.write(str(path))
    with pytest.raises(ValueError, match=r"expected one channel of depth \(Z\) .* got B, G, R"):
        read_depth_file(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="cannot be read"):
        read_depth_file(path)
    with pytest.raises(FileNotFoundError):
        read_depth_file(tmp_path / "b.exr")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"PK\x03\x04abc", "cannot be read"),
        (b"\x93NUMPY\x01\x00\x76", "cannot be read"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }", "header says 80000000000000 bytes"),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**70},), }}", "header says"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", "its type is object"),
        ("{'descr': '<c16', 'fortran_order': False, 'shape': (0,), }", "its type is complex128"),
        ("[" * 9000, "cannot be read"),
    ],
)
def test_npy_files_that_lie_are_refused_before_memory_is_taken(
    header: str | bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "K.npy"
    if isinstance(header, str):
        text = header.ljust(118).encode() + b"\n"
        header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    path.write_bytes(header)
    with pytest.raises(ValueError, match=message):
        read_npy(path, "the matrix K")


def test_a_mask_is_no_depth(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 5), bool))
    with pytest.raises(ValueError, match=r"expected depth as .* numbers, got bool"):
        read_depth_file(tmp_path / "a.npy", 1.0)


def test_exr_of_many_channels_in_few_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exr = pytest.importorskip("OpenEXR")
    channels = {f"c{number}": np.ones((100, 100), np.float32) for number in range(30)}
    with exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, channels) as file:
        file.write(str(tmp_path / "a.exr"))
    monkeypatch.setitem(LIMITS, "pixels", 100 * 100)
    assert read_depth_file(tmp_path / "a.exr").any()
    monkeypatch.setattr("kbnet.sources.depth_file.LARGEST_PACKING", 1)
    with pytest.raises(KBNetError, match="at most 10,000 pixels"):
        read_depth_file(tmp_path / "a.exr")
