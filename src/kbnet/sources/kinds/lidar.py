"""Images and lidar scans: KITTI drives, or folders of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from kbnet.errors import KBNetError
from kbnet.frames.kinds import CLOUD_SUFFIXES, IMAGE_SUFFIXES, TEXT_SUFFIXES, register
from kbnet.sources.flags import CoefficientsFlag, ColumnsFlag, ColumnTypeFlag, FileFlag, LensFlag, PathFlag, RadiusFlag

if TYPE_CHECKING:
    from kbnet.sources.lidar_calibration import LidarCalibration
    from kbnet.sources.lidar_scans import LidarFrames

Unit = Annotated[Literal["m", "cm", "mm"] | None, arg(metavar="{m,cm,mm}", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class LidarArguments:
    """Options of images and scans."""

    calibration: PathFlag = None
    """KITTI's calib.txt, or the folder of a date of raw recordings (calib_cam_to_cam.txt, calib_velo_to_cam.txt)."""
    camera: Annotated[int | None, arg(metavar="{0,1,2,3}", help_behavior_hint="")] = None
    """With --calibration: which camera (default: told by the folder of images, such as image_2 or image_03)."""
    intrinsics: FileFlag = None
    """Without --calibration: the 3x3 matrix K, as text or .npy."""
    extrinsics: FileFlag = None
    """With --intrinsics: 3x4 or 4x4 numbers, the rigid transform from lidar to camera, metres."""
    lens: LensFlag = None
    """With --intrinsics: what the lens does (default: radial-tangential with --distortion, else pinhole)."""
    distortion: CoefficientsFlag = ()
    """With --intrinsics: k1 k2 p1 p2 [k3 ...], or k1 k2 k3 k4 of a fisheye, in OpenCV's order (default: none)."""
    poses: FileFlag = None
    """12 numbers a line, camera to world, a line for each image; of KITTI's poses.txt, those of camera 0."""
    occlusion_radius: RadiusFlag = None
    columns: ColumnsFlag = ""
    dtype: ColumnTypeFlag = "float32"
    unit: Unit = None
    """Of the scans' coordinates (default: metres, after a look at whether that can be)."""
    max_difference: float = 0.05
    """Where times pair them, seconds between an image and its scan."""


@dataclass(frozen=True, kw_only=True)
class LidarInPlaceArguments(LidarArguments):
    """Options of images and scans, where the path names the images or a KITTI drive."""

    scans: PathFlag = None
    """Scans of a folder of images; a KITTI drive has its own."""


def is_lidar(path: Path) -> bool:
    """Whether a folder is a KITTI drive, or holds images whose scans lie elsewhere."""
    if not path.is_dir() or (path / "image").is_dir():
        return False
    drive = (path / "velodyne").is_dir() or (path / "velodyne_points").is_dir()
    return drive or any(one.suffix.lower() in IMAGE_SUFFIXES for one in path.iterdir()) or _has_scans(path)


@register(
    "lidar",
    "a KITTI drive (folder with velodyne/ or velodyne_points/), or a folder of images with --scans",
    is_lidar,
    LidarInPlaceArguments,
    last=True,
)
def open_drive(path: Path, options: LidarInPlaceArguments) -> LidarFrames:
    """Open a KITTI drive with its own calibration, or a folder of images with ``options.scans``.

    Raises:
        FileNotFoundError, KBNetError: as :func:`open_lidar_recording`, or there are no scans.
    """
    camera = 2 if options.camera is None else options.camera
    if (path / "velodyne_points").is_dir():
        images, scans, own = (
            path / f"image_{camera:02}" / "data",
            path / "velodyne_points" / "data",
            path.resolve().parent,
        )
    elif (path / "velodyne").is_dir():
        images, scans = path / f"image_{camera}", path / "velodyne"
        own = path / "calib.txt"
        if options.poses is None and (path / "poses.txt").is_file():
            options = replace(options, poses=path / "poses.txt")
    elif options.scans is None and _has_scans(path):
        from kbnet.sources.point_cloud_file import TEXT_REMEDY

        text = "" if any(one.suffix.lower() in CLOUD_SUFFIXES for one in path.iterdir()) else f"{TEXT_REMEDY}; then "
        raise KBNetError(
            f"{path} holds scans without images: {text}kbnet complete IMAGES --scans {path} --intrinsics K.txt "
            "--extrinsics T_camera_lidar.txt --output depth"
        )
    elif options.scans is None:
        remedy = "name the sequence folder around it, or lidar scans (--scans FOLDER)"
        if any("depth" in one.name.lower() for one in path.iterdir()):
            remedy = "put its depth images into depth/ and the others into images/ (kbnet prepare rgbd)"
        raise KBNetError(f"{path} holds images without depth; {remedy}")
    else:
        return open_lidar_recording(path, options.scans, options)
    if not (options.calibration or options.intrinsics):
        if not own.exists() and (several := path / "calib").is_dir():
            raise KBNetError(f"expected {own}, got one of each image in {several}; name one (--calibration FILE)")
        options = replace(options, calibration=own, camera=camera)
    return open_lidar_recording(images, options.scans or scans, options, path=path)


