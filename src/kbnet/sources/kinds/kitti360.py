"""Drives of KITTI-360, as they are unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnet.frames.kinds import Opened, register
from kbnet.sources.flags import ColumnsFlag, ColumnTypeFlag, RadiusFlag, TextFlag


@dataclass(frozen=True, kw_only=True)
class Kitti360Arguments:
    """Make a sequence of a drive of KITTI-360: rectified images, lidar points, and poses."""

    camera: int = 0
    """0 or 1, on the right."""
    drive: TextFlag = ""
    """Name of the drive, such as 2013_05_28_drive_0000_sync (default: the only one)."""
    occlusion_radius: RadiusFlag = None
    columns: ColumnsFlag = ""
    dtype: ColumnTypeFlag = "float32"


def is_kitti360(path: Path) -> bool:
    """Whether a folder holds ``data_2d_raw`` and ``data_3d_raw``, or is a drive in ``data_2d_raw``."""
    raw = path.absolute().parent
    root = raw.parent if raw.name == "data_2d_raw" else path
    return (root / "data_2d_raw").is_dir() and (root / "data_3d_raw").is_dir()


@register(
    "kitti360",
    "KITTI-360 (folder with calibration/, data_2d_raw/ and data_3d_raw/)",
    is_kitti360,
    Kitti360Arguments,
    path_help="Folder with calibration/, data_2d_raw/ and data_3d_raw/, or a drive in data_2d_raw/.",
)
def open_kitti360_drive(path: Path, options: Kitti360Arguments) -> Opened:
    """List images and scans of a drive; errors are those of `kbnet.sources.kitti360.open_kitti360`."""
    from kbnet.sources.kitti360 import open_kitti360
    from kbnet.sources.lidar_scans import LidarFrames
    from kbnet.sources.scan_columns import KITTI, checked_layout, named_layout

    listing, calibration = open_kitti360(path, camera=options.camera, drive=options.drive)
    layout = named_layout(options.columns, options.dtype) or checked_layout(listing.frames[0].scan, KITTI)
    return LidarFrames(listing, calibration, path, unit_m=1.0, occlusion_radius=options.occlusion_radius, layout=layout)
