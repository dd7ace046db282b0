"""What a bag does not say is not guessed: frames that say nothing, lenses with zero coefficients, two clocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kbnet
from kbnet.sources.ros_clock import Stamp, on_one_clock

pytest.importorskip("rosbags")

MakeBag = Callable[..., Any]
COLOUR, DEPTH = "/device_0/sensor_1/Color_0", "/device_0/sensor_0/Depth_0"
K_COLOUR, K_DEPTH = (61.5, 0, 31.8, 0, 61.5, 24.1, 0, 0, 1), (38.5, 0, 32.0, 0, 38.5, 24.0, 0, 0, 1)
SIZE = (48, 64)


def scene(K: tuple[float, ...], left_m: float) -> np.ndarray:
    """A wall at 3 m and a box of 80 cm at 1 m, as a camera so far left of the middle sees them."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    ray = np.stack([(x - K[2]) / K[0], (y - K[5]) / K[4]], axis=-1)
    return np.where((np.abs(ray - [left_m, 0]) < 0.4).all(-1), 1.0, 3.0)


def viewer_bag(make_bag: MakeBag, *, unit: float = 0.001, extrinsics: bool = True) -> Any:
    """As the RealSense Viewer writes it: every frame is called 0; the depth camera is 0.2 m left of the other."""
    maker = make_bag("ros1")
    picture = np.full((*SIZE, 3), 99, np.uint8)
    if extrinsics:
        # From the reference, the depth stream, to each stream: a point at x is at x - 0.2 in the colour camera.
        for stream, x in ((DEPTH, 0.0), (COLOUR, -0.2)):
            move, turn = (
                maker.make("geometry_msgs/Vector3", x, 0.0, 0.0),
                maker.make("geometry_msgs/Quaternion", 0, 0, 0, 1),
            )
            maker.add(f"{stream}/tf/0", 1000.0, "geometry_msgs/Transform", move, turn)
    maker.add("/device_0/sensor_0/option/Depth Units/value", 1000.0, "std_msgs/Float32", unit)
    for index in range(3):
        time = 1000 + 0.1 * index
        maker.info(f"{COLOUR}/info/camera_info", time, K_COLOUR, model="Inverse Brown Conrady")
        maker.info(f"{DEPTH}/info/camera_info", time, K_DEPTH, model="Brown Conrady")
        maker.image(f"{COLOUR}/image/data", time, "rgb8", picture, "0")
        maker.image(f"{DEPTH}/image/data", time, "mono16", np.rint(scene(K_DEPTH, 0) / unit).astype(np.uint16), "0")
    return maker


@pytest.mark.parametrize("unit", [0.001, 0.0001])
def test_a_bag_of_the_realsense_viewer_is_registered_by_its_own_extrinsics_and_unit(
    unit: float, make_bag: MakeBag, tmp_path: Path
) -> None:
    source = kbnet.open_frames(viewer_bag(make_bag, unit=unit).write(tmp_path))
    truth = source.frame(0).ground_truth
    assert truth is not None
    expected = scene(K_COLOUR, -0.2)
    # Left and right of the box is where only one of both cameras sees the wall, or the border of a pixel.
    assert (np.abs(truth - expected)[truth > 0] > 0.01).mean() < 0.06
    assert (np.abs(truth - scene(K_COLOUR, 0))[truth > 0] > 0.01).mean() > 0.2


def test_frames_that_are_all_called_0_are_refused_without_extrinsics(make_bag: MakeBag, tmp_path: Path) -> None:
    path = viewer_bag(make_bag, extrinsics=False).write(tmp_path)
    with pytest.raises(ValueError, match=r"both of frame '0', which does not say how they lie .*--extrinsics FILE"):
        kbnet.open_frames(path)


def test_a_cloud_in_a_frame_that_says_nothing_is_refused(make_bag: MakeBag, tmp_path: Path) -> None:
    maker = make_bag("mcap")
    for index in range(3):
        maker.info("/camera/camera_info", 1000 + index)
        maker.image("/camera/image_raw", 1000 + index, "rgb8", np.full((*SIZE, 3), 9, np.uint8), "")
        maker.cloud("/points", 1000 + index, np.ones((20, 3)), "")
    with pytest.raises(ValueError, match=r"both of frame ''"):
        kbnet.open_frames(maker.write(tmp_path), intrinsics=_k_file(tmp_path))


