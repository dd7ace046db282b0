"""What the RealSense Viewer writes into a ROS 1 bag beside images: extrinsics of streams, and the unit of depth.

Topics are ``/device_0/sensor_1/Color_0/image/data``, ``.../info/camera_info``, ``.../tf/<group>`` (the transform from a
reference of the group to the stream) and ``/device_0/sensor_0/option/Depth Units/value`` (librealsense, ``src/media``).
"""

from __future__ import annotations

import re

import numpy as np
from scipy.spatial.transform import Rotation

from kbnet.frame import Float64Array
from kbnet.sources.ros_bag import Bag

DATA = "/image/data"
"""End of the name of a topic of images."""
_TRANSFORM, _NUMBER = "geometry_msgs/msg/Transform", "std_msgs/msg/Float32"
_UNIT = re.compile(r"/option/Depth.Units/value$", re.IGNORECASE)


def stream_transform(bag: Bag, target: str, source: str) -> Float64Array | None:
    """How one stream lies to another.

    Args:
        target, source: topics of images, ``/device_0/sensor_1/Color_0/image/data``.

    Returns:
        ``T_target_source``, (4, 4), metres; None where the bag does not say so.
    """
    if not (target.endswith(DATA) and source.endswith(DATA)):
        return None
    for topic in bag.of_type(_TRANSFORM):
        stream, _, group = topic.rpartition("/tf/")
        other = f"{source.removesuffix(DATA)}/tf/{group}"
        if stream == target.removesuffix(DATA) and bag.topics.get(other) == _TRANSFORM:
            return _read(bag, topic) @ np.linalg.inv(_read(bag, other))
    return None


def depth_unit(bag: Bag, depth: str) -> float | None:
    """Metres in one unit of a topic of depth; None where the bag does not say so."""
    sensor = depth.removesuffix(DATA).rpartition("/")[0]
    for topic in bag.of_type(_NUMBER):
        if topic.startswith(f"{sensor}/") and _UNIT.search(topic) and (unit := float(bag.first(topic).data)) > 0:
            return unit
    return None


def _read(bag: Bag, topic: str) -> Float64Array:
    """From the reference to the stream."""
    message, T = bag.first(topic), np.eye(4)
    rotation, translation = message.rotation, message.translation
    T[:3, :3] = Rotation.from_quat([rotation.x, rotation.y, rotation.z, rotation.w]).as_matrix()
    T[:3, 3] = translation.x, translation.y, translation.z
    return T
