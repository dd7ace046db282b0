"""Images and camera intrinsics from files."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from kbnet.errors import DAMAGE, KBNetError
from kbnet.files import read_text
from kbnet.frame import Float64Array, FloatArray, ImageArray, check_intrinsics
from kbnet.frames.npy_file import read_npy
from kbnet.limits import check_count, limit_factor, regular_file

_ORIENTATION = 0x0112
"""Tag of EXIF."""
_BIT_DEPTH = 24
"""Where a PNG says it, bytes."""
LEAST_BRIGHT = 16
"""Upper 8 of 16 bits: images without brighter pixels have 12 bits or fewer."""
LOOKED_AT = 50
"""Images of a folder, over all of it, that say whether one is dark or has few bits."""
_PROGRAM = "EPS"
"""Format that Pillow hands to Ghostscript, which runs it."""
MOST_MATRIX_BYTES = 1 << 16
"""Size of a text file with one matrix and its comments."""
_CALIBRATIONS = (".yaml", ".yml", ".xml")
_MATRIX, _LENS = (
    re.compile(rf"(?<!/)\b{names}\b(?:[^[]{{0,200}}?\bdata)?[:>\s[]+([-+.\deE,\s]+)", re.IGNORECASE)
    for names in ("(?:camera_?matrix|intrinsics)", "dist(?:ortion)?_?coeff(?:s|icients)?")
)
"""Numbers of OpenCV's calibration files, ROS' and Kalibr's."""
_NAMED = re.compile(
    r"\b(fx|fy|cx|cy|ppx|ppy|k[1-4]|p1|p2)\b[\"']?(?:\s*[:=]\s*|\s+)([-+]?\.?\d[-+.\deE]*)", re.IGNORECASE
)
"""Of ORB-SLAM, VINS, ZED and librealsense."""
_OTHER_LENS = re.compile(r"(?:model|type)\w{0,20}\W{1,9}(omni\w*|eucm|ds|mei|scaramuzza)\b", re.IGNORECASE)
"""Of Kalibr and VINS."""
_SHAPES = {9: (3, 3), 12: (3, 4), 16: (4, 4)}
_DECODING_ERRORS: tuple[type[Exception], ...] = (OSError, *DAMAGE, Image.DecompressionBombError)


def read_image(path: str | Path) -> ImageArray:
    """Read an 8-bit colour or grey image of any format that Pillow knows.

    Transparency is dropped, and the orientation tag of a photograph is not applied, with a warning: pixels stay where
    the calibration and the depth map have them.

    Returns:
        RGB, (H, W, 3), uint8; a grey image has three equal channels.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is truncated, not an image, of 16-bit grey, or of 16-bit colour of which it and the other
            images of its folder use at most 12 bits.
    """
    picture = open_picture(path, "an image")
    if picture.mode.startswith("I") or picture.mode == "F":
        raise KBNetError(
            f"expected an 8-bit colour or grey image, got mode '{picture.mode}' in {path}; "
            "convert it to 8 bits (a 16-bit PNG is read as a depth map)"
        )
    pixels = np.array(picture.convert("RGB"), dtype=np.uint8)  # of 16 bits, the upper 8
    dark = picture.format == "PNG" and 0 < pixels.max() < LEAST_BRIGHT and _bits(path) == 16
    if dark and _is_dark(Path(path).parent, picture.size):
        _is_dark.cache_clear()  # a brighter image may follow
        raise KBNetError(
            f"expected 16 bits of brightness in {path}, got less than {256 * LEAST_BRIGHT}, as of 10 or 12 bits; scale "
            "it to 8 bits"
        )
    return pixels