@pytest.mark.parametrize("name", ["image_raw", "image_rect"])
@pytest.mark.parametrize("frame", ["camera", "lidar"])
def test_raw_and_rectified_images_of_a_stereo_camera_are_not_taken_for_each_other(
    name: str, frame: str, make_bag: MakeBag, tmp_path: Path
) -> None:
    """Stereo matching gives points of the rectified camera, which looks 2 degrees beside the raw one: 2 pixels."""
    maker, K = make_bag("mcap"), np.array([[48, 0, 30], [0, 48, 25], [0, 0, 1]])
    points = np.random.default_rng(0).uniform((-2, -1.5, 3), (2, 1.5, 6), (200, 3))
    maker.transform("camera", "lidar")
    turn = Rotation.from_euler("y", 2, degrees=True).as_matrix()
    P = tuple(np.c_[K, np.zeros(3)].reshape(-1))
    maker.info("/left/camera_info", 1000, (50, 0, 31, 0, 50, 24, 0, 0, 1), p=P, r=tuple(turn.reshape(-1)))
    maker.image(f"/left/{name}", 1000, "mono8", np.full(SIZE, 9, np.uint8))
    maker.cloud("/points2", 1000, points, frame)
    path = maker.write(tmp_path)
    if frame == "lidar":
        with pytest.warns(UserWarning, match=rf"turns rectified images by 2.00 degrees.* mean the {name[6:9]}"):
            kbnet.open_frames(path)
    elif name == "image_raw":
        with pytest.raises(
            ValueError, match=r"/points2, if stereo matching made it, is of the rectified ones; take th"
        ):
            kbnet.open_frames(path)
    else:
        found = kbnet.open_frames(path, keep_hidden=True)[0]
        x, y, z = K @ points.astype(np.float32).T
        seen = found.sparse_depth[np.rint(y / z).astype(int).clip(0, 47), np.rint(x / z).astype(int).clip(0, 63)]
        assert (np.abs(seen - z)[seen > 0] < 1e-6).sum() > 120


def test_smaller_depth_that_is_said_to_be_aligned_is_spread_over_the_image(make_bag: MakeBag, tmp_path: Path) -> None:
    """As DepthAI's SDK records: frames are called by numbers, and nothing is calibrated."""
    maker = make_bag("ros1")
    maker.image("/color/raw", 1000, "bgr8", np.full((*SIZE, 3), 9, np.uint8), "7")
    maker.image("/depth/raw", 1000, "mono16", np.full((24, 32), 2000, np.uint16), "8")
    path = maker.write(tmp_path)
    with pytest.raises(ValueError, match="lie on each other pixel by pixel, say --aligned"):
        kbnet.open_frames(path, intrinsics=_k_file(tmp_path))
    frame = kbnet.open_frames(path, intrinsics=_k_file(tmp_path), aligned=True)[0]
    assert (frame.sparse_depth > 0).sum() == 24 * 32
    assert set(np.unique(frame.sparse_depth)) == {0, 2}


@pytest.mark.parametrize("model", ["equidistant", "kannala_brandt4"])
def test_a_fisheye_whose_coefficients_are_zero_is_a_fisheye(model: str, lidar_bag: MakeBag, tmp_path: Path) -> None:
    """θ' = θ: a point 2 m ahead and 1 m aside, at 26.57°, is 50 · 0.4636 px from the middle, not 25."""
    maker = lidar_bag()
    maker.messages = [one for one in maker.messages if "camera_info" not in one[0]]
    for index in range(3):
        maker.info("/camera/camera_info", 1000 + 0.1 * index, d=(0.0, 0.0, 0.0, 0.0), model=model)
    source: Any = kbnet.open_frames(maker.write(tmp_path), max_difference=0.03)
    np.testing.assert_allclose(
        source.camera.to_pixels(np.array([[0.5, 0.0]])), [[32 + 50 * np.arctan(0.5), 24]], atol=1e-6
    )
    assert source.lens == "fisheye distortion taken out"


@pytest.mark.parametrize("boot", ["lidar", "camera"])
def test_a_clock_since_boot_is_brought_together_by_the_times_of_recording(
    boot: str, make_bag: MakeBag, tmp_path: Path
) -> None:
    maker, random = make_bag("mcap"), np.random.default_rng(0)
    for child in ("camera", "lidar"):
        maker.transform("base", child)
    for index in range(4):
        time = 1000 + 0.1 * index
        maker.info("/camera/camera_info", time)
        maker.image("/camera/image_raw", time, "rgb8", np.full((*SIZE, 3), 9, np.uint8))
        if boot == "camera":
            maker.messages[-1][2].header.stamp.sec = 100
        maker.cloud("/points", time, random.uniform([-1, -1, 2 + index], [1, 1, 2.1 + index], (300, 3)))
        if boot == "lidar":
            maker.messages[-1][2].header.stamp.sec = 100
    path = maker.write(tmp_path)
    for options in ({}, {"max_difference": 1000.0}, {"clock": "recorded"}):
        if "clock" in options:
            source = kbnet.open_frames(path, **options)
        else:
            with pytest.warns(UserWarning, match="stamped by another clock .* times at which messages were recorded"):
                source = kbnet.open_frames(path, **options)
        depths = [float(np.median(frame.sparse_depth[frame.sparse_depth > 0])) for frame in source]
        np.testing.assert_allclose(depths, [2.05, 3.05, 4.05, 5.05], atol=0.03)
    with pytest.raises(ValueError, match=r"no overlap in time: .*--clock recorded"):
        kbnet.open_frames(path, clock="header")
    with pytest.raises(ValueError, match="all 4 images would take one of 4 measurements"):
        kbnet.open_frames(path, clock="header", max_difference=1000.0)


