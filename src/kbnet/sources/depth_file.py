"""Depth images as programs write them: 16-bit PNG, ``.npy`` and OpenEXR, in metres or another unit."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import DAMAGE, KBNetError
from kbnet.frame import Float64Array, FloatArray
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.image_file import open_picture
from kbnet.frames.npy_file import read_npy
from kbnet.limits import check_count

PICTURE_LEVELS = (255, 65535)
FEWEST_VALUES = 20
"""Different ones that tell of a picture: few may be fractions by chance."""
WHOLE_UNITS = {"0.001": "millimetres", "0.00390625": "1/256 m", "0.0002": "1/5000 m of TUM"}
"""Usual units of whole numbers, metres."""
DENSE_SHARE = 0.1
"""Of the pixels: depth that measures more of them is dense."""
_ERRORS: tuple[type[Exception], ...] = (OSError, *DAMAGE)
BACKGROUND, FAR_BACKGROUND = 65504.0, 1e9
"""Smallest value that means no depth: in half floats and in metres the largest half float; Blender writes 1e10."""
IMPLAUSIBLE_M = 100.0
"""Depth of which the nearest tenth too is farther is taken for millimetres; a half may be that far off outdoors."""
LARGEST_PACKING = 250
"""Numbers of an OpenEXR file a byte; of more, those of all channels are counted as pixels."""
PART = 1 << 16
"""Numbers that are converted at a time: as float64 they take eight times the bytes of 8 bits."""
PLAUSIBLE_MEDIAN_M = (0.1, 100.0)
"""Median depth outside is taken for another unit than metres; nearer, the 1/256 m of a depth PNG is too coarse."""
LARGEST_UNIT = 65535
"""Largest number of 16 bits: programs write it for no depth, and for more than can be written."""


def warn_of_confidence(folder: Path) -> None:
    """Warn of confidence beside depth, of which no file says what its numbers mean."""
    if found := [one for one in ("confidence", "conf", "depth_confidence") if (folder / one).is_dir()]:
        warnings.warn(
            f"{folder / found[0]} is not used, since what its numbers mean is not known; set uncertain depth to 0 "
            "first, or name the phone's export (kbnet prepare phone)",
            stacklevel=4,
        )


def read_depth_file(path: Path, unit_m: float | None = None, *, whole_unit_m: float | None = None) -> FloatArray:
    """Read a depth image.

    Args:
        path: 16-bit PNG, ``.npy`` of floats or whole numbers, or ``.exr``.
        unit_m: metres in one unit; None = 1 for floats, after a look at whether that can be, and not known for whole
            numbers.
        whole_unit_m: of whole numbers, in place of ``unit_m``.

    Returns:
        Depth along z, (H, W), float32 metres; 0 = unmeasured, also where the file has NaN, a negative number, the
        largest whole number of its type, or more than `MAXIMUM_DEPTH`.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is damaged or no depth image, or its unit is not known.
        ModuleNotFoundError: OpenEXR is not installed, which reads ``.exr``.
    """
    values = _READERS.get(path.suffix.lower(), _read_png)(path)
    if values.ndim != 2 or not values.size or values.dtype.kind == "b":
        raise KBNetError(
            f"expected depth as (H, W) numbers, got {values.dtype} {values.shape} in {path}; write one channel"
        )
    if values.dtype.kind != "f":
        unit_m = whole_unit_m or unit_m
        if unit_m is None:
            raise KBNetError(_ask_unit(values, path))
    parts = np.array_split(values.reshape(-1), values.size // PART + 1)
    depth = np.concatenate([_metres(part, unit_m) for part in parts]).reshape(values.shape)
    if unit_m is None:
        remedy = "give metres in one unit (--depth-unit 0.001, 0.01 for centimetres; 1 if it is right)"
        check_metres(depth, where=str(path), remedy=remedy)
        if levels := next((one for one in PICTURE_LEVELS if depth.max() <= 1 and _counts(depth, one)), None):
            raise KBNetError(
                f"expected depth in metres, got fractions of {levels} up to {depth.max():.3g} in {path}, as of a "
                f"picture of 0 to {levels}; {remedy}"
            )
        if depth.any() and np.median(depth[depth > 0]) > IMPLAUSIBLE_M:
            said = f"more than half of the depth in {path.parent} is beyond {IMPLAUSIBLE_M:g} m: is it in centimetres?"
            warnings.warn(f"{said} If so, {remedy}", stacklevel=2)
        if depth.max() == 1:
            said = f"depth in {path.parent}: its largest value is exactly 1: is it normalised depth? If so, {remedy}"
            warnings.warn(said, stacklevel=2)
    depth[depth > MAXIMUM_DEPTH] = 0
    return depth


def _metres(values: NDArray[Any], unit_m: float | None) -> FloatArray:
    """Numbers of a file in metres; 0 where they mean no depth."""
    with np.errstate(over="ignore", invalid="ignore"):
        depth = values.astype(np.float64) * (unit_m or 1.0)
        if values.dtype.kind in "iu":
            depth[values == np.iinfo(values.dtype).max] = 0
        if values.dtype.kind == "f":
            in_metres = values.dtype.itemsize == 2 or unit_m in (None, 1.0)
            depth[~(values < (BACKGROUND if in_metres else FAR_BACKGROUND))] = 0
        depth[~((depth > 0) & np.isfinite(depth))] = 0
        return depth.astype(np.float32)


def is_dense(depth: FloatArray) -> bool:
    """Whether more than `DENSE_SHARE` of the pixels are measured."""
    return bool(np.count_nonzero(depth) > DENSE_SHARE * depth.size)


def _counts(depth: FloatArray, levels: int) -> bool:
    """Whether values are whole numbers divided by the largest one, as libraries scale pictures."""
    values = np.unique(depth[depth > 0]).astype(np.float64) * levels
    return len(values) >= FEWEST_VALUES and bool(np.abs(values - np.rint(values)).max() < 1e-6 * levels)


def _ask_unit(values: NDArray[Any], path: Path) -> str:
    measured = values[values > 0]
    middle = float(np.median(measured)) if measured.size else 0.0
    choices = "; ".join(f"{unit} ({name}): {middle * float(unit):.3g} m" for unit, name in WHOLE_UNITS.items())
    return (
        f"the unit of the whole numbers in {path} is not known: give metres in one unit (--depth-unit); the median "
        f"depth would be, with {choices}"
    )


def _read_png(path: Path) -> NDArray[Any]:
    picture = open_picture(path, "a depth image")
    if not picture.mode.startswith("I"):
        raise KBNetError(
            f"expected depth as 16-bit greyscale, .npy or .exr, got mode '{picture.mode}' in {path}; write it as one"
        )
    values = np.asarray(picture)
    return values.astype(np.uint16) if picture.format == "PNG" else values


def _read_npy(path: Path) -> NDArray[Any]:
    values = read_npy(path, "a depth image")
    while values.ndim > 2 and 1 in (values.shape[0], values.shape[-1]):  # (1, H, W), (H, W, 1)
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    return values


def _read_exr(path: Path) -> NDArray[Any]:
    import OpenEXR

    if not path.is_file():
        raise FileNotFoundError(f"expected a depth image in {path}, but there is no such file; check the path")
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            windows = np.array([file.header()[key] for key in ("dataWindow", "displayWindow")], np.int64)
            channels = len(file.header()["channels"])
        width, height = (windows[0, 1] - windows[0, 0] + 1).tolist()
        if (windows[0] != windows[1]).any():
            raise KBNetError(f"expected depth of the whole image in {path}, got a part; write it without a border")
        if width <= 0 or height <= 0:
            raise KBNetError(f"expected depth as (H, W), got {width}x{height} in {path}; write it again")
        count = width * height
        packed = count * channels > LARGEST_PACKING * path.stat().st_size
        check_count(count * channels if packed else count, "pixels", path)
        # It prints what it finds damaged, and then has no channels.
        with redirect_stdout(io.StringIO()), OpenEXR.File(str(path), separate_channels=True) as file:
            found = {name: np.asarray(one.pixels) for name, one in file.channels().items()}
    except _ERRORS as error:
        if isinstance(error, KBNetError):
            raise
        raise KBNetError(f"expected a depth image, but {path} cannot be read ({error}); copy it again") from None
    return _depth_channel(found, path)


def _depth_channel(channels: dict[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    """The channel Z, V or Y, or the one of a layer called depth; or that which all colours repeat."""
    for wanted in ("z", "v", "y", "depth"):
        found = [name for name in channels if name.lower() == wanted or name.lower().endswith(f"depth.{wanted}")]
        if len(found) == 1:
            return channels[found[0]]
    rest = [pixels for name, pixels in channels.items() if name.split(".")[-1].lower() not in ("a", "alpha")]
    if rest and all(one.shape == rest[0].shape and np.array_equal(one, rest[0], equal_nan=True) for one in rest):
        return rest[0]
    raise KBNetError(f"expected one channel of depth (Z) in {path}, got {', '.join(channels)}; write it alone")


_READERS = {".npy": _read_npy, ".exr": _read_exr}


def read_depth_image(path: str | Path, units_per_metre: float) -> FloatArray:
    """Read a 16-bit depth image.

    Args:
        path: 16-bit greyscale PNG; 0 and 65535 = unmeasured.
        units_per_metre: 1000 for millimetres, 100 for centimetres.

    Returns:
        (H, W), float32 metres; 0 = unmeasured.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is no such PNG.
    """
    picture = open_picture(path, "a depth image")
    if not picture.mode.startswith("I"):
        raise KBNetError(
            f"expected a 16-bit greyscale PNG as depth, got mode '{picture.mode}' in {path}; name the depth images"
        )
    return measured_units(np.asarray(picture)) / np.float32(units_per_metre)


def measured_units(units: NDArray[Any]) -> FloatArray:
    """Whole numbers of 16 bits as float32, with 0 for 65535.

    Example:
        >>> measured_units(np.array([7, 65535], np.uint16))
        array([7., 0.], dtype=float32)
    """
    return np.where(units == LARGEST_UNIT, 0, units).astype(np.float32)


def check_metres(depth: FloatArray | Iterable[float], *, where: str, remedy: str) -> None:
    """Refuse depth that is probably in millimetres.

    Args:
        depth: measured depth as read, 0 = unmeasured.
        where: which file or topic it is from, for the error message.
        remedy: what to do, for the error message.

    Raises:
        KBNetError: nine tenths of what is measured are more than `IMPLAUSIBLE_M`.

    Example:
        >>> check_metres([0, 1200, 1500, 1900], where="depth/0001.png", remedy="divide by 1000")
        Traceback (most recent call last):
        kbnet.errors.KBNetError: depth/0001.png: depth has a median of 1500 m, which looks like ...
    """
    values = np.asarray(depth)
    measured = values[values > 0]
    if measured.size and np.percentile(measured, 10) > IMPLAUSIBLE_M:
        median = float(np.median(measured))
        raise KBNetError(
            f"{where}: depth has a median of {median:.0f} m, which looks like millimetres read as metres; {remedy}"
        )


def assumed_unit(scale: float) -> list[str]:
    """What is assumed of a reconstruction whose unit of length is arbitrary, for people; [] = a scale was given."""
    return ["unit: taken as 1 m; if it is not, add --scale METRES"] if scale == 1 else []


def said_median(taken: str, depth: FloatArray | Float64Array) -> list[str]:
    """What depth of the first image is taken for, with its median, for people; [] = it holds none."""
    return [f"{taken}: a median of {np.median(depth[depth > 0]):.3g} m in the first image"] if depth.any() else []


def check_scaled(depth: FloatArray | Float64Array, path: Path, scale: float) -> None:
    """Refuse measured depth, (N,), of a reconstruction with an arbitrary unit that is hardly in metres.

    Args:
        scale: metres in one unit, as it was given.

    Raises:
        KBNetError: the median is not within `PLAUSIBLE_MEDIAN_M`.
    """
    low, high = PLAUSIBLE_MEDIAN_M
    if not low <= (median := float(np.median(depth))) <= high:
        raise KBNetError(
            f"points in {path} have a median depth of {median:.4g} m, which is hardly metres: the unit of "
            f"reconstructions is arbitrary; measure a length and give metres in one unit (--scale, now {scale:g})"
        )