@lru_cache(maxsize=8)
def _is_dark(folder: Path, size: tuple[int, int]) -> bool:
    """Whether readable 16-bit colour PNGs of a folder, of one (W, H), have no pixel that 10 or 12 bits cannot hold."""
    files = sorted(path for path in folder.glob("*.[pP][nN][gG]") if path.is_file() and _bits(path) == 16)
    for path in files[:: len(files) // LOOKED_AT + 1]:
        with suppress(KBNetError, OSError):
            one = open_picture(path, "an image")
            alike = one.mode.startswith("RGB") and one.size == size
            if alike and np.asarray(one.convert("RGB")).max() >= LEAST_BRIGHT:
                return False
    return True


def _bits(path: str | Path) -> int:
    """Bits of a colour in a PNG; 0 of a file that is too short for one, or cannot be opened."""
    with suppress(OSError), Path(path).open("rb") as file:
        return int.from_bytes(file.read(_BIT_DEPTH + 1)[_BIT_DEPTH:], "big")
    return 0


def picture_size(path: str | Path) -> tuple[int, int]:
    """(H, W) of an image file, pixels, from its header alone."""
    try:
        with Image.open(_without_pipes(path)) as picture:
            return picture.height, picture.width
    except _DECODING_ERRORS:
        return open_picture(path, "an image").size[::-1]


def read_intrinsics(path: str | Path, *, padded: bool = False) -> FloatArray:
    """Read the pinhole matrix K.

    Args:
        path: ``.npy``, or text of nine numbers row by row, on one line or three; ``#`` begins a comment.
        padded: the identity of size 4x4 that holds K is K too, as ScanNet writes it.

    Returns:
        K, (3, 3), float32, pixels.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file holds something else than an invertible 3x3 pinhole matrix.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _CALIBRATIONS and Path(path).is_file():
        raise KBNetError(f"expected 9 numbers of K as text, got the calibration {path}; {k_as_text(path)}")
    if suffix == ".npy":
        numbers = read_npy(path, "the matrix K").astype(np.float64)
    else:
        try:
            numbers = read_numbers(path, "the matrix K")
        except KBNetError as error:
            raise KBNetError(f"{error}; {k_as_text(path)}") from None
    if numbers.size not in _SHAPES:
        raise KBNetError(
            f"expected the 9 numbers of a 3x3 matrix K, got {numbers.size} in {path}; write fx 0 cx 0 fy cy 0 0 1"
        )
    matrix = numbers.reshape(_SHAPES[numbers.size])
    if padded and numbers.size == 16 and [*matrix[:, 3], *matrix[3, :3]] == [0, 0, 0, 1, 0, 0, 0]:
        matrix = matrix[:3, :3]
    return check_intrinsics(matrix, where=f" in {path}")


def k_as_text(path: str | Path) -> str:
    """What to write instead of a calibration file, by its beginning."""
    with regular_file(Path(path)).open("rb") as file:
        calibration = file.read(MOST_MATRIX_BYTES).decode(errors="replace")
    if other := _OTHER_LENS.search(calibration):
        return f"its lens ({other[1]}) is not read: undistort the images, and write K of those to K.txt"
    named = {name.lower().replace("pp", "c"): value for name, value in reversed(_NAMED.findall(calibration))}
    matrix, lens = (
        re.findall(r"[^\s,]*\d[^\s,]*", found[1]) if (found := one.search(calibration)) else []
        for one in (_MATRIX, _LENS)
    )
    if len(matrix) not in (4, 9):
        matrix = [named[name] for name in ("fx", "fy", "cx", "cy") if name in named]
    if len(matrix) == 4:
        matrix = [matrix[0], "0", matrix[2], "0", matrix[1], matrix[3], "0", "0", "1"]
    write = f"write {' '.join(matrix)}" if len(matrix) == 9 else "write fx 0 cx 0 fy cy 0 0 1"
    fisheye = re.search("equidistant|fisheye|kannala", calibration, re.IGNORECASE)
    model, names = ("fisheye", "k1 k2 k3 k4") if fisheye else ("radial-tangential", "k1 k2 p1 p2 k3")
    lens = lens or [named[name] for name in names.split() if name in named]
    cameras = max(len(_MATRIX.findall(calibration)), len(re.findall(r"\bfx\b", calibration)))
    several = " (of its first camera)" if cameras > 1 else ""
    return f"{write} to K.txt{several}" + (f"; distortion ({model}): {' '.join(lens)}" if lens else "")


def read_numbers(path: str | Path, what: str, *, table: bool = False) -> Float64Array:
    """Read whitespace- or comma-separated numbers from a text file in which ``#`` begins a comment.

    Args:
        what: it should hold, for the error message.
        table: it may have many lines; else it holds a matrix, and is no longer than `MOST_MATRIX_BYTES`.

    Returns:
        (N,), float64.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file holds something else than numbers, or is too long.
    """
    if not table and Path(path).is_file() and (size := Path(path).stat().st_size) > MOST_MATRIX_BYTES:
        raise KBNetError(f"expected {what}, got {size:,} bytes in {path}; check the path")
    try:
        lines = (line.partition("#")[0].replace(",", " ") for line in read_text(path).splitlines())
        return np.fromiter((float(word) for line in lines for word in line.split()), dtype=np.float64)
    except FileNotFoundError:
        raise FileNotFoundError(f"expected {what} in {path}, but there is no such file; check the path") from None
    except ValueError as error:
        raise KBNetError(
            f"expected {what} as numbers in a text file, got {path} ({error}); check it; put # before a line of names"
        ) from None


def open_picture(path: str | Path, what: str) -> Image.Image:
    """Open and fully decode an image file.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is truncated or not an image, or larger than allowed (`kbnet.limits`).
    """
    try:
        if limit_factor() > 1:
            Image.MAX_IMAGE_PIXELS = None  # Pillow has a limit of its own
        with Image.open(_without_pipes(path)) as picture:
            check_count(picture.width * picture.height, "pixels", path)
            if picture.format == _PROGRAM:
                raise KBNetError(f"expected {what} of pixels, but {path} is PostScript, a program; convert it to PNG")
            picture.load()
            turned = picture.getexif().get(_ORIENTATION, 1)
            if turned != 1:
                warnings.warn(
                    f"{path} asks viewers to turn it (EXIF orientation {turned}); pixels are taken as stored, "
                    f"{picture.width}x{picture.height}: K and depth must belong to those",
                    stacklevel=3,
                )
            return picture
    except FileNotFoundError:
        raise FileNotFoundError(f"expected {what} in {path}, but there is no such file; check the path") from None
    except KBNetError:
        raise
    except _DECODING_ERRORS as error:
        raise KBNetError(f"expected {what}, but {path} cannot be read ({error}); copy it again") from None


def _without_pipes(path: str | Path) -> str | Path:
    """The path, or the open file that stands for it."""
    return regular_file(path) if isinstance(path, str | Path) else path