def open_lidar_recording(
    images: Path, scans: Path, options: LidarArguments, *, path: Path | None = None
) -> LidarFrames:
    """Pair images and scans; errors are those of `kbnet.sources.lidar_scans` and of the calibration.

    Args:
        images: folder of images, or one image.
        scans: folder of scans, or one point cloud.
        path: what to call the recording; None = ``images``.
    """
    from kbnet.sources.lidar_calibration import read_pose_lines
    from kbnet.sources.lidar_scans import LidarFrames, open_lidar
    from kbnet.sources.scan_columns import named_layout

    calibration = _calibration(images, scans, options)
    poses = read_pose_lines(options.poses) if options.poses else None
    return LidarFrames(
        open_lidar(images, scans, calibration, poses, largest_difference_s=options.max_difference),
        calibration,
        path or images,
        unit_m=None if options.unit is None else {"m": 1.0, "cm": 0.01, "mm": 0.001}[options.unit],
        occlusion_radius=options.occlusion_radius,
        layout=named_layout(options.columns, options.dtype),
    )


def _has_scans(path: Path) -> bool:
    """Whether all files of a folder are scans; those of text are numbered."""
    files = list(path.glob("[!.]*"))
    numbered = all(one.suffix.lower() in CLOUD_SUFFIXES or one.stem[-1:].isdigit() for one in files)
    return bool(files) and numbered and all(one.suffix.lower() in (*CLOUD_SUFFIXES, *TEXT_SUFFIXES) for one in files)


def _calibration(images: Path, scans: Path, options: LidarArguments) -> LidarCalibration:
    import numpy as np

    from kbnet.frames.image_file import picture_size, read_intrinsics
    from kbnet.sources.lidar_calibration import (
        LidarCalibration,
        camera_of_path,
        check_one_calibration,
        read_kitti_calibration,
        read_transform,
        warn_of_inverse,
    )
    from kbnet.sources.scan_pairs import list_images

    if options.calibration and not (options.intrinsics or options.extrinsics or options.distortion or options.lens):
        camera = camera_of_path(images.resolve()) if options.camera is None else options.camera
        listed = list_images(images)
        check_one_calibration(options.calibration, listed)
        return read_kitti_calibration(options.calibration, camera, picture_size(listed[0]))
    whole_place = scans.is_file() and options.poses is not None
    if options.calibration or not options.intrinsics or whole_place == bool(options.extrinsics):
        raise KBNetError(
            "expected --calibration, or --intrinsics and --extrinsics, or, for one cloud in the axes of the world, "
            "--intrinsics and --poses; give what one of these needs"
        )
    T_camera_lidar = np.eye(4)
    if options.extrinsics:
        T_camera_lidar = read_transform(options.extrinsics, "the transform from lidar to camera")
        warn_of_inverse(T_camera_lidar, options.extrinsics)
    return LidarCalibration(
        K=read_intrinsics(options.intrinsics),
        T_camera_lidar=T_camera_lidar,
        model=options.lens or ("radial-tangential" if options.distortion else "pinhole"),
        coefficients=options.distortion,
    )
