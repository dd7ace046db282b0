"""Scenes of nuScenes, as they are unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnet.frames.kinds import Opened, register
from kbnet.sources.flags import ColumnsFlag, ColumnTypeFlag, RadiusFlag, SwitchFlag, TextFlag


@dataclass(frozen=True, kw_only=True)
class NuscenesArguments:
    """Make a sequence of one camera in a scene of nuScenes: images, lidar points, and poses.

    Points are moved by the motion of the car between the scan and the image.
    """

    camera: str = "CAM_FRONT"
    """Channel of the images."""
    scene: TextFlag = ""
    """Name of the scene, such as scene-0061 (default: the only one)."""
    sweeps: SwitchFlag = False
    """Take the images between the key frames too."""
    occlusion_radius: RadiusFlag = None
    columns: ColumnsFlag = ""
    dtype: ColumnTypeFlag = "float32"


def is_nuscenes(path: Path) -> bool:
    """Whether a folder holds the tables of nuScenes, or a folder ``v1.0-...`` that does."""
    return any((folder / "sample_data.json").is_file() for folder in (path, *path.glob("v1.0-*")))


@register(
    "nuscenes",
    "nuScenes (folder with v1.0-mini/ or another version, and samples/)",
    is_nuscenes,
    NuscenesArguments,
    path_help="Folder with v1.0-mini/ (or another version), samples/ and sweeps/.",
)
def open_nuscenes_scene(path: Path, options: NuscenesArguments) -> Opened:
    """List images and scans of a scene; errors are those of `kbnet.sources.nuscenes.open_nuscenes`."""
    from kbnet.sources.lidar_scans import LidarFrames
    from kbnet.sources.nuscenes import open_nuscenes
    from kbnet.sources.scan_columns import NUSCENES, checked_layout, named_layout

    listing, calibration = open_nuscenes(path, camera=options.camera, scene=options.scene, sweeps=options.sweeps)
    layout = named_layout(options.columns, options.dtype) or checked_layout(listing.frames[0].scan, NUSCENES)
    return LidarFrames(listing, calibration, path, unit_m=1.0, occlusion_radius=options.occlusion_radius, layout=layout)
