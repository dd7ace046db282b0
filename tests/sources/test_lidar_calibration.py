"""Calibrations: KITTI's three kinds of files give one transform, and text files are checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kbnet
from kbnet.sources.lidar_calibration import (
    LidarCalibration,
    camera_of_path,
    check_one_calibration,
    read_kitti_calibration,
    read_pose_lines,
    read_transform,
    warn_of_inverse,
)

P2 = np.array([[700, 0, 600, 45], [0, 700, 180, -0.1], [0, 0, 1, 0.004]])
R = np.array([[np.cos(0.01), -np.sin(0.01), 0], [np.sin(0.01), np.cos(0.01), 0], [0, 0, 1]])
TR = np.array([[0, -1, 0, 0.02], [0, 0, -1, -0.06], [1, 0, 0, -0.3]])
RAW_K = np.array([[960, 0, 696], [0, 957, 224], [0, 0, 1.0]])
RAW_D = np.array([-0.37, 0.2, 0.001, 0.002, -0.07])
RAW_R = np.array([[np.cos(0.02), 0, np.sin(0.02)], [0, 1, 0], [-np.sin(0.02), 0, np.cos(0.02)]])
RAW_T = np.array([0.06, 0.001, -0.003])


def row(values: np.ndarray) -> str:
    return " ".join(f"{value:.12e}" for value in values.ravel())


def test_extrinsics_in_millimetres_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "T.txt").write_text(row(TR * [1, 1, 1, 1000]))
    with pytest.warns(UserWarning, match="extrinsics in .*T.txt moves by 307 m: in millimetres or centimetres"):
        read_transform(tmp_path / "T.txt", "extrinsics")


def test_images_of_several_calibrations_are_refused(tmp_path: Path) -> None:
    """KITTI's object benchmark."""
    (tmp_path / "calib").mkdir()
    images = [tmp_path / "image_2" / f"{index:06}.png" for index in range(3)]
    paths = [tmp_path / "calib" / f"{image.stem}.txt" for image in images]
    for path in (*paths, tmp_path / "calib.txt"):
        path.write_text("P2: 1\n")
    for others in ("0 0 0 1\n", "P2: 2\n"):  # poses beside one calibration of all images; a file of another program
        (tmp_path / "000001.txt").write_text(others)
        check_one_calibration(tmp_path / "calib.txt", images)
    for given in (paths[0], tmp_path / "calib.txt"):
        check_one_calibration(given, images)
    paths[2].write_text("P2: 2\n")
    for given in (paths[0], tmp_path / "calib.txt"):
        with pytest.raises(ValueError, match=r"expected one calibration .*calib/000002.txt differs"):
            check_one_calibration(given, images)
        check_one_calibration(given, images[:2])
    (tmp_path / "velodyne").mkdir()
    (tmp_path / "calib.txt").unlink()
    with pytest.raises(ValueError, match=r"got one of each image in .*calib; name one \(--calibration FILE\)"):
        kbnet.open_frames(tmp_path)


def test_kitti_odometry_and_object_and_raw_calibrations_agree(tmp_path: Path) -> None:
    (tmp_path / "odometry.txt").write_text(f"P2: {row(P2)}\nTr: {row(np.vstack([R @ TR]))}\n")
    (tmp_path / "object.txt").write_text(f"P2: {row(P2)}\nR0_rect: {row(R)}\nTr_velo_to_cam: {row(TR)}\n\n")
    (tmp_path / "calib_cam_to_cam.txt").write_text(
        f"calib_time: 09-Jan-2012 13:57:47\nP_rect_02: {row(P2)}\nR_rect_00: {row(R)}\n"
    )
    (tmp_path / "calib_velo_to_cam.txt").write_text(f"calib_time: x\nR: {row(TR[:, :3])}\nT: {row(TR[:, 3])}\n")
    read = [read_kitti_calibration(tmp_path / name) for name in ("odometry.txt", "object.txt", "")]
    point = np.array([12.0, 3, -1, 1])
    for calibration in read:
        in_camera = calibration.T_camera_lidar @ point
        expected = P2 @ np.append(R @ TR @ point, 1)
        np.testing.assert_allclose(calibration.K @ in_camera[:3], expected, rtol=1e-6)
        np.testing.assert_allclose(calibration.T_camera_reference[:3, 3], np.linalg.solve(P2[:, :3], P2[:, 3]))
        assert calibration.describe() == "the lidar's x axis looks forward in the camera, y left, z up"


def write_date(folder: Path) -> None:
    """Calibration of a date: the rectified images have 1242x375 pixels, the raw ones 1392x512."""
    raw = {"S": "1.392e+03 5.12e+02", "K": row(RAW_K), "D": row(RAW_D), "R": row(RAW_R), "T": row(RAW_T)}
    lines = [f"{key}_02: {value}" for key, value in raw.items()]
    lines += ["S_rect_02: 1.242e+03 3.75e+02", f"P_rect_02: {row(P2)}", f"R_rect_00: {row(R)}"]
    (folder / "calib_cam_to_cam.txt").write_text("\n".join(lines))
    (folder / "calib_velo_to_cam.txt").write_text(f"R: {row(TR[:, :3])}\nT: {row(TR[:, 3])}\n")


