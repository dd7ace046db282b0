"""``kbnet prepare lidar``: images and lidar scans, or one point cloud, as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.sources.kinds.lidar import LidarArguments


@dataclass(frozen=True, kw_only=True)
class Command:
    """Project lidar scans into the images of a camera, without the points that a nearer surface hides.

    kbnet prepare lidar drive/image_2 drive/velodyne room --calibration drive/calib.txt

    The place of the lidar comes from KITTI's calibration, or from --intrinsics and --extrinsics.
    """

    images: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]
    """Folder of images, or one image."""
    scans: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCANS")]
    """Folder of scans (.bin of KITTI, .ply, .pcd, .las, .laz), each with the name of its image, or both with times as
    names; or one point cloud of the place, in the axes of the world, which needs --poses."""
    folder: SequenceFolder
    options: Annotated[LidarArguments, tyro.conf.arg(name="")] = field(default_factory=LidarArguments)
    overwrite: Overwrite = False

    def run(self) -> None:
        from kbnet.cli.preparation import write_recording
        from kbnet.sources.kinds.lidar import open_lidar_recording

        recording = open_lidar_recording(self.images, self.scans, self.options)
        write_recording(recording, self.folder, overwrite=self.overwrite)
