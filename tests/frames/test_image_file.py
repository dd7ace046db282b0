"""Images and intrinsics from files, and one line for each way in which they can be wrong."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frames.image_file import read_image, read_intrinsics

K = [[518.5, 0.0, 320.25], [0.0, 519.5, 240.75], [0.0, 0.0, 1.0]]


def test_read_image_returns_the_pixels_of_a_png(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    read = read_image(tmp_path / "image.png")
    assert read.dtype == np.uint8
    assert read.flags.writeable
    np.testing.assert_array_equal(read, image)


def test_read_image_reads_jpeg(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 24, 3), (10, 120, 230), np.uint8)).save(tmp_path / "image.jpg", quality=95)
    read = read_image(tmp_path / "image.jpg")
    assert read.shape == (16, 24, 3)
    assert np.abs(read.astype(int) - (10, 120, 230)).max() < 6


def test_read_image_repeats_a_grey_image_in_three_channels(tmp_path: Path) -> None:
    grey = np.arange(42, dtype=np.uint8).reshape(6, 7)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))


def test_read_image_drops_transparency(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 4), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), image[..., :3])


def test_read_image_refuses_a_depth_map(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((6, 7), np.uint16)).save(tmp_path / "depth.png")
    with pytest.raises(ValueError, match="expected an 8-bit"):
        read_image(tmp_path / "depth.png")


@pytest.mark.parametrize(("suffix", "kept"), [("png", 100), ("jpg", 400), ("png", 0), ("jpg", 10)])
def test_read_image_refuses_a_truncated_file(tmp_path: Path, suffix: str, kept: int) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"expected an image.*cannot be read"):
        read_image(path)


def test_read_image_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_image(tmp_path / "none.png")


@pytest.mark.parametrize(
    "text",
    [
        "518.5 0 320.25\n0 519.5 240.75\n0 0 1\n",
        "5.185000e+02 0.0 3.202500e+02 0.0 5.195000e+02 2.407500e+02 0.0 0.0 1.0",
        "# fx 0 cx\n518.5, 0, 320.25\n0, 519.5, 240.75  # fy\n0, 0, 1",
    ],
)
def test_read_intrinsics_reads_nine_numbers_however_laid_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "K.txt").write_text(text)
    read = read_intrinsics(tmp_path / "K.txt")
    assert read.dtype == np.float32
    assert read.tolist() == K


def test_read_intrinsics_reads_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "K.npy", np.array(K))
    assert read_intrinsics(tmp_path / "K.npy").tolist() == K


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "9 numbers of a 3x3 matrix K, got 0"),
        ("1 2 3 4", "9 numbers of a 3x3 matrix K, got 4"),
        ("500 0 320 zero 500 240 0 0 1", "as numbers"),
        ("500 0 320 0 0 240 0 0 1", "invertible"),
        ("nan 0 320 0 500 240 0 0 1", "invertible"),
        ("500 0 320 0 0 500 240 0 0 0 1 0", r"\(3, 4\).*upper left 3x3"),
        ("500 0 320 0 0 500 240 0 0 0 1 0 0 0 0 1", r"\(4, 4\).*upper left 3x3"),
    ],
)
def test_read_intrinsics_refuses_other_content(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "K.txt").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_intrinsics(tmp_path / "K.txt")
    assert "K.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_intrinsics_never_unpickles(tmp_path: Path) -> None:
    np.save(tmp_path / "K.npy", np.array([{"code": print}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        read_intrinsics(tmp_path / "K.npy")


def test_read_intrinsics_refuses_binary_text(tmp_path: Path) -> None:
    (tmp_path / "K.txt").write_bytes(bytes([0x93, 0xFF, 0x00, 0x80]))
    with pytest.raises(ValueError, match="as numbers"):
        read_intrinsics(tmp_path / "K.txt")


@pytest.mark.parametrize("name", ["K.txt", "K.npy"])
def test_read_intrinsics_names_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=name):
        read_intrinsics(tmp_path / name)


def write_deep_png(path: Path, pixels: np.ndarray) -> None:
    """A PNG of 16-bit colour, which Pillow cannot write, by the chunks of its specification."""
    rows = pixels.astype(">u2").reshape(len(pixels), -1).view(np.uint8)
    content = zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes())
    head = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", content), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )


def test_16_bit_colour_is_its_upper_byte_and_12_bits_in_it_are_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
    pixels[0, 0] = 255
    write_deep_png(tmp_path / "deep.png", 256 * pixels + 200)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), pixels)
    write_deep_png(tmp_path / "deep.png", 16 * pixels)
    with pytest.raises(ValueError, match=r"expected 16 bits of brightness in .*deep.png, got less than 4096"):
        read_image(tmp_path / "deep.png")
    for name, neighbour in (("dark", 16 * pixels), ("bright", 256 * pixels)):
        (tmp_path / name).mkdir()
        write_deep_png(tmp_path / name / "0.png", 8 * pixels)
        write_deep_png(tmp_path / name / "1.png", neighbour)
    with pytest.raises(ValueError, match="as of 10 or 12 bits"):
        read_image(tmp_path / "dark" / "0.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bright" / "0.png"), 8 * pixels // 256)
    # A folder that is being written: its last image is not whole, then brighter than the first.
    content = (tmp_path / "bright" / "1.png").read_bytes()
    (tmp_path / "dark" / "2.png").write_bytes(content[:100])
    with pytest.raises(ValueError, match="as of 10 or 12 bits"):
        read_image(tmp_path / "dark" / "0.png")
    (tmp_path / "dark" / "2.png").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "dark" / "0.png"), 8 * pixels // 256)
    write_deep_png(tmp_path / "deep.png", 0 * pixels)
    assert not read_image(tmp_path / "deep.png").any()
    Image.fromarray(np.full((4, 5, 3), 9, np.uint8)).save(tmp_path / "dark.png")
    assert (read_image(tmp_path / "dark.png") == 9).all()


NUMBERS, LENS = "6.1e+02 0. 319.5 0. 610. 239.5 0. 0. 1.", "-2.8e-01 0.07 0. 0. 0."


@pytest.mark.parametrize(
    ("calibration", "K", "lens"),
    [
        (f"K: !!opencv-matrix\n  dt: d\n  data: [ {NUMBERS} ]\n", "fx 0 cx 0 fy cy 0 0 1", ""),
        (
            f"%YAML:1.0\n---\ncamera_matrix: !!opencv-matrix\n   dt: d\n   data: [ {NUMBERS.replace(' ', ', ')} ]\n"
            f"distortion_coefficients: !!opencv-matrix\n   rows: 1\n   dt: d\n   data: [ {LENS.replace(' ', ',')} ]\n",
            NUMBERS,
            f"(radial-tangential): {LENS}",
        ),
        (
            f'<cameraMatrix type_id="opencv-matrix"><rows>3</rows>\n<data>\n{NUMBERS}</data></cameraMatrix>\n'
            f'<distCoeffs type_id="opencv-matrix">\n<data>\n{LENS}</data></distCoeffs>',
            NUMBERS,
            f"(radial-tangential): {LENS}",
        ),
        (
            "distortion_coeffs: [-0.01, 0.02]\ndistortion_model: equidistant\nintrinsics: [461.6, 460, 363, 248]",
            "461.6 0 363 0 460 248 0 0 1",
            "(fisheye): -0.01 0.02",
        ),
        (
            "intrinsics:\n- 461.6\n- 460\n- 363\n- 248\ndistortion_coeffs:\n- - -0.1\n  - 0.2\nexposure: 5",
            "461.6 0 363 0 460 248 0 0 1",
            "(radial-tangential): -0.1 0.2",
        ),
        (
            "Camera.type: PinHole\nCamera.fx: 461.6\nCamera.fy: 460\nCamera.cx: 363\nCamera.cy: 248\nCamera.k1: -0.1",
            "461.6 0 363 0 460 248 0 0 1",
            "(radial-tangential): -0.1",
        ),
    ],
    ids=["other", "opencv", "xml", "kalibr", "block", "orb-slam"],
)
def test_a_calibration_file_of_another_program_says_what_to_write(
    calibration: str, K: str, lens: str, tmp_path: Path
) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(calibration)
    said = f"write {K} to K.txt" + (f"; distortion {lens}" if lens else "")
    with pytest.raises(ValueError, match=f"{re.escape(said)}$"):
        read_intrinsics(path)


def test_a_calibration_of_another_lens_or_of_several_cameras_is_no_k_of_a_pinhole(tmp_path: Path) -> None:
    cameras = "cam0:\n  camera_model: {}\n  intrinsics: [50, 51, 32, 24]\ncam1:\n  intrinsics: [60, 61, 32, 24]\n"
    for model, said in (
        ("omni", r"lens \(omni\) is not read: undistort"),
        ("pinhole", "write 50 .*of its first camera"),
    ):
        (tmp_path / "chain.yaml").write_text(cameras.format(model))
        with pytest.raises(ValueError, match=said):
            read_intrinsics(tmp_path / "chain.yaml")
