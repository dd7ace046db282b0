"""What a bag holds of one camera: its calibration, its motion, and which depth belongs to which image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.sources.clock import nearest_in_time
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
from kbnet.sources.ros_images import is_depth
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
        recorded: when messages of both topics were recorded, nanoseconds, by topic and the time in their header.
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
    recorded: Mapping[str, Mapping[float, int]]

    def message(self, topic: str, time: float) -> Any:
        """The message of a topic, image or depth, with a time of ``pairs`` in its header."""
        return self.bag.message_at(topic, time, self.recorded[topic][time])

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
) -> RosRecording:
    """Choose topics, read calibration, transforms and all times, and match images with depth.

    Args:
        bag: open.
        topics: which to read.
        camera: calibration of the images, in place of camera_info.
        largest_difference_s: between the times of an image and of its depth.

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
    times: dict[str, list[float]] = {image: [], depth: []}
    recorded: dict[str, dict[float, int]] = {image: {}, depth: {}}
    camera_frame = frame_of(bag.first(image))
    tree, odometry = TransformTree(), TransformTree()
    wanted = [*infos, *times, topics.odometry, *bag.of_type(*TRANSFORMS)]
    for topic, time, message, recorded_ns in bag.recorded_messages(wanted):
        if topic in times:
            times[topic].append(time)
            recorded[topic].setdefault(time, recorded_ns)
        elif topic in infos:
            remember_info(infos[topic], message)
        elif topic == topics.odometry:
            _add_odometry(odometry, message, topic)
        else:
            _add_transforms(tree, message, fixed=topic.endswith("tf_static"))
    tree.update(odometry)
    _check_odometry(tree, odometry, camera_frame, topics.odometry)
    depth_infos = infos.get(depth_info)
    return RosRecording(
        bag=bag,
        image=image,
        depth=depth,
        camera=camera or camera_from_infos(infos[info], info, image),
        camera_frame=camera_frame,
        depth_camera=camera_from_infos(depth_infos, depth_info, depth) if depth_infos else None,
        depth_frame=frame_of(bag.first(depth)),
        tree=tree,
        pairs=_match(times[image], times[depth], largest_difference_s, f"{depth} and {image}"),
        images=len(times[image]),
        recorded=recorded,
    )


def find_image_topic(bag: Bag, name: str = "") -> str:
    """Name of the topic of images: the given one, or the only one.

    Raises:
        KBNetError: it is not there, or several fit; the message names those that are there.
    """
    if name:
        return bag.check_topic(name, *PICTURES)
    pictures = [topic for topic in bag.of_type(*PICTURES) if not is_depth(bag.first(topic))]
    return _only(bag, pictures, "images", "--image")


def find_depth_topic(bag: Bag, name: str = "") -> str:
    """Name of the topic of depth images or points: the given one, or the only one.

    Raises:
        KBNetError: it is not there, or several fit; the message names those that are there.
    """
    if name:
        return bag.check_topic(name, *PICTURES, *CLOUDS)
    pictures = [topic for topic in bag.of_type(*PICTURES) if is_depth(bag.first(topic))]
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


def _add_transforms(tree: TransformTree, message: Any, *, fixed: bool) -> None:
    for one in message.transforms:
        motion, child = one.transform, one.child_frame_id.lstrip("/")
        time = ALWAYS if fixed else stamp(one)
        tree.add(frame_of(one), child, _xyz(motion.translation), _xyzw(motion.rotation), time)


def _add_odometry(tree: TransformTree, message: Any, topic: str) -> None:
    child, pose = message.child_frame_id.lstrip("/"), message.pose.pose
    if not child:
        raise KBNetError(f"expected {topic} to name the frame that moves, but child_frame_id is empty; use TF")
    tree.add(frame_of(message), child, _xyz(pose.position), _xyzw(pose.orientation), stamp(message))


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
        f"{' and '.join(spans)}); check their clocks, or allow --max-difference"
    )


def _xyz(vector: Any) -> NDArray[np.float64]:
    return np.array([vector.x, vector.y, vector.z])


def _xyzw(quaternion: Any) -> NDArray[np.float64]:
    return np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w])
