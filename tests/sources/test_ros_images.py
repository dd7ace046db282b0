"""Every encoding of a picture gives the same picture; depth comes in metres."""

from __future__ import annotations

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kbnet.sources.ros_images import decode_depth, decode_image, demosaic, is_depth

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def message(encoding: str, pixels: NDArray, *, padding: int = 0, big: bool = False) -> SimpleNamespace:
    stored = pixels.astype(pixels.dtype.newbyteorder(">")) if big else pixels
    rows = np.ascontiguousarray(stored).view(np.uint8).reshape(pixels.shape[0], -1)
    data = np.pad(rows, ((0, 0), (0, padding)))
    return SimpleNamespace(
        encoding=encoding,
        height=pixels.shape[0],
        width=pixels.shape[1],
        step=data.shape[1],
        data=data.reshape(-1),
        is_bigendian=int(big),
    )


def compressed(format_: str, content: bytes) -> SimpleNamespace:
    return SimpleNamespace(format=format_, data=np.frombuffer(content, np.uint8))


def png(picture: NDArray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", PICTURE),
        ("bgr8", PICTURE[..., ::-1]),
        ("8UC3", PICTURE[..., ::-1]),
        ("rgba8", np.dstack([PICTURE, PICTURE[..., :1]])),
        ("bgra8", np.dstack([PICTURE[..., ::-1], PICTURE[..., :1]])),
        ("rgb16", PICTURE.astype(np.uint16) << 8 | 7),
    ],
)
@pytest.mark.parametrize("padding", [0, 6])
def test_colour_encodings(encoding: str, pixels: NDArray, padding: int) -> None:
    np.testing.assert_array_equal(decode_image(message(encoding, pixels, padding=padding)), PICTURE)


def test_grey_has_three_equal_channels_of_8_bits() -> None:
    grey = PICTURE[..., 0]
    for encoding, pixels in (("mono8", grey), ("8UC1", grey), ("mono16", grey.astype(np.uint16) << 8)):
        np.testing.assert_array_equal(decode_image(message(encoding, pixels)), np.stack([grey] * 3, axis=-1))
    big = message("mono16", grey.astype(np.uint16) << 8, big=True)
    np.testing.assert_array_equal(decode_image(big)[..., 1], grey)


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", "uyvy"), ("yuv422_yuy2", "yuyv")])
def test_yuv_of_two_pixels_in_four_bytes(encoding: str, order: str) -> None:
    colour = np.array([[[200, 60, 30]]], np.uint8).repeat(6, axis=0).repeat(8, axis=1)
    y, u, v = 101, 94, 192  # BT.601 by hand: Y = 16 + 65.481 R + 128.553 G + 24.966 B of 0..1, and so on
    four = {"uyvy": [u, y, v, y], "yuyv": [y, u, y, v]}[order]
    pixels = np.tile(np.array(four, np.uint8).reshape(1, 2, 2), (6, 4, 1))
    np.testing.assert_allclose(decode_image(message(encoding, pixels)).astype(int), colour, atol=2)
    for level, grey in ((16, 0), (235, 255)):
        flat = np.tile(np.array({"uyvy": [128, level], "yuyv": [level, 128]}[order], np.uint8), (6, 8, 1))
        np.testing.assert_array_equal(decode_image(message(encoding, flat)), grey)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_of_a_flat_colour_is_that_colour(pattern: str) -> None:
    colour = {"r": 200, "g": 60, "b": 30}
    mosaic = np.tile(np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2), (3, 4))
    expected = np.broadcast_to(np.array([200, 60, 30]), (6, 8, 3))
    np.testing.assert_array_equal(demosaic(mosaic, pattern), expected)
    np.testing.assert_array_equal(decode_image(message(f"bayer_{pattern}8", mosaic)), expected)


def test_compressed_images_are_decoded() -> None:
    np.testing.assert_array_equal(decode_image(compressed("rgb8; png compressed bgr8", png(PICTURE))), PICTURE)
    with pytest.raises(ValueError, match="cannot be read"):
        decode_image(compressed("jpeg", b"\xff\xd8 cut off"))


def test_unknown_or_short_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got '32FC3'; convert the topic"):
        decode_image(message("32FC3", PICTURE.astype(np.float32)))
    cut = message("rgb8", PICTURE)
    cut.data = cut.data[:-1]
    with pytest.raises(ValueError, match=r"expected 6 rows of 24 bytes .* got 143 bytes"):
        decode_image(cut)


def test_depth_is_metres_and_0_where_unmeasured() -> None:
    millimetres = np.array([[65535, 500], [1000, 65534]], np.uint16)  # no number is larger than 65535: no depth
    expected = np.array([[0, 0.5], [1, 65.534]], np.float32)
    for encoding in ("16UC1", "mono16"):
        np.testing.assert_allclose(decode_depth(message(encoding, millimetres)), expected, rtol=1e-6)
    np.testing.assert_allclose(decode_depth(message("16UC1", millimetres, big=True)), expected, rtol=1e-6)
    np.testing.assert_allclose(decode_depth(message("16UC1", millimetres), 0.01)[0, 1], 5, rtol=1e-6)
    metres = np.array([[np.nan, 0.5], [np.inf, -1]], np.float32)
    np.testing.assert_array_equal(decode_depth(message("32FC1", metres)), [[0, 0.5], [0, 0]])
    with pytest.raises(ValueError, match="expected a depth image"):
        decode_depth(message("rgb8", PICTURE))