def test_a_clock_one_second_behind_is_told_by_the_times_of_recording() -> None:
    """Scans of one second later then have the times of images."""
    images, depths = ([Stamp(time, round(1e9 * (time + lag))) for time in range(5)] for lag in (0.1, 1.2))
    assert on_one_clock(images, depths)[2].startswith("depth was recorded +1.10 s later than images of the same")
    assert on_one_clock(images, images)[2] == on_one_clock(images, depths, "header")[2] == ""


def test_messages_stamped_after_they_were_recorded_tell_of_another_clock() -> None:
    """Also where a clock drifts or jumps; a recorder whose clock is late for both tells nothing."""
    images = [Stamp(0.1 * number, round(1e9 * (0.1 * number + 0.03))) for number in range(20)]
    for ahead in (np.full(20, 0.1), np.linspace(0, 0.2, 20), np.repeat([0, 0.3], 10)):
        depths = [Stamp(one.header + late, one.recorded_ns) for one, late in zip(images, ahead.tolist(), strict=True)]
        assert on_one_clock(images, depths)[2].startswith("messages of depth are stamped up to 0.")
        assert on_one_clock(depths, images)[2].startswith("messages of images are stamped up to 0.")
        assert on_one_clock(depths, depths)[2] == on_one_clock(images, depths, "header")[2] == ""


def test_headers_without_a_time_and_k_of_another_resolution_are_warned_of(
    depth_bag: MakeBag, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    maker = depth_bag()
    for topic, _, message in maker.messages:
        if topic.endswith("color/image_raw"):
            message.header.stamp.sec = message.header.stamp.nanosec = 0
        elif topic.endswith("color/camera_info"):
            message.k = np.array([100.0, 0, 64, 0, 100, 48, 0, 0, 1])
    assert kbnet.open_frames(maker.write(tmp_path), aligned=True).frame(0).size
    said = " ".join(str(one.message) for one in recwarn)
    assert "messages of /camera/color/image_raw have no time in their header: that of recording is taken" in said
    assert "K of /camera/color/camera_info has its centre at (64, 48), far from the middle of 64x48" in said


def test_disparity_and_infrared_images_are_no_depth(depth_bag: MakeBag, tmp_path: Path) -> None:
    """They are encoded like it."""
    maker = depth_bag()
    for topic in ("/stereo/disparity", "/kinect2/sd/image_ir"):
        maker.image(topic, 1000, "16UC1", np.full(SIZE, 9000, np.uint16))
    source: Any = kbnet.open_frames(maker.write(tmp_path / "both"), aligned=True)
    assert source.points_from == "/camera/aligned_depth/image_raw"
    maker.messages = [one for one in maker.messages if "aligned" not in one[0]]
    with pytest.raises(ValueError, match="expected a topic of depth or points"):
        kbnet.open_frames(maker.write(tmp_path / "none"))


@pytest.mark.parametrize(("size", "refused"), [((24, 32), False), ((40, 64), True)])
def test_camera_info_of_another_size_is_scaled_or_refused(
    size: tuple[int, int], refused: bool, depth_bag: MakeBag, tmp_path: Path
) -> None:
    maker = depth_bag()
    maker.messages = [one for one in maker.messages if "camera_info" not in one[0]]
    for index in range(3):
        maker.info("/camera/color/camera_info", 1000 + 0.1 * index, (25.0, 0, 15.5, 0, 25, 11.5, 0, 0, 1), size=size)
    path = maker.write(tmp_path)
    if refused:
        with pytest.raises(ValueError, match=r"is for 64x40 pixels .* images have 64x48, which is no plain resizing"):
            kbnet.open_frames(path)
    else:
        with pytest.warns(UserWarning, match="K is scaled by 2"):
            K = kbnet.open_frames(path).frame(0).intrinsics
        np.testing.assert_allclose(K, [[50, 0, 31.5], [0, 50, 23.5], [0, 0, 1]])


def _k_file(folder: Path) -> Path:
    (folder / "K.txt").write_text("50 0 32 0 50 24 0 0 1")
    return folder / "K.txt"
