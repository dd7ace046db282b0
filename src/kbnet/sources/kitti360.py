"""KITTI-360 in place: the rectified images of cameras 0 and 1, and the Velodyne's scans.

A point x in the lidar is ``R_rect · T_camera_lidar x`` in a rectified camera, whose K is ``P_rect[:, :3]``: the place
of camera 1 is in ``calib_cam_to_pose.txt``, not in the fourth column of its ``P_rect``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import check_intrinsics, check_pose
from kbnet.frames.image_file import read_numbers
from kbnet.sources.lidar_calibration import LidarCalibration, Transform, read_keys, read_matrix, read_transform
from kbnet.sources.lidar_scans import LidarRecording, open_lidar

IMAGES, SCANS, POSES, CALIBRATION = "data_2d_raw", "data_3d_raw", "data_poses", "calibration"


def open_kitti360(path: Path, *, camera: int, drive: str = "") -> tuple[LidarRecording, LidarCalibration]:
    """List the images of a drive with their scans.

    Args:
        path: folder with ``calibration``, ``data_2d_raw`` and ``data_3d_raw``; or a drive in ``data_2d_raw``.
        camera: 0 or 1.
        drive: its name; may be empty if there is one.

    Raises:
        FileNotFoundError: a file or folder is missing.
        KBNetError: the camera is a fisheye, there are several drives, or a file is damaged.
    """
    if camera not in (0, 1):
        raise KBNetError(
            f"expected --camera 0 or 1 of KITTI-360, got {camera}; 2 and 3 are fisheyes whose model (MEI) is not read"
        )
    root = path.absolute().parents[1] if path.absolute().parent.name == IMAGES else path
    drive = drive or (path.absolute().name if root != path else _only_drive(root))
    calibration, T_camera_pose = _calibration(root / CALIBRATION, camera)
    images, scans = root / IMAGES / drive / f"image_{camera:02}", root / SCANS / drive / "velodyne_points"
    listing = open_lidar(images / "data_rect", scans / "data", calibration, largest_difference_s=None)
    poses = _poses(root / POSES / drive / "poses.txt")
    T_pose_camera = np.linalg.inv(T_camera_pose)
    posed = []
    for frame in listing.frames:
        number = int(frame.image.stem) if frame.image.stem.isdecimal() else -1
        posed.append(replace(frame, T_world_camera=poses[number] @ T_pose_camera if number in poses else None))
    return replace(listing, frames=tuple(posed)), calibration


def _only_drive(root: Path) -> str:
    drives = sorted(folder.name for folder in (root / IMAGES).iterdir() if (root / SCANS / folder.name).is_dir())
    if len(drives) != 1:
        listed = ", ".join(drives) or f"none that {SCANS} has too"
        raise KBNetError(f"expected one drive in {root / IMAGES}, got {len(drives)}; choose one (--drive): {listed}")
    return drives[0]


def _calibration(folder: Path, camera: int) -> tuple[LidarCalibration, Transform]:
    """Camera and lidar, and the transform from the system whose poses are given to the rectified camera."""
    path = folder / "perspective.txt"
    values = read_keys(path)
    K = check_intrinsics(read_matrix(values, (f"P_rect_{camera:02}",), (3, 4), path)[:, :3], where=f" in {path}")
    width, height = read_matrix(values, (f"S_rect_{camera:02}",), (1, 2), path)[0].astype(int).tolist()
    rectification = np.eye(4)
    rectification[:3, :3] = read_matrix(values, (f"R_rect_{camera:02}",), (3, 3), path)
    check_pose(rectification, f"R_rect_{camera:02}", where=f" in {path}")
    path = folder / "calib_cam_to_pose.txt"
    values, T_pose = read_keys(path), {}
    for number in {0, camera}:
        T_pose[number] = np.eye(4)
        T_pose[number][:3] = read_matrix(values, (f"image_{number:02}",), (3, 4), path)
        check_pose(T_pose[number], f"image_{number:02}", where=f" in {path}")
    T_lidar_camera0 = read_transform(folder / "calib_cam_to_velo.txt", "the transform from camera 0 to lidar")
    T_lidar_camera = T_lidar_camera0 @ np.linalg.solve(T_pose[0], T_pose[camera])
    T_camera_lidar = rectification @ np.linalg.inv(T_lidar_camera)
    T_camera_pose = rectification @ np.linalg.inv(T_pose[camera])
    return LidarCalibration(K, T_camera_lidar, size=(height, width), of_kitti=True), T_camera_pose


def _poses(path: Path) -> dict[int, Transform]:
    """Of the system in the world by frame number; empty without the file: not every frame has one."""
    if not path.is_file():
        return {}
    numbers = read_numbers(path, "poses (frame number and 12 numbers a line)", table=True)
    if numbers.size % 13:
        raise KBNetError(f"expected 13 numbers a line (frame, 3x4 pose) in {path}, got {numbers.size}; copy it again")
    poses = {}
    for row in numbers.reshape(-1, 13):
        if not row[0].is_integer():
            raise KBNetError(f"expected the number of a frame before each pose in {path}, got {row[0]}; copy it again")
        pose = np.vstack([row[1:].reshape(3, 4), [0, 0, 0, 1]])
        check_pose(pose, f"the pose of frame {row[0]:.0f}", where=f" in {path}")
        poses[int(row[0])] = pose
    return poses
