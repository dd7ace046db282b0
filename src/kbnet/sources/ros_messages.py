"""One pass over a bag: times of images and depth, calibrations, and transforms."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array
from kbnet.sources.ros_bag import CAMERA_INFO, TRANSFORMS, Bag, frame_of, stamp
from kbnet.sources.ros_camera import remember_info
from kbnet.sources.ros_clock import Clock, Stamp
from kbnet.sources.transform_tree import ALWAYS, TransformTree


@dataclass(frozen=True)
class BagMessages:
    """What one pass over a bag finds.

    Attributes:
        stamps: times of images and of depth, by topic.
        infos: calibrations by topic of CameraInfo.
        tree, odometry: transforms over time, of TF and of odometry.
    """

    stamps: Mapping[str, list[Stamp]]
    infos: Mapping[str, list[Any]]
    tree: TransformTree
    odometry: TransformTree


def read_messages(
    bag: Bag, streams: tuple[str, str], infos: tuple[str, str], odometry: str, clock: Clock
) -> BagMessages:
    """Read times, calibrations and transforms in one pass; the arguments but ``clock`` are topics."""
    found = BagMessages(
        {name: [] for name in streams},
        {name: [] for name in infos if bag.topics.get(name) == CAMERA_INFO},
        TransformTree(),
        TransformTree(),
    )
    wanted = [*found.infos, *found.stamps, odometry, *bag.of_type(*TRANSFORMS)]
    unstamped: set[str] = set()
    for topic, time, message, recorded_ns in bag.recorded_messages(wanted):
        recorded_s = recorded_ns * 1e-9 if clock == "recorded" else None
        if topic in found.stamps:
            found.stamps[topic].append(Stamp(time, recorded_ns))
            if clock != "recorded" and not stamp(message):
                unstamped.add(topic)
        elif topic in found.infos:
            remember_info(found.infos[topic], message)
        elif topic == odometry:
            _add_odometry(found.odometry, message, topic, recorded_s)
        else:
            _add_transforms(found.tree, message, ALWAYS if topic.endswith("tf_static") else recorded_s)
    if unstamped:
        said = f"messages of {' and '.join(sorted(unstamped))} have no time in their header"
        warnings.warn(f"{said}: that of recording is taken, which is later; say --clock recorded for all", stacklevel=3)
    return found


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


def joined_transforms(found: BagMessages, camera_frame: str, topic: str) -> TransformTree:
    """Transforms of TF and, where a topic of it was named, of odometry.

    Raises:
        KBNetError: odometry says nothing of the camera's frame or of one above it.
    """
    tree, odometry = found.tree, found.odometry
    tree.update(odometry)
    above = tree.lineage(camera_frame)
    if topic and not any(map(odometry.moves, above)):
        raise KBNetError(
            f"expected {topic} to say where one of {', '.join(above)} is, but it does of "
            f"{', '.join(filter(odometry.moves, odometry.frames)) or 'none'}, and TF does not connect them; leave out "
            "--odometry, or record TF"
        )
    return tree


def _xyz(vector: Any) -> Float64Array:
    return np.array([vector.x, vector.y, vector.z])


def _xyzw(quaternion: Any) -> Float64Array:
    return np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w])
