"""The 16-bit depth codec: what goes in comes out, and what is no depth map is refused in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.frames.depth_png import MAXIMUM_DEPTH, nearest_pixels, read_depth_png, write_depth_png


def test_depth_png_returns_every_sixteen_bit_value(tmp_path: Path) -> None:
    depth = np.arange(65536, dtype=np.float32).reshape(256, 256) / 256
    write_depth_png(tmp_path / "depth.png", depth)
    read = read_depth_png(tmp_path / "depth.png")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, depth)


def test_depth_png_holds_metres_times_256(tmp_path: Path) -> None:
    write_depth_png(tmp_path / "depth.png", np.array([[0.0, 1.0, 2.5]]))
    with Image.open(tmp_path / "depth.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture).tolist() == [[0, 256, 640]]
    assert (tmp_path / "depth.png").read_bytes()[24:26] == bytes([16, 0])  # bit depth 16, colour type greyscale


def test_depth_png_rounds_to_the_nearest_unit(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).uniform(0.1, 200.0, (40, 50)).astype(np.float32)
    write_depth_png(tmp_path / "depth.png", depth)
    assert np.abs(read_depth_png(tmp_path / "depth.png") - depth).max() <= 0.5 / 256


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 256.0])
def test_write_depth_png_refuses_what_the_file_cannot_hold(tmp_path: Path, value: float) -> None:
    depth = np.ones((4, 5), np.float32)
    depth[2, 3] = value
    with pytest.raises(ValueError, match="depth"):
        write_depth_png(tmp_path / "depth.png", depth)
    assert list(tmp_path.iterdir()) == []


def test_write_depth_png_names_the_deepest_value_it_takes(tmp_path: Path) -> None:
    write_depth_png(tmp_path / "depth.png", np.full((2, 2), MAXIMUM_DEPTH))
    with pytest.raises(ValueError, match=r"at most 255\.996 m, got 300\.000 m"):
        write_depth_png(tmp_path / "depth.png", np.full((2, 2), 300.0))


@pytest.mark.parametrize("depth", [np.ones((2, 2), np.uint16), np.ones((1, 2, 2), np.float32), np.zeros((0, 3)), None])
def test_write_depth_png_refuses_other_arrays(tmp_path: Path, depth: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        write_depth_png(tmp_path / "depth.png", depth)


@pytest.mark.parametrize(
    ("array", "mode"),
    [
        (np.zeros((4, 4), np.uint8), "L"),
        (np.zeros((4, 4, 3), np.uint8), "RGB"),
        (np.zeros((4, 4, 4), np.uint8), "RGBA"),
    ],
)
def test_read_depth_png_refuses_eight_bit_and_colour(tmp_path: Path, array: np.ndarray, mode: str) -> None:
    Image.fromarray(array).save(tmp_path / "depth.png")
    with pytest.raises(ValueError, match=rf"expected a 16-bit greyscale PNG \(metres x 256\).*got mode '{mode}'"):
        read_depth_png(tmp_path / "depth.png")


def test_read_depth_png_says_how_to_write_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", np.ones((4, 4), np.float32))
    with pytest.raises(ValueError, match=r"expected a 16-bit greyscale PNG .*depth\.npy; write it with kbnet\."):
        read_depth_png(tmp_path / "depth.npy")


def test_read_depth_png_refuses_sixteen_bits_in_another_format(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "depth.tiff")
    with pytest.raises(ValueError, match="TIFF"):
        read_depth_png(tmp_path / "depth.tiff")


@pytest.mark.parametrize("kept", [0, 4, 30, 200])
def test_read_depth_png_refuses_a_truncated_file(tmp_path: Path, kept: int) -> None:
    depth = np.random.default_rng(0).uniform(0, 9, (40, 50)).astype(np.float32)
    write_depth_png(tmp_path / "depth.png", depth)
    (tmp_path / "depth.png").write_bytes((tmp_path / "depth.png").read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"expected a depth map.*depth\.png cannot be read") as caught:
        read_depth_png(tmp_path / "depth.png")
    assert "\n" not in str(caught.value)


def test_read_depth_png_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none.png"))):
        read_depth_png(tmp_path / "none.png")


def test_nearest_pixels_takes_pixels_as_they_are() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(nearest_pixels(values, (4, 6)), values)
    np.testing.assert_array_equal(nearest_pixels(values, (2, 3)), values[1::2, 1::2])
