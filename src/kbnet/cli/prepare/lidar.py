"""``kbnet prepare lidar``: images and lidar scans, or one point cloud, as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import OptionalFile, Switch

if TYPE_CHECKING:
    from kbnet.sources.lidar_calibration import LidarCalibration

Unit = Annotated[Literal["m", "mm"] | None, tyro.conf.arg(metavar="{m,mm}", help_behavior_hint="")]
OptionalCalibration = Annotated[Path | None, tyro.conf.arg(metavar="FILE|FOLDER", help_behavior_hint="")]


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
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Sequence folder to make."""
    calibration: OptionalCalibration = None
    """KITTI's calib.txt, or the folder of a date of raw recordings (calib_cam_to_cam.txt, calib_velo_to_cam.txt)."""
    camera: Annotated[int | None, tyro.conf.arg(metavar="{0,1,2,3}", help_behavior_hint="")] = None
    """With --calibration: which camera (default: told by IMAGES, such as image_2 or image_03)."""
    intrinsics: OptionalFile = None
    """Without --calibration: the 3x3 matrix K, as text or .npy."""
    extrinsics: OptionalFile = None
    """With --intrinsics: 3x4 or 4x4 numbers, the rigid transform from lidar to camera, metres."""
    lens: Literal["radial-tangential", "fisheye"] = "radial-tangential"
    """With --intrinsics: what the coefficients of --distortion are."""
    distortion: Annotated[tuple[float, ...], tyro.conf.arg(metavar="K1 K2 ...", help_behavior_hint="")] = ()
    """With --intrinsics: k1 k2 p1 p2 [k3 ...], or k1 k2 k3 k4 of a fisheye, in OpenCV's order (default: none)."""
    poses: OptionalFile = None
    """12 numbers a line, camera to world, a line for each image; of KITTI's poses.txt, those of camera 0."""
    occlusion_radius: Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help_behavior_hint="")] = None
    """How far around a point nearer points may hide it (default: one more than the gap between two scan lines; 0 keeps
    hidden points)."""
    unit: Unit = None
    """Of the scans' coordinates (default: metres, after a look at whether that can be)."""
    max_difference: float = 0.05
    """Where times pair them, seconds between an image and its scan."""
    overwrite: Switch = False
    """Replace a sequence folder that is there, with everything in it."""

    def run(self) -> None:
        """Pair, project and write."""
        from kbnet.cli.progress import frame_progress
        from kbnet.sources.lidar_calibration import read_pose_lines
        from kbnet.sources.lidar_scans import open_lidar, write_lidar_sequence

        calibration = self._calibration()
        recording = open_lidar(
            self.images,
            self.scans,
            calibration,
            read_pose_lines(self.poses) if self.poses else None,
            largest_difference_s=self.max_difference,
        )
        with frame_progress() as progress:
            task = progress.add_task("projecting", total=len(recording.frames))
            counts = write_lidar_sequence(
                recording,
                calibration,
                self.folder,
                unit_m=None if self.unit is None else {"m": 1.0, "mm": 0.001}[self.unit],
                occlusion_radius=self.occlusion_radius,
                overwrite=self.overwrite,
                on_frame=lambda: progress.advance(task),
            )
        height, width = counts.size
        print(
            f"wrote {counts.frames} frames of {width}x{height} pixels to {self.folder}: {counts.points:,} points a "
            f"frame, after {counts.hidden:.1%} were dropped that nearer ones hide"
        )
        if self.scans.is_dir():
            print(calibration.describe())
        if without := recording.images - len(recording.frames):
            print(f"left out: {without} of {recording.images} images without a scan")
        if counts.empty:
            print(f"left out: {counts.empty} images into which fewer than 10 points fall")

    def _calibration(self) -> LidarCalibration:
        import numpy as np

        from kbnet.frames.image_file import read_intrinsics
        from kbnet.sources.lidar_calibration import (
            LidarCalibration,
            camera_of_path,
            read_kitti_calibration,
            read_transform,
        )

        if self.calibration and not (self.intrinsics or self.extrinsics or self.distortion):
            camera = camera_of_path(self.images.resolve()) if self.camera is None else self.camera
            return read_kitti_calibration(self.calibration, camera)
        whole_place = self.scans.is_file() and self.poses is not None
        if self.calibration or not self.intrinsics or whole_place == bool(self.extrinsics):
            raise ValueError(
                "expected --calibration, or --intrinsics and --extrinsics, or, for one cloud in the axes of the world, "
                "--intrinsics and --poses; give what one of these needs"
            )
        return LidarCalibration(
            K=read_intrinsics(self.intrinsics),
            T_camera_lidar=read_transform(self.extrinsics, "the transform from lidar to camera")
            if self.extrinsics
            else np.eye(4),
            model=self.lens if self.distortion else "pinhole",
            coefficients=self.distortion,
        )
