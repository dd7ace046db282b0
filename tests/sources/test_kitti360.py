"""KITTI-360: points by the equations of the data set's own scripts, poses by frame number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import kbnet
from kbnet.cli.main import main

DRIVE = "2013_05_28_drive_0000_sync"
SIZE = (60, 80)
RANDOM = np.random.default_rng(0)
P = np.array([[60, 0, 39.5, 0], [0, 60, 29.5, 0], [0, 0, 1, 0]], float)


def rigid(angles: list[float], place: list[float]) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), place
    return T


LIDAR_FROM_CAMERA_0 = np.array([[0, 0, 1, 0.8], [-1, 0, 0, 0.1], [0, -1, 0, 0.3], [0, 0, 0, 1]], float)
CAMERA_TO_POSE = {0: rigid([90, 2, 88], [1.6, 0.3, -1.2]), 1: rigid([91, 2, 89], [1.6, 0.9, -1.2])}
RECTIFICATION = {0: rigid([0.4, -0.6, 0.2], [0, 0, 0]), 1: rigid([-0.3, 0.5, 0.1], [0, 0, 0])}
POSE = rigid([1, 2, 40], [1000.0, 3000.0, 115.0])
POINTS = RANDOM.uniform([4, -3, -2], [30, 3, 2], (300, 3)).astype(np.float32)


def numbers(matrix: np.ndarray) -> str:
    return " ".join(map(repr, matrix.ravel().tolist()))


def write(root: Path, drives: tuple[str, ...] = (DRIVE,)) -> Path:
    calibration = root / "calibration"
    calibration.mkdir(parents=True)
    lines = []
    for camera in (0, 1):
        shifted = P.copy()
        shifted[0, 3] = -40.0 * camera  # which must not count
        lines += [f"S_rect_{camera:02}: {SIZE[1]} {SIZE[0]}", f"P_rect_{camera:02}: {numbers(shifted)}"]
        lines += [f"R_rect_{camera:02}: {numbers(RECTIFICATION[camera][:3, :3])}"]
    (calibration / "perspective.txt").write_text("\n".join(lines))
    (calibration / "calib_cam_to_pose.txt").write_text(
        "\n".join(f"image_{camera:02}: {numbers(T[:3])}" for camera, T in CAMERA_TO_POSE.items())
    )
    (calibration / "calib_cam_to_velo.txt").write_text(numbers(LIDAR_FROM_CAMERA_0[:3]))
    for drive in drives:
        scans = root / "data_3d_raw" / drive / "velodyne_points" / "data"
        scans.mkdir(parents=True)
        for camera in (0, 1):
            (root / "data_2d_raw" / drive / f"image_{camera:02}" / "data_rect").mkdir(parents=True)
        for number in range(2):
            for camera in (0, 1):
                name = root / "data_2d_raw" / drive / f"image_{camera:02}" / "data_rect" / f"{number:010}.png"
                Image.new("RGB", SIZE[::-1], (0, camera, number)).save(name)
            np.hstack([POINTS, np.ones((300, 1))]).astype("<f4").tofile(scans / f"{number:010}.bin")
        (root / "data_poses" / drive).mkdir(parents=True)
        (root / "data_poses" / drive / "poses.txt").write_text(f"1 {numbers(POSE[:3])}\n")
    return root


@pytest.mark.parametrize("camera", [0, 1])
def test_points_and_poses_are_those_of_the_scripts_of_the_data_set(camera: int, tmp_path: Path) -> None:
    source: Any = kbnet.open_frames(write(tmp_path), camera=camera, occlusion_radius=0)
    # As kitti360scripts have it: camera k to camera 0 to lidar, inverted, then the rectification.
    camera_to_camera_0 = np.linalg.inv(CAMERA_TO_POSE[0]) @ CAMERA_TO_POSE[camera]
    to_camera = RECTIFICATION[camera] @ np.linalg.inv(LIDAR_FROM_CAMERA_0 @ camera_to_camera_0)
    seen = POINTS.astype(float) @ to_camera[:3, :3].T + to_camera[:3, 3]
    pixels = np.rint((seen @ P[:, :3].T)[:, :2] / seen[:, 2:]).astype(int)
    inside = ((pixels >= 0) & (pixels < SIZE[::-1])).all(axis=1)
    nearest = np.full(SIZE, np.inf)
    np.minimum.at(nearest, (pixels[inside, 1], pixels[inside, 0]), seen[inside, 2])
    assert inside.sum() > 100
    frame = source.frame(1)
    np.testing.assert_allclose(frame.sparse_depth, np.where(np.isinf(nearest), 0, nearest), rtol=1e-5)
    assert tuple(frame.image[0, 0]) == (0, camera, 1)
    assert not source.has_pose(0)
    expected = POSE @ CAMERA_TO_POSE[camera] @ np.linalg.inv(RECTIFICATION[camera])
    np.testing.assert_allclose(source.pose(1), expected, atol=1e-8)


def test_a_drive_is_chosen_by_name_or_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = DRIVE.replace("0000", "0002")
    root = write(tmp_path / "KITTI-360", (DRIVE, other))
    with pytest.raises(ValueError, match=rf"choose one \(--drive\): {DRIVE}, {other}"):
        kbnet.open_frames(root)
    assert len(kbnet.open_frames(root, drive=other)) == len(kbnet.open_frames(root / "data_2d_raw" / DRIVE)) == 2
    assert main(["prepare", "kitti360", str(root), str(tmp_path / "street"), "--drive", DRIVE]) == 0
    said = capsys.readouterr().out
    assert "wrote 2 frames of 80x60 pixels" in said
    assert "\n1 of 2 frames have a pose\n" in said


def test_fisheyes_and_scans_of_other_times_are_said(tmp_path: Path) -> None:
    root = write(tmp_path)
    with pytest.raises(ValueError, match="camera 0 or 1 of KITTI-360, got 2; 2 and 3 are fisheyes"):
        kbnet.open_frames(root, camera=2)
    for folder, second in (("data_2d_raw", "02.5"), ("data_3d_raw", "02.9")):
        sensor = "image_00" if folder == "data_2d_raw" else "velodyne_points"
        (root / folder / DRIVE / sensor / "timestamps.txt").write_text(f"2013-05-28 08:46:{second}04475904\n" * 2)
    with pytest.warns(UserWarning, match=r"are 0\.400 s apart"):
        kbnet.open_frames(root)


def test_scans_of_three_columns_are_refused_unless_they_are_named(tmp_path: Path) -> None:
    points = RANDOM.uniform([4, -3, -2], [30, 3, 2], (16_000, 3)).astype("<f4")
    for scan in write(tmp_path).glob("data_3d_raw/*/velodyne_points/data/*.bin"):
        points.tofile(scan)
    with pytest.raises(kbnet.KBNetError, match=r"but it seems to hold x,y,z as .*: --columns x,y,z,intensity --dtype"):
        kbnet.open_frames(tmp_path)
    named = kbnet.open_frames(tmp_path, columns="x,y,z", occlusion_radius=0).frame(0)
    for scan in tmp_path.glob("data_3d_raw/*/velodyne_points/data/*.bin"):
        np.column_stack([points, points[:, 0]]).tofile(scan)
    published = kbnet.open_frames(tmp_path, columns="x,y,z,intensity", occlusion_radius=0).frame(0)
    np.testing.assert_array_equal(named.sparse_depth, published.sparse_depth)