def test_images_of_the_depth_benchmark_are_cut_out_of_the_rectified_ones(tmp_path: Path) -> None:
    write_date(tmp_path)
    whole = read_kitti_calibration(tmp_path, size=(375, 1242))
    with pytest.warns(UserWarning, match=r"begin at column 13 and row 23; give K"):
        cut = read_kitti_calibration(tmp_path, size=(352, 1216))
    # The published intrinsics of 2011_09_26 are those of P_rect_02 less 13 and 23: 609.5593 -> 596.5593.
    np.testing.assert_allclose(whole.K - cut.K, [[0, 0, 13], [0, 0, 23], [0, 0, 0]])
    np.testing.assert_array_equal(cut.T_camera_lidar, whole.T_camera_lidar)
    assert cut.size == (352, 1216)
    small = (tmp_path / "calib_cam_to_cam.txt").read_text().replace("1.242e+03", "1.200e+03")
    (tmp_path / "calib_cam_to_cam.txt").write_text(small)
    with pytest.raises(ValueError, match="where they were cut out is not known"):
        read_kitti_calibration(tmp_path, size=(352, 1216))


def test_raw_images_have_their_own_camera_and_lens(tmp_path: Path) -> None:
    write_date(tmp_path)
    raw = read_kitti_calibration(tmp_path, size=(512, 1392))
    np.testing.assert_allclose(raw.K, RAW_K, rtol=1e-6)
    assert (raw.model, raw.coefficients, raw.size) == ("radial-tangential", tuple(RAW_D), (512, 1392))
    point = np.array([12.0, 3, -1, 1])
    in_camera = RAW_R @ (TR @ point) + RAW_T
    np.testing.assert_allclose((raw.T_camera_lidar @ point)[:3], in_camera)
    in_rectified_0 = np.append(R @ TR @ point, 1)
    np.testing.assert_allclose((raw.T_camera_reference @ in_rectified_0)[:3], in_camera)


def test_a_calibration_without_the_camera_names_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "calib.txt"
    path.write_text(f"P0: {row(P2)}\nTr: {row(TR)}\n")
    with pytest.raises(ValueError, match=r"expected a line 'P2: \.\.\.' .* its lines are P0, Tr; .*--extrinsics"):
        read_kitti_calibration(path)
    path.write_text(f"P2: {row(P2[:2])}\nTr: {row(TR)}\n")
    with pytest.raises(ValueError, match="expected 12 numbers as P2"):
        read_kitti_calibration(path)
    with pytest.raises(FileNotFoundError, match=r"calib_cam_to_cam\.txt, but there is no such file"):
        read_kitti_calibration(tmp_path)


def test_the_camera_is_told_by_the_folder() -> None:
    for folder, camera in {
        "00/image_3": 3,
        "d_sync/image_02/data": 2,
        "image_0": 0,
    }.items():
        assert camera_of_path(Path(folder)) == camera
    for folder in ("frames", "image_20"):
        with pytest.warns(UserWarning, match="taken for images of KITTI's camera 2 .*--camera"):
            assert camera_of_path(Path(folder)) == 2


@pytest.mark.parametrize("turned", [np.eye(3), R, np.diag([-1.0, -1, 1])], ids=["forward", "askew", "backward"])
def test_extrinsics_from_camera_to_lidar_are_warned_of(turned: np.ndarray, recwarn: pytest.WarningsRecorder) -> None:
    T_camera_lidar = np.vstack([np.hstack([TR[:, :3] @ turned, TR[:, 3:]]), [0, 0, 0, 1]])
    warn_of_inverse(T_camera_lidar, Path("T.txt"))
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"T\.txt the lidar's z axis looks .*, with its inverse up: .* invert it"):
        warn_of_inverse(np.linalg.inv(T_camera_lidar), Path("T.txt"))


def test_transforms_and_poses_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "T.txt"
    for rows in (TR, np.vstack([TR, [0, 0, 0, 1]])):
        np.savetxt(path, rows)
        np.testing.assert_allclose(read_transform(path, "the extrinsics")[:3], TR)
    np.savetxt(path, TR[:2])
    with pytest.raises(ValueError, match="expected the extrinsics as 3x4 or 4x4 numbers, got 8"):
        read_transform(path, "the extrinsics")
    np.savetxt(path, 2 * TR)
    with pytest.raises(ValueError, match="the extrinsics is not a rigid transform"):
        read_transform(path, "the extrinsics")
    path.write_text(f"{row(TR)}\n{row(np.eye(4)[:3])}\n")
    first, second = read_pose_lines(path)
    np.testing.assert_allclose(first[:3], TR)
    np.testing.assert_array_equal(second, np.eye(4))
    path.write_text(f"{row(np.vstack([TR, [0, 0, 0, 1]]))}\n" * 3)
    np.testing.assert_allclose([pose[:3] for pose in read_pose_lines(path)], [TR] * 3)
    for text, got in (("1 2 3\n", "3 numbers, 3 a line"), ("0 1 2 3 0 0 0 1\n" * 6, "48 numbers, 8 a line")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"12 numbers a line, .* got {got}"):
            read_pose_lines(path)


def test_describe_names_each_axis() -> None:
    backwards = np.diag([-1.0, 1, -1, 1])
    assert (
        LidarCalibration(np.eye(3, dtype=np.float32), backwards)
        .describe()
        .endswith("x axis looks left in the camera, y down, z backward")
    )