def test_compressed_depth_of_both_kinds() -> None:
    """compressed_depth_image_transport: 12 bytes, then a PNG; floats as A / depth + B."""
    millimetres = np.array([[0, 500]], np.uint16)
    largest = compressed("16UC1; compressedDepth png", struct.pack("<i2f", 0, 0, 0) + png(millimetres + 65035))
    np.testing.assert_allclose(decode_depth(largest), [[65.035, 0]])
    whole = compressed("16UC1; compressedDepth png", struct.pack("<i2f", 0, 0, 0) + png(millimetres))
    assert is_depth(whole)
    np.testing.assert_allclose(decode_depth(whole), [[0, 0.5]])
    np.testing.assert_allclose(decode_depth(compressed("16UC1; png compressed ", png(millimetres))), [[0, 0.5]])
    inverse = np.array([[0, 250]], np.uint16)
    quantised = compressed("32FC1; compressedDepth png", struct.pack("<i2f", 0, 300, 50) + png(inverse))
    np.testing.assert_allclose(decode_depth(quantised), [[0, 1.5]])
    assert not is_depth(compressed("jpeg", b""))
    with pytest.raises(ValueError, match="expected depth as compressedDepth, got 'jpeg'"):
        decode_depth(compressed("jpeg", png(inverse)))


def rvl(depth: NDArray) -> bytes:
    """The compression of A. Wilson (ISS 2017), number by number."""
    nibbles: list[int] = []

    def put(value: int) -> None:
        while value > 7:
            nibbles.append(value & 7 | 8)
            value >>= 3
        nibbles.append(value)

    flat, at, previous = [int(value) for value in depth.ravel()], 0, 0
    while at < len(flat):
        for measured in (False, True):
            stop = at
            while stop < len(flat) and (flat[stop] != 0) == measured:
                stop += 1
            put(stop - at)
            for value in flat[at:stop] if measured else ():
                difference, previous = value - previous, value
                put(2 * difference if difference >= 0 else -2 * difference - 1)
            at = stop
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        sum(nibble << 28 - 4 * place for place, nibble in enumerate(nibbles[at : at + 8]))
        for at in range(0, len(nibbles), 8)
    ]
    return struct.pack(f"<{len(words)}I", *words)


def test_compressed_depth_as_rvl_and_without_an_encoding() -> None:
    random = np.random.default_rng(0)
    depth = random.integers(300, 9000, (9, 14)).astype(np.uint16) * (random.random((9, 14)) < 0.7)
    depth[0, :] = 0
    head = struct.pack("<i2f", 1, 0, 0)
    packed = head + struct.pack("<2i", 14, 9) + rvl(depth)
    for format_ in ("16UC1; compressedDepth rvl", "compressedDepth"):
        np.testing.assert_allclose(decode_depth(compressed(format_, packed)), depth / 1000, atol=1e-6)
    np.testing.assert_allclose(decode_depth(compressed("compressedDepth", head + png(depth))), depth / 1000, atol=1e-6)
    inverse = struct.pack("<i2f", 1, 300, 50) + struct.pack("<2i", 14, 9) + rvl(depth)
    expected = np.where(depth > 0, 300 / (depth - 50.0), 0)
    for format_ in ("32FC1; compressedDepth rvl", "compressedDepth"):
        np.testing.assert_allclose(decode_depth(compressed(format_, inverse)), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="expected 126 pixels compressed as RVL"):
        decode_depth(compressed("16UC1; compressedDepth rvl", packed[:-16]))


def test_an_image_whose_row_length_is_not_set_is_read() -> None:
    stale = message("rgb8", PICTURE)
    for step in (0, 9999):
        stale.step = step
        np.testing.assert_array_equal(decode_image(stale), PICTURE)


def test_colours_of_compressed_images_are_those_before_compression() -> None:
    mosaic = np.tile(np.array([[200, 60], [60, 30]], np.uint8), (3, 4))
    for format_ in ("bayer_rggb8; png compressed ", "bayer_rggb8; png compressed bayer_rggb8"):
        np.testing.assert_array_equal(decode_image(compressed(format_, png(mosaic)))[2, 3], [200, 60, 30])
    deep = np.array([[0, 40000]], np.uint16)
    np.testing.assert_array_equal(decode_image(compressed("mono16; png compressed ", png(deep)))[0, 1], 40000 >> 8)
    # What was handed to an encoder of BGR as RGB has red and blue exchanged in the file.
    swapped = compressed("rgb8; png compressed rgb8", png(PICTURE[..., ::-1]))
    np.testing.assert_array_equal(decode_image(swapped), PICTURE)


def test_sixteen_bits_that_hold_twelve_are_refused_and_mono16_is_depth_by_name() -> None:
    twelve = message("mono16", np.full((6, 8), 4095, np.uint16))
    with pytest.raises(ValueError, match="expected 16 bits of brightness in 'mono16', got at most 4095"):
        decode_image(twelve)
    assert is_depth(twelve, "/device_0/sensor_0/Depth_0/image/data")
    assert not is_depth(twelve, "/thermal/image_raw")
