"""What a bag holds of one camera: its calibration, its motion, and which depth belongs to which image."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.sources.clock import nearest_in_time
from kbnet.sources.realsense import depth_unit, stream_transform
from kbnet.sources.rectification import Camera
from kbnet.sources.resizing import GIVE_K, fit_camera
from kbnet.sources.ros_bag import (
    CAMERA_INFO,
    CLOUD,
    COMPRESSED_IMAGE,
    IMAGE,
    ODOMETRY,
    OLD_CLOUD,
    Bag,
    frame_of,
)
from kbnet.sources.ros_camera import camera_from_infos, find_info_topic, info_topic_beside, rectifying_turn
from kbnet.sources.ros_clock import Clock, Stamp, on_one_clock
from kbnet.sources.ros_images import is_depth, message_size
from kbnet.sources.ros_messages import joined_transforms, read_messages
from kbnet.sources.transform_tree import TransformTree

CLOUDS = (CLOUD, OLD_CLOUD)
PICTURES = (IMAGE, COMPRESSED_IMAGE)
NO_DEPTH = re.compile(
    r"(^|[/_])(disparity|conf(idence)?|ir|infrared|thermal|amplitude|intensity)([/_\d]|$)", re.IGNORECASE
)
"""In topics of images that are encoded as depth, but hold something else."""
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
        camera, camera_frame: calibration of the images, and the name of their coordinate frame.
        depth_camera, depth_frame: likewise of the depth; a point cloud has no camera.
        tree: transforms over time.
        pairs: times in seconds of an image and of the depth that belongs to it, rising.
        images: how many there are, with or without depth.
        recorded: messages of both topics by their times.
        T_camera_depth: extrinsics that the recorder wrote beside the streams, (4, 4), metres; None = by TF.
        depth_unit_m: unit of depth that the recorder wrote, metres; None = as ROS has it.
        clock_note: what was done about two clocks; empty = they agree.
        turn_deg: between raw and rectified images, degrees, as camera_info has it.
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
    T_camera_depth: Float64Array | None = None
    depth_unit_m: float | None = None
    clock_note: str = ""
    turn_deg: float = 0.0

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
    found = read_messages(bag, (image, depth), (info, depth_info), topics.odometry, clock)
    depth_infos = found.infos.get(depth_info)
    images, depths, clock_note = on_one_clock(found.stamps[image], found.stamps[depth], clock)
    if clock_note and clock == "auto":
        warnings.warn(f"{bag.path}: {clock_note}", stacklevel=2)
    camera_frame = frame_of(bag.first(image))
    return RosRecording(
        bag=bag,
        image=image,
        depth=depth,
        camera=camera or _calibration(bag, found.infos[info], info, image),
        camera_frame=camera_frame,
        depth_camera=_calibration(bag, depth_infos, depth_info, depth) if depth_infos else None,
        depth_frame=frame_of(bag.first(depth)),
        tree=joined_transforms(found, camera_frame, topics.odometry),
        pairs=_match(images, depths, largest_difference_s, f"{depth} and {image}"),
        images=len(found.stamps[image]),
        recorded={image: images, depth: depths},
        T_camera_depth=stream_transform(bag, image, depth),
        depth_unit_m=depth_unit(bag, depth),
        clock_note=clock_note,
        turn_deg=0.0 if camera else rectifying_turn(found.infos[info][0]),
    )


def _calibration(bag: Bag, infos: list[Any], info: str, topic: str) -> Camera:
    """Camera of a topic, fitted to the size of its pictures; points have none."""
    camera = camera_from_infos(infos, info, topic)
    if bag.topics[topic] in CLOUDS:
        return camera
    camera = fit_camera(camera, message_size(bag.first(topic)), f"K of {info}", remedy=GIVE_K)
    warn_of_far_centre(camera.K, camera.size, of=f"K of {info}")
    return camera


def find_image_topic(bag: Bag, name: str = "") -> str:
    """Name of the topic of images: the given one, or the only one."""
    if name:
        return bag.check_topic(name, *PICTURES)
    pictures = [topic for topic in bag.of_type(*PICTURES) if not is_depth(bag.first(topic), topic)]
    return _only(bag, pictures, "images", "--image")


def find_depth_topic(bag: Bag, name: str = "") -> str:
    """Name of the topic of depth images or points: the given one, or the only one."""
    if name:
        return bag.check_topic(name, *PICTURES, *CLOUDS)
    named = filter(lambda topic: not NO_DEPTH.search(topic), bag.of_type(*PICTURES))
    pictures = [topic for topic in named if is_depth(bag.first(topic), topic)]
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
