"""Small bags of a robot with one camera, written by rosbags: a wall 2 m ahead, a lidar, odometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

Kind = Literal["ros1", "sqlite3", "mcap"]
K = (50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0)
SIZE = (48, 64)
FORWARD = (-0.5, 0.5, -0.5, 0.5)
"""Quaternion x y z w from a camera's axes (z forward) to a robot's (x forward, z up)."""
LEVEL = (0.0, 0.0, 0.0, 1.0)


@dataclass
class BagMaker:
    """Collects messages, and writes them as a bag of one kind.

    Attributes:
        kind: of the bag.
        messages: topic, time in seconds, message.
    """

    kind: Kind
    messages: list[tuple[str, float, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        self.store = get_typestore(Stores.ROS1_NOETIC if self.kind == "ros1" else Stores.ROS2_HUMBLE)
        if self.kind == "ros1":
            definition = "geometry_msgs/TransformStamped[] transforms"
            self.store.register(get_types_from_msg(definition, "tf2_msgs/msg/TFMessage"))

    def make(self, name: str, *values: Any, **named: Any) -> Any:
        return self.store.types[name.replace("/", "/msg/")](*values, **named)

    def header(self, time: float, frame: str) -> Any:
        stamp = self.make("builtin_interfaces/Time", *self._split(time))
        sequence = {"seq": 0} if self.kind == "ros1" else {}
        return self.make("std_msgs/Header", **sequence, stamp=stamp, frame_id=frame)

    def image(
        self, topic: str, time: float, encoding: str, pixels: NDArray[Any], frame: str = "camera", *, padding: int = 0
    ) -> None:
        rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)
        data = np.pad(rows, ((0, 0), (0, padding)))
        self.add(
            topic,
            time,
            "sensor_msgs/Image",
            header=self.header(time, frame),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=data.shape[1],
            data=data.reshape(-1),
        )

    def compressed(self, topic: str, time: float, format_: str, content: bytes, frame: str = "camera") -> None:
        data = np.frombuffer(content, np.uint8)
        header = self.header(time, frame)
        self.add(topic, time, "sensor_msgs/CompressedImage", header=header, format=format_, data=data)

    def info(
        self,
        topic: str,
        time: float,
        k: tuple[float, ...] = K,
        d: tuple[float, ...] = (0.0,) * 5,
        *,
        model: str = "plumb_bob",
        p: tuple[float, ...] = (0.0,) * 12,
        r: tuple[float, ...] = (0.0,) * 9,
        size: tuple[int, int] = SIZE,
    ) -> None:
        region = self.make("sensor_msgs/RegionOfInterest", 0, 0, 0, 0, False)
        matrices = {"d": d, "k": k, "r": r, "p": p}
        self.add(
            topic,
            time,
            "sensor_msgs/CameraInfo",
            header=self.header(time, "camera"),
            height=size[0],
            width=size[1],
            distortion_model=model,
            binning_x=0,
            binning_y=0,
            roi=region,
            **{(n.upper() if self.kind == "ros1" else n): np.array(v, np.float64) for n, v in matrices.items()},
        )

    def cloud(self, topic: str, time: float, points: NDArray[Any], frame: str = "lidar", *, names: str = "xyz") -> None:
        data = np.zeros((len(points), 5), "<f4")
        data[:, 1:4] = points
        fields = [self.make("sensor_msgs/PointField", n, 4 * i, 7, 1) for i, n in enumerate(names, start=1)]
        self.add(
            topic,
            time,
            "sensor_msgs/PointCloud2",
            header=self.header(time, frame),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=20,
            row_step=20 * len(points),
            data=data.view(np.uint8).reshape(-1),
            is_dense=True,
        )

    def transform(
        self,
        parent: str,
        child: str,
        xyz: tuple[float, ...] = (0.0, 0.0, 0.0),
        xyzw: tuple[float, ...] = LEVEL,
        *,
        time: float | None = None,
    ) -> None:
        motion = self.make(
            "geometry_msgs/Transform",
            self.make("geometry_msgs/Vector3", *xyz),
            self.make("geometry_msgs/Quaternion", *xyzw),
        )
        stamped = self.make("geometry_msgs/TransformStamped", self.header(time or 0.0, parent), child, motion)
        self.add("/tf_static" if time is None else "/tf", time or 0.0, "tf2_msgs/TFMessage", [stamped])

    def odometry(
        self, topic: str, time: float, xyz: tuple[float, ...], parent: str = "odom", child: str = "base"
    ) -> None:
        pose = self.make(
            "geometry_msgs/Pose",
            self.make("geometry_msgs/Point", *xyz),
            self.make("geometry_msgs/Quaternion", *LEVEL),
        )
        zero = self.make("geometry_msgs/Vector3", 0.0, 0.0, 0.0)
        covariance = np.zeros(36)
        self.add(
            topic,
            time,
            "nav_msgs/Odometry",
            header=self.header(time, parent),
            child_frame_id=child,
            pose=self.make("geometry_msgs/PoseWithCovariance", pose, covariance),
            twist=self.make(
                "geometry_msgs/TwistWithCovariance", self.make("geometry_msgs/Twist", zero, zero), covariance
            ),
        )

    def add(self, topic: str, time: float, name: str, *values: Any, **named: Any) -> None:
        self.messages.append((topic, time, self.make(name, *values, **named)))

    def write(self, folder: Path) -> Path:
        """Write the bag into a folder; return what `open_bag` takes."""
        from rosbags.rosbag1 import Writer as Writer1
        from rosbags.rosbag2 import StoragePlugin
        from rosbags.rosbag2 import Writer as Writer2

        folder.mkdir(exist_ok=True)
        path = folder / ("drive.bag" if self.kind == "ros1" else "drive")
        plugin = StoragePlugin.MCAP if self.kind == "mcap" else StoragePlugin.SQLITE3
        with Writer1(path) if self.kind == "ros1" else Writer2(path, version=9, storage_plugin=plugin) as writer:
            connections: dict[str, Any] = {}
            for topic, time, message in sorted(self.messages, key=lambda one: one[1]):
                type_ = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, type_, typestore=self.store)
                to_bytes = self.store.serialize_ros1 if self.kind == "ros1" else self.store.serialize_cdr
                writer.write(connections[topic], round(time * 1e9), to_bytes(message, type_))
        return path / "drive.mcap" if self.kind == "mcap" else path

    @staticmethod
    def _split(time: float) -> tuple[int, int]:
        nanoseconds = round(time * 1e9)
        return nanoseconds // 10**9, nanoseconds % 10**9


MakeBag = Callable[[Kind], BagMaker]


@pytest.fixture
def make_bag() -> MakeBag:
    """Begin a bag of a kind."""
    pytest.importorskip("rosbags")
    return BagMaker


@pytest.fixture
def depth_bag(make_bag: MakeBag) -> Callable[..., BagMaker]:
    """A bag of three images at 10 Hz with depth images of a wall 2 m ahead, 5 ms late, at 1000 s."""

    def make(kind: Kind = "mcap", *, encoding: str = "16UC1", delay: float = 0.005, depth: float = 2.0) -> BagMaker:
        maker = make_bag(kind)
        picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
        for index in range(3):
            time = 1000 + 0.1 * index
            maker.info("/camera/color/camera_info", time)
            maker.image("/camera/color/image_raw", time, "rgb8", picture)
            units = np.full(SIZE, 1000 * depth if encoding == "16UC1" else depth)
            kind_ = np.uint16 if encoding == "16UC1" else np.float32
            maker.image("/camera/aligned_depth/image_raw", time + delay, encoding, units.astype(kind_))
        return maker

    return make


@pytest.fixture
def lidar_bag(make_bag: MakeBag) -> Callable[..., BagMaker]:
    """A robot that drives 1 m/s towards a wall 10 m ahead of the origin; lidar above the base, camera 0.2 m before it.

    Points lie on the wall, 20 ms after each image. TF: odom -> base moves, base -> lidar and base -> camera do not.
    """

    def make(kind: Kind = "mcap", *, camera: tuple[float, ...] = FORWARD, static: bool = True) -> BagMaker:
        maker = make_bag(kind)
        if static:
            maker.transform("base", "camera", (0.2, 0.0, 0.0), camera)
            maker.transform("base", "lidar", (0.0, 0.0, 0.5))
        picture = np.full((*SIZE, 3), 99, np.uint8)
        y, z = (grid.reshape(-1) for grid in np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9)))
        for index in range(3):
            time = 1000 + 0.1 * index
            maker.info("/camera/camera_info", time)
            maker.image("/camera/image_raw", time, "bgr8", picture)
            scan_time = time + 0.02
            wall = np.stack([np.full(y.size, 10 - (scan_time - 1000)), y, z], axis=1)
            maker.cloud("/points", scan_time, wall)
        for time in np.arange(999.9, 1000.5, 0.05).round(3):
            maker.transform("odom", "base", (time - 1000, 0.0, 0.0), time=float(time))
        return maker

    return make
