"""What a page holds of a map: read back by a slow reader of its own, and small."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from kbnet.report.page import (
    DEPTH_STEP,
    ERROR_STEP,
    LEAST,
    logarithmic,
    pack_image,
    pack_map,
    pack_numbers,
)


def _numbers(text: str) -> NDArray[np.uint16]:
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, -1)
    return planes[0] + 256 * planes[1].astype(np.uint16)


def _codes(text: str, height: int, width: int) -> NDArray[np.int64]:
    """The reader of ``web/unpack.js``, one pixel after another."""
    folded = _numbers(text).reshape(height, width).astype(np.int64)
    codes = np.zeros((height + 1, width + 1), np.int64)
    for y in range(height):
        for x in range(width):
            difference = (folded[y, x] >> 1) ^ -(folded[y, x] & 1)
            codes[y + 1, x + 1] = (difference + codes[y + 1, x] + codes[y, x + 1] - codes[y, x]) % 65536
    return codes[1:, 1:]


def test_pack_numbers_keeps_every_number() -> None:
    numbers = np.array([[0, 1, 255], [256, 40000, 65535]], np.uint16)
    np.testing.assert_array_equal(_numbers(pack_numbers(numbers)), numbers.ravel())


@pytest.mark.parametrize("step", [DEPTH_STEP, ERROR_STEP])
def test_pack_map_is_read_back_to_half_a_step(step: float) -> None:
    generator = np.random.default_rng(0)
    depth = generator.uniform(0.002, 200, (7, 9)).astype(np.float32)
    depth[2, 3:] = 0
    codes = _codes(pack_map(depth, step), 7, 9)
    found = np.where(codes > 0, LEAST * np.exp((codes - 1) * step), 0)
    assert ((found == 0) == (depth == 0)).all()
    np.testing.assert_allclose(found, depth, rtol=0.51 * step)


def test_pack_map_of_a_smooth_depth_is_small() -> None:
    y, x = np.mgrid[:120, :160]
    depth = (2 + 0.01 * y + 0.003 * x).astype(np.float32)
    assert len(pack_map(depth, DEPTH_STEP)) < 0.4 * depth.size


def test_logarithmic_tells_unmeasured_from_very_near() -> None:
    assert logarithmic(np.array([0, 1e-6, LEAST, 1.0]), DEPTH_STEP).tolist() == [0, 1, 1, 6909]


def test_pack_image_is_a_jpeg_of_the_size() -> None:
    image = np.full((40, 60, 3), 128, np.uint8)
    start, _, data = pack_image(image, (20, 30)).partition(",")
    assert start == "data:image/jpeg;base64"
    assert base64.b64decode(data)[:2] == b"\xff\xd8"
