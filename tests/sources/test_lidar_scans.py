"""Lidar recordings to sequences: points of a known wall land where they are, and what cannot be is said in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import WrittenFrames, write_sequence
from kbnet.sources.lidar_calibration import LidarCalibration
from kbnet.sources.lidar_scans import LidarFrames, open_lidar
from kbnet.sources.misplaced_points import FORWARD_LEFT_UP
from kbnet.sources.rectification import Camera

K = np.array([[60, 0, 39.5], [0, 60, 29.5], [0, 0, 1]], np.float32)
SIZE = (60, 80)
WALL, POST = 12.0, 3.0
T_CAMERA_LIDAR = FORWARD_LEFT_UP.copy()
T_CAMERA_LIDAR[:3, 3] = 0.05, -0.1, -0.2
CALIBRATION = LidarCalibration(K, T_CAMERA_LIDAR)


def wall_and_post() -> np.ndarray:
    """In the camera: a wall on every second pixel of every sixth row, and a post before it on rows between, (N, 3)."""
    rows, columns = np.mgrid[0:60:6, 0:80:2]
    wall = np.stack([(columns - 39.5) / 60, (rows - 29.5) / 60, np.ones(rows.shape)], -1).reshape(-1, 3) * WALL
    rows, columns = np.mgrid[3:60:6, 30:50:2]
    post = np.stack([(columns - 39.5) / 60, (rows - 29.5) / 60, np.ones(rows.shape)], -1).reshape(-1, 3) * POST
    return np.concatenate([wall, post])


def write_scan(path: Path, points: np.ndarray, T_camera_points: np.ndarray = T_CAMERA_LIDAR) -> None:
    """Store points of the camera in the axes of a lidar."""
    in_lidar = (points - T_camera_points[:3, 3]) @ T_camera_points[:3, :3]
    np.hstack([in_lidar, np.ones((len(points), 1))]).astype("<f4").tofile(path)


def write_recording(folder: Path, *, frames: int = 3, points: np.ndarray | None = None) -> tuple[Path, Path]:
    images, scans = folder / "image_2", folder / "velodyne"
    for subfolder in (images, scans):
        subfolder.mkdir(parents=True)
    for index in range(frames):
        image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(image).save(images / f"{index:06}.png")
        write_scan(scans / f"{index:06}.bin", wall_and_post() if points is None else points)
    return images, scans


def convert(
    folder: Path, images: Path, scans: Path, calibration: LidarCalibration = CALIBRATION, **options
) -> tuple[WrittenFrames, LidarFrames]:
    poses = options.pop("poses", None)
    frames = LidarFrames(open_lidar(images, scans, calibration, poses), calibration, images, **options)
    return write_sequence(folder, frames.posed_frames()), frames


def test_numbers_of_an_unsynchronised_kitti_drive_are_warned_of(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    kitti = LidarCalibration(K, T_CAMERA_LIDAR, of_kitti=True)
    for folder, second in ((images, "25.1"), (scans, "25.4")):
        folder.rename(tmp_path / "data")
        folder.mkdir()
        (tmp_path / "data").rename(folder / "data")
        (folder / "timestamps.txt").write_text(f"2011-09-26 13:02:{second}00000000\n" * 3)
    with pytest.warns(UserWarning, match=r"one number are 0\.300 s apart .*; take synchronised ones"):
        open_lidar(images / "data", scans / "data", kitti)


def test_poses_that_look_away_from_a_cloud_are_said(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path, frames=1)
    poses = [np.diag([-1.0, 1, -1, 1])]
    frames = LidarFrames(open_lidar(images, scans / "000000.bin", LidarCalibration(K), poses), CALIBRATION, images)
    with pytest.raises(ValueError, match=r"the camera looks elsewhere: .*; check that poses are camera to world"):
        frames.frame(0)


def test_points_land_on_their_pixels_and_the_wall_behind_the_post_goes(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    counts, frames = convert(tmp_path / "room", images, scans)
    assert (counts.frames, counts.size, frames.empty) == (3, SIZE, 0)
    assert frames.assumptions() == [CALIBRATION.describe()]
    frame = Sequence(tmp_path / "room").frame(1)
    np.testing.assert_array_equal(frame.image, np.asarray(Image.open(images / "000001.png")))
    post, wall = frame.sparse_depth[3::6, 30:50:2], frame.sparse_depth[0::6, 0:80:2]
    np.testing.assert_allclose(post, POST, atol=1 / 256)
    behind = np.s_[1:, 16:24]
    assert not wall[behind].any()
    np.testing.assert_allclose(wall[:, :15], WALL, atol=1 / 256)
    np.testing.assert_allclose(wall[:, 26:], WALL, atol=1 / 256)
    assert np.count_nonzero(frame.sparse_depth) == counts.points
    assert 0.1 < frames.hidden < 0.2

    everything, all_frames = convert(tmp_path / "all", images, scans, occlusion_radius=0)
    assert everything.points == len(wall_and_post())
    assert all_frames.hidden == 0


def test_poses_are_moved_from_the_reference_to_the_camera(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    T_camera_reference = np.eye(4)
    T_camera_reference[0, 3] = 0.06
    poses = [np.eye(4) for _ in range(3)]
    poses[2][2, 3] = 1.5
    convert(tmp_path / "room", images, scans, LidarCalibration(K, T_CAMERA_LIDAR, T_camera_reference), poses=poses)
    np.testing.assert_allclose(Sequence(tmp_path / "room").pose(2)[:3, 3], [-0.06, 0, 1.5])
    with pytest.raises(ValueError, match=r"a pose for each of 3 images .* got 2"):
        open_lidar(images, scans, CALIBRATION, poses[:2])


def test_one_cloud_of_the_place_is_seen_from_each_pose(tmp_path: Path) -> None:
    images, _ = write_recording(tmp_path, frames=2)
    write_scan(tmp_path / "place.bin", wall_and_post(), np.eye(4))
    poses = [np.eye(4), np.eye(4)]
    poses[1][2, 3] = 2.0  # two metres towards the wall
    calibration = LidarCalibration(K)
    _, frames = convert(tmp_path / "room", images, tmp_path / "place.bin", calibration, poses=poses, occlusion_radius=0)
    assert "poses are taken for camera to world, metres, in the axes of" in frames.assumptions()[0]
    sequence = Sequence(tmp_path / "room")
    for index, way in enumerate((0, 2)):
        depth = sequence.sparse_depth(index)
        assert set(np.rint(depth[depth > 0])) == {WALL - way, POST - way}
    with pytest.raises(ValueError, match="one cloud for 2 images; give the camera's pose"):
        open_lidar(images, tmp_path / "place.bin", calibration)


def test_a_camera_may_come_from_outside_into_the_place(tmp_path: Path) -> None:
    images, _ = write_recording(tmp_path, frames=8)
    write_scan(tmp_path / "place.bin", wall_and_post(), np.eye(4))
    poses = [np.eye(4) for _ in range(8)]
    for pose in poses[:6]:
        pose[2, 3] = 100.0  # beyond the wall
    calibration = LidarCalibration(K)
    counts, frames = convert(tmp_path / "room", images, tmp_path / "place.bin", calibration, poses=poses)
    assert (counts.frames, frames.empty) == (2, 6)


def test_the_lens_is_taken_out_of_the_image_and_points_are_where_the_pinhole_sees_them(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path, frames=1)
    calibration = LidarCalibration(K, T_CAMERA_LIDAR, model="radial-tangential", coefficients=(-0.1, 0.01, 0, 0))
    # A checkerboard on the wall as the lens shows it: squares of one metre.
    camera = Camera(K, SIZE, "radial-tangential", calibration.coefficients)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    x, y = np.moveaxis(camera.to_rays(np.stack([columns, rows], -1)) * WALL, -1, 0)
    board = ((np.floor(x) + np.floor(y)) % 2 * 255).astype(np.uint8)
    Image.fromarray(np.stack([board] * 3, -1)).save(images / "000000.png")
    across = np.stack(np.meshgrid(np.arange(-6.5, 7), np.arange(-4.5, 5), [WALL]), -1).reshape(-1, 3)
    write_scan(scans / "000000.bin", across)  # in the middle of the squares
    convert(tmp_path / "room", images, scans, calibration)
    frame = Sequence(tmp_path / "room").frame(0)
    assert frame.intrinsics[0, 0] != K[0, 0]
    rows, columns = np.nonzero(frame.sparse_depth)
    x, y = ((np.stack([columns, rows], -1) - frame.intrinsics[:2, 2]) / frame.intrinsics[[0, 1], [0, 1]] * WALL).T
    colour = (np.floor(x) + np.floor(y)) % 2 * 255
    assert len(rows) > 60
    assert np.mean(np.abs(frame.image[rows, columns, 0] - colour) < 64) > 0.97


def test_a_lidar_that_looks_elsewhere_says_where_and_what_would_help(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    turned = r"turning x forward, y left, z up to the camera's axes after them would put 49\d into it"
    for T, looks, hint in (
        (np.eye(4), "right in the camera, y down, z forward", turned),
        (np.linalg.inv(T_CAMERA_LIDAR), "up in the camera, y backward, z right", "their inverse would put 500"),
    ):
        expected = (
            rf"the lidar looks elsewhere: of 500 points in .*\.bin .* {hint}.*; .* lidar's x axis looks {looks}; "
        )
        with pytest.raises(ValueError, match=expected) as caught:
            convert(tmp_path / "room", images, scans, LidarCalibration(K, T))
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "room").exists()


def test_millimetres_are_recognised_and_read_when_told(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    for scan in scans.iterdir():
        points = np.fromfile(scan, "<f4").reshape(-1, 4)
        (points * np.array([1000, 1000, 1000, 1], "<f4")).tofile(scan)
    with pytest.raises(ValueError, match=r"000000\.bin: depth has a median of 1\d+ m, .* millimetres .*--unit mm"):
        convert(tmp_path / "room", images, scans)
    assert convert(tmp_path / "room", images, scans, unit_m=0.001)[0].frames == 3


def test_frames_without_points_are_left_out_and_counted(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    write_scan(scans / "000001.bin", wall_and_post() * [1, 1, -1])
    counts, frames = convert(tmp_path / "room", images, scans)
    assert (counts.frames, frames.empty) == (2, 1)
    assert Sequence(tmp_path / "room").names == ("000000", "000002")


def test_points_deeper_than_a_depth_file_holds_are_dropped(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path, frames=1, points=np.vstack([wall_and_post(), [[0, -90, 300]]]))
    assert convert(tmp_path / "room", images, scans, occlusion_radius=0)[0].points == len(wall_and_post())


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path)
    Image.fromarray(np.zeros((40, 64, 3), np.uint8)).save(images / "000002.png")
    with pytest.raises(ValueError, match=r"64x40 .* 80x60"):
        convert(tmp_path / "room", images, scans)


def test_names_that_are_numbers_sort_by_value_so_that_poses_meet_their_images(tmp_path: Path) -> None:
    images, scans = write_recording(tmp_path, frames=11)
    for folder in (images, scans):
        for file in folder.iterdir():
            file.rename(file.with_stem(str(int(file.stem))))
    poses = [np.eye(4) for _ in range(11)]
    for index, pose in enumerate(poses):
        pose[2, 3] = index
    convert(tmp_path / "room", images, scans, poses=poses)
    sequence = Sequence(tmp_path / "room")
    assert sequence.names == tuple(f"{index:02}" for index in range(11))
    for index in (2, 10):
        assert sequence.pose(index)[2, 3] == index
        np.testing.assert_array_equal(sequence.image(index), np.asarray(Image.open(images / f"{index}.png")))
