"""Points of a lidar from a file, whatever its format: KITTI's .bin, PLY, PCD, LAS and LAZ."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError, refused_as
from kbnet.frame import Float64Array
from kbnet.frames.kinds import TEXT_SUFFIXES
from kbnet.limits import check_count
from kbnet.sources.pcd import read_pcd
from kbnet.sources.ply import read_ply
from kbnet.sources.scan_columns import Layout, find_layout, read_columns

Points = Float64Array

TEXT_REMEDY = (
    "text is not read as points; write each file as .bin, here of x, y, z in the first columns: "
    "numpy.loadtxt(FILE, delimiter=',', skiprows=1)[:, :3].astype('<f4').tofile(NAME + '.bin')"
)
WKT, GEO_KEYS = 2112, 34735
"""Records of LAS files that say what their coordinates are."""
UNITS_OF_LENGTH = (3076, 4099)
"""Keys of GeoTIFF, of the plane and of heights."""
UNITS = {"feet": (rb"f(oo|ee)t", (9002, 9003, 9004, 9005)), "metres": (rb"met(re|er)", (9001,))}
"""Their names in WKT, and the numbers of EPSG."""
COARSE = 1e-4
"""Of the extent of a cloud: coordinates of a survey in float32 are rounded by more."""
LARGEST_PACKING = 1000
"""Bytes of points that a byte of LAZ may stand for."""


def read_points(path: str | Path, layout: Layout | None = None) -> Points:
    """Read the positions in a point cloud; colours, normals and the like are left out.

    Args:
        path: ``.bin``, ``.ply``, ``.pcd``, ``.las`` or ``.laz``.
        layout: columns of a ``.bin``; None = told by its name, size and values.

    Returns:
        Points, (N, 3), float64, in the unit and the axes of the file; without those that are not finite, or 0 0 0, as
        drivers write where nothing came back. Float64, since the coordinates of a survey are large.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the suffix is not known, or the file is damaged or holds no points.
        ModuleNotFoundError: laspy is not installed, which reads LAS and LAZ.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        remedy = TEXT_REMEDY if path.suffix.lower() in TEXT_SUFFIXES else "convert it to one of these"
        raise KBNetError(f"expected a point cloud of {', '.join(READERS)}, got {path}; {remedy}")
    if not path.is_file():
        raise FileNotFoundError(f"expected a point cloud in {path}, but there is no such file; check the path")
    points = read_columns(path, layout or find_layout(path)) if reader is _read_bin else reader(path)
    points = points[np.isfinite(points).all(axis=1) & points.any(axis=1)]
    if not len(points):
        raise KBNetError(f"expected points in {path}, got none that are finite and not 0 0 0; check how it was written")
    low, high = points.min(axis=0), points.max(axis=0)
    rounded_by = float(np.spacing(np.float32(max(-low.min(), high.max()))))
    if rounded_by > COARSE * (high - low).max() > 0 and (points == points.astype(np.float32)).all():
        warnings.warn(
            f"coordinates in {path} are float32 and so large that they are rounded to {rounded_by:.2g}; write float64, "
            "or subtract one place from points and poses before",
            stacklevel=2,
        )
    return points


def _read_bin(path: Path) -> Points:
    return read_columns(path, find_layout(path))


def _read_las(path: Path) -> Points:
    import laspy

    with refused_as(f"expected a LAS or LAZ point cloud in {path}", laspy.LaspyException, OSError):
        count = _las_count(path)
    check_count(count, "points", path)
    with refused_as(f"expected a LAS or LAZ point cloud in {path}", laspy.LaspyException, OSError):
        try:
            with laspy.open(path) as reader:
                _check_packing(reader.header)
                content = reader.read()
                said = {unit for unit in UNITS for one in (*content.vlrs, *(content.evlrs or ())) if _says(one, unit)}
                points = np.asarray(content.xyz, np.float64)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of lazrs, which is no Exception
                raise
            raise KBNetError("its compression") from None
    if "feet" in said:
        raise KBNetError(
            f"expected metres in {path}, whose coordinates are in feet; write them and the poses in metres"
        )
    if not said:
        warnings.warn(
            f"{path} does not say its unit: metres, unless another is given (--unit; of transforms.json, --scale)",
            stacklevel=3,
        )
    return points


def _says(record: Any, unit: str) -> bool:
    """Whether a record of a LAS file says that coordinates are in a unit: feet, as surveys in the United States."""
    data, (name, numbers) = record.record_data_bytes(), UNITS[unit]
    if record.record_id == WKT:
        return re.search(rb'UNIT\["[^"]*\b' + name, data, re.IGNORECASE) is not None
    keys = np.frombuffer(data[: len(data) // 8 * 8], "<u2").reshape(-1, 4)
    return record.record_id == GEO_KEYS and bool(np.isin(keys[np.isin(keys[:, 0], UNITS_OF_LENGTH), 3], numbers).any())


def _check_packing(header: Any) -> None:
    """Check that the packed fields of a LAZ file make up a point: lazrs makes room for whatever they announce."""
    for vlr in header.vlrs.get("LasZipVlr"):
        (items,) = struct.unpack_from("<H", vlr.record_data, 32)
        sizes = [struct.unpack_from("<H", vlr.record_data, 36 + 6 * item)[0] for item in range(items)]
        if sum(sizes) != header.point_format.size:
            raise KBNetError(f"packed fields of {sum(sizes)} bytes for points of {header.point_format.size}")


def _las_count(path: Path) -> int:
    """Number of points in the header, which the file is large enough for: laspy makes room for them.

    A packed file may announce `LARGEST_PACKING` times its bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(375)
    offset, blocks, kind, record, count = struct.unpack_from("<IIBHI", head, 96)
    later_blocks = 0
    if head[25] >= 4:  # version 1.4
        later_blocks, count = struct.unpack_from("<IQ", head, 243)
    present = (size - offset) * (LARGEST_PACKING if kind & 0x80 else 1)
    if not record or count * record > present or 54 * blocks + 60 * later_blocks > size:
        raise KBNetError(f"{count:,} points of {record} bytes announced, more than the file holds")
    if kind & 0x80 and count:
        with path.open("rb") as file:
            file.seek(offset)
            (table,) = struct.unpack("<q", file.read(8))
            if table == -1:  # written by a program that could not go back
                file.seek(size - 8)
                (table,) = struct.unpack("<q", file.read(8))
            file.seek(table)
            _, chunks = struct.unpack("<II", file.read(8))
        if chunks > size:
            raise KBNetError(f"{chunks:,} chunks announced, more than the file holds")
    return int(count)


READERS: dict[str, Callable[[Path], Points]] = {
    ".bin": _read_bin,
    ".ply": read_ply,
    ".pcd": read_pcd,
    ".las": _read_las,
    ".laz": _read_las,
}
"""By suffix."""
