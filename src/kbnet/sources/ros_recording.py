"""What a bag holds of one camera: its calibration, its motion, and which depth belongs to which image."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.sources.clock import nearest_in_time
from kbnet.sources.other_size import fit_camera
from kbnet.sources.realsense import depth_unit, stream_transform
from kbnet.sources.rectification import Camera
from kbnet.sources.ros_bag import (
    CAMERA_INFO,
    CLOUD,
    COMPRESSED_IMAGE,
    IMAGE,
    ODOMETRY,
    OLD_CLOUD,
    TRANSFORMS,
    Bag,
    frame_of,
    stamp,
)
from kbnet.sources.ros_camera import camera_from_infos, find_info_topic, info_topic_beside, remember_info
from kbnet.sources.ros_clock import Clock, Stamp, on_one_clock
from kbnet.sources.ros_images import is_depth, picture_size
from kbnet.sources.transform_tree import ALWAYS, TransformTree

CLOUDS = (CLOUD, OLD_CLOUD)
PICTURES = (IMAGE, COMPRESSED_IMAGE)
LARGEST_DIFFERENCE_S = 0.02
"""Between an image and its depth: half the time between two frames of a depth camera, and some."""


@dataclass(frozen=True)
class RosTopics:
    """Which topics to read; an empty name is found by the types of messages, where only one fits.

    Attributes:
        image: Image or CompressedImage.
        depth: depth Image or CompressedImage, PointCloud2 or PointCloud.
        camera_info: of the images.
        odometry: poses, beside those of TF.
    """

    image: str = ""
    depth: str = ""
    camera_info: str = ""
    odometry: str = ""


@dataclass(frozen=True)
class RosRecording:
    """One camera and one source of depth in a bag.

    Attributes:
        bag: open.
        image, depth: topics.
        camera, camera_frame: calibration of the images, and the name of their coordinate frame.
        depth_camera, depth_frame: likewise of the depth; a point cloud has no camera.
        tree: transforms over time.
        pairs: times in seconds of an image and of the depth that belongs to it, rising.
        images: how many there are, with or without depth.
        recorded: messages of both topics by their times.
        T_camera_depth: extrinsics that the recorder wrote beside the streams, (4, 4), metres; None = by TF.
        depth_unit_m: unit of depth that the recorder wrote, metres; None = as ROS has it.
        clock_note: what was done about two clocks; empty = they agree.
    """

    bag: Bag
    image: str
    depth: str
    camera: Camera
    camera_frame: str
    depth_camera: Camera | None
    depth_frame: str
    tree: TransformTree
    pairs: tuple[tuple[float, float], ...]
    images: int
    recorded: Mapping[str, Mapping[float, Stamp]]
    T_camera_depth: NDArray[np.float64] | None = None
    depth_unit_m: float | None = None
    clock_note: str = ""

    def message(self, topic: str, time: float) -> Any:
        """The message of a topic, image or depth, of a time of ``pairs``."""
        stamp_ = self.recorded[topic][time]
        return self.bag.message_at(topic, stamp_.header, stamp_.recorded_ns)

    @property
    def is_cloud(self) -> bool:
        """Whether depth comes as points, not as an image."""
        return self.bag.topics[self.depth] in CLOUDS

    @cached_property
    def world(self) -> str:
        """The uppermost frame in which most of the images have a pose, if anything on the way there moves; else ''."""
        above = self.tree.lineage(self.camera_frame)
        known = Counter(frame for time, _ in self.pairs for frame in self.tree.ancestors(self.camera_frame, time))
        for index in range(len(above) - 1, 0, -1):
            if 2 * known[above[index]] > len(self.pairs) and any(map(self.tree.moves, above[:index])):
                return above[index]
        return ""


def survey(
    bag: Bag,
    topics: RosTopics = RosTopics(),
    *,
    camera: Camera | None = None,
    largest_difference_s: float = LARGEST_DIFFERENCE_S,
    clock: Clock = "auto",
) -> RosRecording:
    """Choose topics, read calibration, transforms and all times, and match images with depth.

    Args:
        bag: open.
        topics: which to read.
        camera: calibration of the images, in place of camera_info.
        largest_difference_s: between the times of an image and of its depth.
        clock: times of messages, as `kbnet.sources.ros_clock.on_one_clock` takes it.

    Raises:
        KBNetError: a topic is not there, several fit, the calibration changes, or no depth is near any image in time.
    """
    image, depth = find_image_topic(bag, topics.image), find_depth_topic(bag, topics.depth)
    if topics.odometry:
        bag.check_topic(topics.odometry, ODOMETRY)
    info = bag.check_topic(topics.camera_info, CAMERA_INFO) if topics.camera_info else ""
    info = info or ("" if camera else find_info_topic(bag, image, depth))
    depth_info = info_topic_beside(depth)
    infos: dict[str, list[Any]] = {name: [] for name in (info, depth_info) if bag.topics.get(name) == CAMERA_INFO}
    stamps: dict[str, list[Stamp]] = {image: [], depth: []}
    first_image, first_depth = bag.first(image), bag.first(depth)
    camera_frame = frame_of(first_image)
    tree, odometry = TransformTree(), TransformTree()
    wanted = [*infos, *stamps, topics.odometry, *bag.of_type(*TRANSFORMS)]
    for topic, time, message, recorded_ns in bag.recorded_messages(wanted):
        recorded_s = recorded_ns * 1e-9 if clock == "recorded" else None
        if topic in stamps:
            stamps[topic].append(Stamp(time, recorded_ns))
        elif topic in infos:
            remember_info(infos[topic], message)
        elif topic == topics.odometry:
            _add_odometry(odometry, message, topic, recorded_s)
        else:
            _add_transforms(tree, message, ALWAYS if topic.endswith("tf_static") else recorded_s)
    images, depths, clock_note = on_one_clock(stamps[image], stamps[depth], clock)
    if clock_note and clock == "auto":
        warnings.warn(f"{bag.path}: {clock_note}", stacklevel=2)
    tree.update(odometry)
    _check_odometry(tree, odometry, camera_frame, topics.odometry)
    depth_infos = infos.get(depth_info)
    if camera is None:
        camera = fit_camera(camera_from_infos(infos[info], info, image), picture_size(first_image), f"K of {info}")
    depth_camera = camera_from_infos(depth_infos, depth_info, depth) if depth_infos else None
    if depth_camera is not None and bag.topics[depth] not in CLOUDS:
        depth_camera = fit_camera(depth_camera, picture_size(first_depth), f"K of {depth_info}")
    return RosRecording(
        bag=bag,
        image=image,
        depth=depth,
        camera=camera,
        camera_frame=camera_frame,
        depth_camera=depth_camera,
        depth_frame=frame_of(first_depth),
        tree=tree,
        pairs=_match(images, depths, largest_difference_s, f"{depth} and {image}"),
        images=len(stamps[image]),
        recorded={image: images, depth: depths},
        T_camera_depth=stream_transform(bag, image, depth),
        depth_unit_m=depth_unit(bag, depth),
        clock_note=clock_note,
    )


def find_image_topic(bag: Bag, name: str = "") -> str:
    """Name of the topic of images: the given one, or the only one.

    Raises:
        KBNetError: it is not there, or several fit; the message names those that are there.
    """
    if name:
        return bag.check_topic(name, *PICTURES)
    pictures = [topic for topic in bag.of_type(*PICTURES) if not is_depth(bag.first(topic), topic)]
    return _only(bag, pictures, "images", "--image")


def find_depth_topic(bag: Bag, name: str = "") -> str:
    """Name of the topic of depth images or points: the given one, or the only one.

    Raises:
        KBNetError: it is not there, or several fit; the message names those that are there.
    """
    if name:
        return bag.check_topic(name, *PICTURES, *CLOUDS)
    pictures = [topic for topic in bag.of_type(*PICTURES) if is_depth(bag.first(topic), topic)]
    return _only(bag, [*pictures, *bag.of_type(*CLOUDS)], "depth or points", "--depth")


def _only(bag: Bag, topics: list[str], what: str, flag: str) -> str:
    """The one topic; of the same pictures, raw and compressed, the raw ones."""
    names = [name for name in topics if name.rpartition("/")[0] not in topics]
    if len(names) == 1:
        return names[0]
    if names:
        raise KBNetError(
            f"expected one topic of {what} in {bag.path}, got {', '.join(names)}; choose with {flag} TOPIC"
        )
    raise KBNetError(f"expected a topic of {what} in {bag.path}, got none; its topics are {bag.described()}")


def _add_transforms(tree: TransformTree, message: Any, at: float | None) -> None:
    for one in message.transforms:
        motion, child = one.transform, one.child_frame_id.lstrip("/")
        time = stamp(one) if at is None else at
        tree.add(frame_of(one), child, _xyz(motion.translation), _xyzw(motion.rotation), time)


def _add_odometry(tree: TransformTree, message: Any, topic: str, at: float | None) -> None:
    child, pose = message.child_frame_id.lstrip("/"), message.pose.pose
    if not child:
        raise KBNetError(f"expected {topic} to name the frame that moves, but child_frame_id is empty; use TF")
    tree.add(
        frame_of(message), child, _xyz(pose.position), _xyzw(pose.orientation), stamp(message) if at is None else at
    )


def _check_odometry(tree: TransformTree, odometry: TransformTree, camera_frame: str, topic: str) -> None:
    above = tree.lineage(camera_frame)
    if topic and not any(map(odometry.moves, above)):
        raise KBNetError(
            f"expected {topic} to say where one of {', '.join(above)} is, but it does of "
            f"{', '.join(filter(odometry.moves, odometry.frames)) or 'none'}, and TF does not connect them; leave out "
            "--odometry, or record TF"
        )


def _match(
    images: Iterable[float], depths: Iterable[float], largest_difference_s: float, what: str
) -> tuple[tuple[float, float], ...]:
    """Of every image's time, and the nearest time of depth, those that are near enough."""
    image_times, depth_times = np.unique(list(images)), np.unique(list(depths))
    index, near = nearest_in_time(image_times, depth_times, largest_difference_s)
    nearest = depth_times[index]
    if near.any():
        return tuple(zip(image_times[near].tolist(), nearest[near].tolist(), strict=True))
    start = min(image_times[0], depth_times[0])
    spans = [f"{times[0] - start:.3f} to {times[-1] - start:.3f} s" for times in (depth_times, image_times)]
    raise KBNetError(
        f"no overlap in time: {what} are never within {largest_difference_s:g} s of each other (at best "
        f"{np.abs(nearest - image_times).min():.3f} s; they span "
        f"{' and '.join(spans)}); check their clocks, take the times of recording (--clock recorded), or "
        "allow --max-difference"
    )


def _xyz(vector: Any) -> NDArray[np.float64]:
    return np.array([vector.x, vector.y, vector.z])


def _xyzw(quaternion: Any) -> NDArray[np.float64]:
    return np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w])
