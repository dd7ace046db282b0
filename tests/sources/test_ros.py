"""Bags to sequences: ROS 1 and 2, depth images and points, poses; and what is said where that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbnet
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import WrittenFrames, write_sequence
from kbnet.sources.rectification import Camera
from kbnet.sources.ros import RosFrames, RosOptions
from kbnet.sources.ros_bag import open_bag
from kbnet.sources.ros_recording import RosTopics, survey

pytest.importorskip("rosbags")

KINDS = ("ros1", "sqlite3", "mcap")
MakeBag = Callable[..., Any]


def prepare(
    bag_path: Path,
    folder: Path,
    topics: RosTopics | None = None,
    options: RosOptions | None = None,
    **survey_options: Any,
) -> WrittenFrames:
    with open_bag(bag_path) as bag:
        frames = RosFrames(survey(bag, topics or RosTopics(), **survey_options), options or RosOptions())
        return write_sequence(folder, frames.posed_frames())


@pytest.mark.parametrize("kind", KINDS)
def test_depth_images_become_ground_truth_and_points(kind: str, depth_bag: MakeBag, tmp_path: Path) -> None:
    done = prepare(depth_bag(kind).write(tmp_path), tmp_path / "sequence", options=RosOptions(points=30))
    sequence = Sequence(tmp_path / "sequence")
    assert (done.frames, done.posed, len(sequence)) == (3, 0, 3)
    assert sequence.names[1] == "0000001000100000"
    frame = sequence.frame(1)
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(frame.ground_truth, 2)
    assert np.count_nonzero(frame.sparse_depth) == 30
    np.testing.assert_array_equal(frame.intrinsics, [[50, 0, 32], [0, 50, 24], [0, 0, 1]])


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_projected_where_the_robot_was_at_the_time_of_the_image(
    kind: str, lidar_bag: MakeBag, tmp_path: Path
) -> None:
    """The scan is taken 20 ms and so 2 cm later; depth is that of the wall at the time of the image."""
    done = prepare(lidar_bag(kind).write(tmp_path), tmp_path / "sequence", largest_difference_s=0.03)
    sequence = Sequence(tmp_path / "sequence")
    assert (done.frames, done.posed) == (3, 3)
    for index in range(3):
        sparse = sequence.sparse_depth(index)
        expected = 10 - 0.1 * index - 0.2
        assert np.count_nonzero(sparse) == 81
        np.testing.assert_allclose(sparse[sparse > 0], expected, atol=2 / 256)
        T_world_camera = sequence.pose(index)
        np.testing.assert_allclose(T_world_camera[:3, 3], [0.1 * index + 0.2, 0, 0], atol=1e-6)
        np.testing.assert_allclose(T_world_camera[:3, 2], [1, 0, 0], atol=1e-6)
    # The lidar's (10, 1, 0) is 1 m to the left and 0.5 m above, 9.8 m ahead.
    assert sequence.sparse_depth(0)[round(24 - 50 * 0.5 / 9.8), round(32 - 50 / 9.8)] > 0


def test_odometry_gives_poses_where_tf_does_not(lidar_bag: MakeBag, tmp_path: Path) -> None:
    maker = lidar_bag()
    maker.messages = [message for message in maker.messages if message[0] != "/tf"]
    for time in (999.9, 1000.0, 1000.1, 1000.2, 1000.3):
        maker.odometry("/odom", time, (0.0, time - 1000, 0.0))
    path = maker.write(tmp_path)
    assert prepare(path, tmp_path / "without", largest_difference_s=0.03).posed == 0
    assert prepare(path, tmp_path / "with", RosTopics(odometry="/odom"), largest_difference_s=0.03).posed == 3
    np.testing.assert_allclose(Sequence(tmp_path / "with").pose(2)[:3, 3], [0.2, 0.2, 0], atol=1e-6)


def test_poses_are_in_the_uppermost_frame_that_most_images_are_known_in(lidar_bag: MakeBag, tmp_path: Path) -> None:
    """A localisation that says once in a while where odom lies in the map gives no pose in between."""
    maker = lidar_bag()
    for time, x in ((999.0, 5.0), (1002.0, 5.5)):
        maker.transform("map", "odom", (x, 0.0, 0.0), time=time)
    path = maker.write(tmp_path)
    with open_bag(path) as bag:
        assert survey(bag, largest_difference_s=0.03).world == "odom"
    assert prepare(path, tmp_path / "sequence", largest_difference_s=0.03).posed == 3


def test_extrinsics_take_the_place_of_tf(lidar_bag: MakeBag, tmp_path: Path) -> None:
    path = lidar_bag(static=False).write(tmp_path)
    T_camera_lidar = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0.0], [0, 0, 0, 1]])
    with pytest.raises(ValueError, match=r"transform from lidar \(/points\) to camera .* TF knows base, odom"):
        prepare(path, tmp_path / "sequence", largest_difference_s=0.03)
    options = RosOptions(T_camera_depth=T_camera_lidar)
    assert prepare(path, tmp_path / "sequence", options=options, largest_difference_s=0.03).frames == 3


def test_depth_of_another_camera_is_moved_into_the_images(depth_bag: MakeBag, tmp_path: Path) -> None:
    """A depth camera 0.2 m behind, at half the resolution: the wall 2 m from it is 1.8 m away."""
    maker = depth_bag()
    maker.messages = [message for message in maker.messages if "aligned" not in message[0]]
    for index in range(3):
        time = 1000 + 0.1 * index
        maker.image("/depth/image", time, "32FC1", np.full((24, 32), 2, np.float32), "depth_camera")
        maker.info("/depth/camera_info", time, (25.0, 0, 16, 0, 25, 12, 0, 0, 1), size=(24, 32))
    maker.transform("camera", "depth_camera", (0.0, 0.0, -0.2))
    prepare(maker.write(tmp_path), tmp_path / "sequence", options=RosOptions(points=50))
    truth = Sequence(tmp_path / "sequence").frame(0).ground_truth
    assert truth is not None
    np.testing.assert_allclose(truth[truth > 0], 1.8, atol=1 / 256)
    assert np.count_nonzero(truth) > 600


def test_distortion_is_taken_out_of_image_and_depth(depth_bag: MakeBag, tmp_path: Path) -> None:
    maker = depth_bag()
    path = maker.write(tmp_path)
    K = np.array([[50, 0, 32], [0, 50, 24], [0, 0, 1]], np.float32)
    camera = Camera(K, (48, 64), "radial-tangential", (-0.2, 0.0, 0.0, 0.0))
    prepare(path, tmp_path / "sequence", camera=camera, options=RosOptions(points=30))
    frame = Sequence(tmp_path / "sequence").frame(0)
    assert frame.intrinsics[0, 0] != 50
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(frame.ground_truth, 2)


def test_every_takes_every_nth_frame(depth_bag: MakeBag, tmp_path: Path) -> None:
    with open_bag(depth_bag().write(tmp_path)) as bag:
        assert len(RosFrames(survey(bag), every=2)) == 2


def test_no_overlap_in_time_says_how_far_apart(depth_bag: MakeBag, tmp_path: Path) -> None:
    path = depth_bag(delay=5.0).write(tmp_path)
    with pytest.raises(
        ValueError, match=r"no overlap in time: .*at best 4\.800 s; they span 5\.000 to 5\.200 s and 0\.0"
    ):
        prepare(path, tmp_path / "sequence")


def test_points_that_fall_nowhere_say_where_they_lie(lidar_bag: MakeBag, tmp_path: Path) -> None:
    """A camera's axes taken for the robot's: what lies ahead of the lidar lies right of the camera."""
    path = lidar_bag(camera=(0.0, 0.0, 0.0, 1.0)).write(tmp_path)
    with pytest.raises(
        ValueError, match=r"100 % of the points lie right of it; turning x .* would put 81 into it; probably"
    ):
        prepare(path, tmp_path / "sequence", largest_difference_s=0.03)
    assert not (tmp_path / "sequence").exists()


def test_millimetres_read_as_metres_are_recognised(depth_bag: MakeBag, tmp_path: Path) -> None:
    path = depth_bag(encoding="32FC1", depth=2000.0).write(tmp_path)
    with pytest.raises(ValueError, match=r"image_raw: depth has a median of 2000 m, .*--metres-per-unit 0\.001"):
        prepare(path, tmp_path / "sequence")
    assert prepare(path, tmp_path / "sequence", options=RosOptions(metres_per_unit=0.001)).frames == 3


def test_a_changing_calibration_is_refused(depth_bag: MakeBag, tmp_path: Path) -> None:
    maker = depth_bag()
    maker.info("/camera/color/camera_info", 1000.25, (60.0, 0, 32, 0, 60, 24, 0, 0, 1))
    with pytest.raises(ValueError, match=r"changes from 50\.0 50\.0 32\.0 24\.0 to 60\.0 60\.0 .* at 1000\.250 s"):
        prepare(maker.write(tmp_path), tmp_path / "sequence")


def test_unaligned_depth_without_calibration_names_the_way_out(depth_bag: MakeBag, tmp_path: Path) -> None:
    maker = depth_bag()
    maker.image("/other/depth", 1000.0, "16UC1", np.full((48, 64), 1500, np.uint16), "elsewhere")
    path, topics = maker.write(tmp_path), RosTopics(depth="/other/depth")
    with pytest.raises(ValueError, match=r"of frame elsewhere, the images of camera, .*say --aligned"):
        prepare(path, tmp_path / "sequence", topics)
    assert prepare(path, tmp_path / "sequence", topics, RosOptions(aligned=True)).frames == 1


def test_topics_that_are_not_there_or_ambiguous_name_those_that_are(depth_bag: MakeBag, tmp_path: Path) -> None:
    maker = depth_bag()
    maker.image("/infra/image", 1000.0, "mono8", np.zeros((48, 64), np.uint8))
    path = maker.write(tmp_path)
    for topics, message in (
        (
            RosTopics(image="/cam"),
            r"/cam is not in .*; it has /camera/aligned_depth/image_raw, /camera/color/image_raw, /inf",
        ),
        (RosTopics(), r"one topic of images in .*, got /camera/color/image_raw, /infra/image; choose with --image"),
        (RosTopics(image="/camera/color/camera_info"), r"is of type sensor_msgs/msg/CameraInfo"),
        (RosTopics(image="/infra/image", camera_info="/x"), r"/x is not in"),
        (RosTopics(image="/camera/color/image_raw", odometry="/odom"), r"topic of Odometry, .*its topics are /camera"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare(path, tmp_path / "sequence", topics)


def test_a_world_that_is_not_above_the_camera_names_those_that_are(lidar_bag: MakeBag, tmp_path: Path) -> None:
    path = lidar_bag().write(tmp_path)
    with pytest.raises(ValueError, match=r"as world, got map; choose among base, odom"):
        prepare(path, tmp_path / "sequence", options=RosOptions(world="map"), largest_difference_s=0.03)


def test_odometry_of_what_does_not_carry_the_camera_is_refused(lidar_bag: MakeBag, tmp_path: Path) -> None:
    maker = lidar_bag()
    maker.odometry("/odom", 1000.0, (0.0, 0.0, 0.0), child="cart")
    path = maker.write(tmp_path)
    with pytest.raises(
        ValueError, match=r"/odom to say where one of camera, base, odom is, but it does of cart, and TF"
    ):
        prepare(path, tmp_path / "sequence", RosTopics(odometry="/odom"), largest_difference_s=0.03)


def test_depth_of_the_same_frame_but_another_calibration_needs_extrinsics(depth_bag: MakeBag, tmp_path: Path) -> None:
    """Depth rectified before it was registered, K of 40 px in place of 50: its column 52 shows what 57 does."""
    maker = depth_bag()
    maker.messages = [message for message in maker.messages if "aligned" not in message[0]]
    depth = np.full((48, 64), 2000, np.uint16)
    depth[:, 52:] = 4000
    for index in range(3):
        maker.image("/depth/image", 1000 + 0.1 * index, "16UC1", depth)
        maker.info("/depth/camera_info", 1000 + 0.1 * index, (40.0, 0, 32, 0, 40, 24, 0, 0, 1))
    path = maker.write(tmp_path)
    with pytest.raises(ValueError, match=r"both of frame camera, but of different cameras \(64x48 with fx 40\.0, and"):
        prepare(path, tmp_path / "sequence")
    for aligned, edge in ((False, 32 + 20 * 50 / 40), (True, 52)):
        folder = tmp_path / str(aligned)
        T_camera_depth = None if aligned else np.eye(4)
        prepare(path, folder, options=RosOptions(points=50, aligned=aligned, T_camera_depth=T_camera_depth))
        truth = Sequence(folder).frame(0).ground_truth
        assert truth is not None
        assert np.nonzero((truth == 4).any(axis=0))[0][0] == edge


def test_depth_with_k_of_the_images_but_without_their_lens_was_rectified(make_bag: MakeBag, tmp_path: Path) -> None:
    """As the driver of OAK cameras publishes it: column 52 of the depth shows 0.4 to the right at 1 m."""
    maker, depth = make_bag("mcap"), np.full((48, 64), 2000, np.uint16)
    depth[:, 52:] = 4000
    lens = (0.3, -0.1, 0.001, -0.002, 0.02, 0.1, 0.0, 0.0)
    for index in range(3):
        time = 1000 + 0.1 * index
        maker.image("/oak/rgb/image_raw", time, "bgr8", np.full((48, 64, 3), 99, np.uint8))
        maker.info("/oak/rgb/camera_info", time, d=lens, model="rational_polynomial")
        maker.image("/oak/stereo/image_raw", time, "16UC1", depth)
        maker.info("/oak/stereo/camera_info", time, d=(0.0,) * 8, model="rational_polynomial")
    prepare(maker.write(tmp_path), tmp_path / "sequence", options=RosOptions(points=50))
    frame = Sequence(tmp_path / "sequence").frame(0)
    assert frame.ground_truth is not None
    edge = frame.intrinsics[0, 2] + 0.4 * frame.intrinsics[0, 0]
    assert np.nonzero((frame.ground_truth == 4).any(axis=0))[0][0] == round(float(edge))
    assert round(float(edge)) != 52


def test_a_unit_that_was_given_is_taken(depth_bag: MakeBag, tmp_path: Path) -> None:
    """From a drone, all that is seen is 120 m away."""
    path = depth_bag(encoding="32FC1", depth=120.0).write(tmp_path)
    with pytest.raises(ValueError, match=r"--metres-per-unit 0\.001; 1 if it is right"):
        prepare(path, tmp_path / "sequence")
    assert prepare(path, tmp_path / "sequence", options=RosOptions(metres_per_unit=1)).frames == 3


def test_the_unit_that_is_taken_by_convention_is_said(depth_bag: MakeBag, tmp_path: Path) -> None:
    path = depth_bag(depth=0.4).write(tmp_path)  # 2 m in TUM's units
    said = "/camera/aligned_depth/image_raw is taken for millimetres if 16UC1, metres if 32FC1: a median of 0.4 m in"
    assert kbnet.open_frames(path).assumptions()[0].startswith(said)
    assert kbnet.open_frames(path, metres_per_unit=0.0002).assumptions() == []


def test_a_bag_in_the_folder_to_overwrite_is_not_lost(depth_bag: MakeBag, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    prepare(depth_bag("ros1").write(tmp_path), folder)
    bag = (tmp_path / "drive.bag").rename(folder / "drive.bag")
    with open_bag(bag) as opened:
        frames = RosFrames(survey(opened))
        with pytest.raises(ValueError, match=r"drive\.bag lies in .*room, which --overwrite would remove"):
            write_sequence(folder, frames.posed_frames(), overwrite=True, inputs=frames.inputs)
    assert bag.is_file()


def test_the_calibration_of_the_depth_is_not_taken_for_that_of_the_images(depth_bag: MakeBag, tmp_path: Path) -> None:
    maker = depth_bag()
    maker.messages = [message for message in maker.messages if message[0] != "/camera/color/camera_info"]
    for index in range(3):
        maker.info("/camera/aligned_depth/camera_info", 1000 + 0.1 * index)
    with pytest.raises(
        ValueError, match=r"in /camera/color/camera_info, but .* has /camera/aligned_depth/camera_info;"
    ):
        prepare(maker.write(tmp_path), tmp_path / "sequence")
