"""Dense depth of a ROS 2 camera, live, from its image and sparse depth.

    python examples/ros2_node.py --image /camera/image_raw --depth /lidar/points --world odom --cloud

Subscribes to images (Image or CompressedImage: a topic that ends with /compressed), their camera_info, sparse depth
(PointCloud2, or with --depth-image an Image that lies on the image pixel by pixel) and TF. Publishes depth (Image,
32FC1, metres), its camera_info and, with --cloud, a PointCloud2: all in the frame of the camera, without lens
distortion. With --world, earlier frames are used while TF has the pose of the camera in that frame.

Only the newest image with its depth is completed; what comes meanwhile is dropped. The latency is printed: from the
time in the header of the image to depth.

It needs a sourced ROS 2 (rclpy, sensor_msgs, message_filters, tf2_ros). Its conversions are tested, but not its
communication: it was written without a ROS installation.
"""

from __future__ import annotations

import argparse
import sys
import threading
import warnings
from array import array
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.points.projection import drop_hidden_points, project_points
from kbnet.points.sampling import sample_points
from kbnet.points.sparse_points import map_to_points
from kbnet.report.point_cloud import point_cloud
from kbnet.sources.depth_file import is_dense
from kbnet.sources.rectification import Rectification
from kbnet.sources.ros_bag import stamp
from kbnet.sources.ros_camera import camera_from_infos, info_topic_beside, remember_info
from kbnet.sources.ros_images import decode_depth, decode_image
from kbnet.sources.ros_points import decode_points

POINTS = 1500
"""Sparse points that are taken of a dense depth image."""
TF_TIMEOUT_S = 0.05
"""TF may come a little later than the image."""
FLOAT32 = 7
"""PointField.FLOAT32."""


class WithBytes:
    """A message of rclpy whose data are numpy bytes, as kbnet's decoders take them."""

    def __init__(self, message: Any) -> None:
        self._message, self.data = message, np.frombuffer(message.data, np.uint8)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def frame_from_messages(
    image: Any,
    depth: Any,
    rectification: Rectification,
    T_camera_depth: NDArray[np.float64] | None = None,
    T_world_camera: NDArray[np.float64] | None = None,
) -> Frame:
    """Frame of a pair of messages, without lens distortion.

    Args:
        image: Image or CompressedImage.
        depth: PointCloud2, or a depth Image that lies on the image pixel by pixel.
        rectification: of the camera, see :func:`rectification_of`.
        T_camera_depth: (4, 4), metres; of a point cloud only.
        T_world_camera: pose of the camera, (4, 4), metres; None = unknown.

    Raises:
        KBNetError: a message cannot be decoded, or image, depth and calibration do not fit.
    """
    colours = rectification.image(decode_image(WithBytes(image)))
    target = rectification.target
    if hasattr(depth, "fields"):
        assert T_camera_depth is not None
        points = decode_points(WithBytes(depth))
        sparse = drop_hidden_points(project_points(points, target.K, T_camera_depth, target.size))
    else:
        measured = decode_depth(WithBytes(depth))
        if measured.shape != rectification.camera.size:
            raise KBNetError(
                f"expected depth of the size of the image, got {measured.shape[1]}x{measured.shape[0]}; "
                "take the topic of depth that is registered to the image"
            )
        if is_dense(measured):
            sparse = sample_points(
                colours, rectification.dense_depth(measured), POINTS, np.random.default_rng(0), range_noise=0
            )
        else:
            sparse = rectification.points(*map_to_points(measured))
    return Frame(colours, sparse, target.K, name=f"{stamp(image):.3f}", T_world_camera=T_world_camera)


def rectification_of(info: Any, image_topic: str) -> Rectification:
    """Rectification of the images of a topic, by their CameraInfo."""
    return Rectification(camera_from_infos([info], "camera_info", image_topic))


def matrix_from_transform(transform: Any) -> NDArray[np.float64]:
    """Transform of a geometry_msgs/Transform, (4, 4), metres."""
    matrix, rotation, translation = np.eye(4), transform.rotation, transform.translation
    matrix[:3, :3] = Rotation.from_quat([rotation.x, rotation.y, rotation.z, rotation.w]).as_matrix()
    matrix[:3, 3] = translation.x, translation.y, translation.z
    return matrix


def depth_image_fields(depth: FloatArray) -> dict[str, Any]:
    """Fields of a sensor_msgs/Image, without its header, of depth, (H, W), metres."""
    height, width = depth.shape
    data = array("B", depth.astype("<f4").tobytes())
    return dict(height=height, width=width, encoding="32FC1", is_bigendian=0, step=4 * width, data=data)


def camera_info_fields(K: FloatArray, size: tuple[int, int]) -> dict[str, Any]:
    """Fields of a sensor_msgs/CameraInfo, without its header, of a pinhole."""
    matrix = K.astype(np.float64)
    projection = np.pad(matrix, ((0, 0), (0, 1)))
    return dict(
        height=size[0],
        width=size[1],
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=matrix.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )


def cloud_fields(depth: FloatArray, K: FloatArray, image: ImageArray) -> dict[str, Any]:
    """Fields of a sensor_msgs/PointCloud2, without its header, of depth in the axes of the camera.

    ``fields`` holds the name and offset of each PointField. All are of FLOAT32; ``rgb`` has the colour in its bytes.
    """
    points, colours = point_cloud(depth, K, image)
    stored = np.empty((len(points), 4), "<f4")
    stored[:, :3] = points
    red, green, blue = colours.T.astype("<u4")
    stored.view("<u4")[:, 3] = red << 16 | green << 8 | blue
    return dict(
        height=1,
        width=len(points),
        fields=[(name, 4 * index) for index, name in enumerate(("x", "y", "z", "rgb"))],
        is_bigendian=False,
        point_step=16,
        row_step=16 * len(points),
        data=array("B", stored.tobytes()),
        is_dense=True,
    )


class Newest:
    """Queue of one: what is put in replaces what nobody has taken."""

    def __init__(self) -> None:
        self._condition, self._item, self._dropped = threading.Condition(), None, 0

    def put(self, *item: Any) -> None:
        """Replace what is waiting."""
        with self._condition:
            self._dropped += self._item is not None
            self._item = item
            self._condition.notify()

    def take(self, timeout_s: float) -> tuple[Any, int] | None:
        """The newest item and how many were dropped before it; None if none came in time."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._item is not None, timeout_s):
                return None
            found, self._item, self._dropped = (self._item, self._dropped), None, 0
            return found


def main() -> None:
    """Complete depth until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", required=True, metavar="TOPIC")
    parser.add_argument("--depth", required=True, metavar="TOPIC")
    parser.add_argument("--depth-image", action="store_true", help="--depth is an Image, registered to --image")
    parser.add_argument("--camera-info", metavar="TOPIC", help="default: camera_info beside --image")
    parser.add_argument("--world", metavar="FRAME", help="use earlier frames, by the poses of TF in this frame")
    parser.add_argument("--max-difference", type=float, default=0.05, help="between image and depth, seconds")
    parser.add_argument("--weights", default="indoor")
    parser.add_argument("--cloud", action="store_true", help="publish a PointCloud2 too")
    options = parser.parse_args()

    import message_filters
    import rclpy
    import tf2_ros
    from rclpy.duration import Duration
    from rclpy.executors import ExternalShutdownException
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.time import Time
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

    import kbnet

    alone = kbnet.load(options.weights)
    video = kbnet.VideoCompleter(alone) if options.world else None

    rclpy.init()
    node = rclpy.create_node("kbnet")
    depth_out, info_out = (
        node.create_publisher(kind, f"~/{name}", 1) for kind, name in ((Image, "depth"), (CameraInfo, "camera_info"))
    )
    cloud_out = node.create_publisher(PointCloud2, "~/points", 1) if options.cloud else None
    newest, infos, calibrations = Newest(), list[Any](), dict[int, Rectification]()
    info_topic = options.camera_info or info_topic_beside(options.image)
    node.create_subscription(CameraInfo, info_topic, lambda info: remember_info(infos, info), 1)
    image_type = CompressedImage if options.image.endswith("/compressed") else Image
    streams = [
        message_filters.Subscriber(node, kind, topic, qos_profile=qos_profile_sensor_data)
        for kind, topic in (
            (image_type, options.image),
            (Image if options.depth_image else PointCloud2, options.depth),
        )
    ]
    pairs = message_filters.ApproximateTimeSynchronizer(streams, 10, options.max_difference)
    pairs.registerCallback(newest.put)
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, node)

    def transform(target: str, source: str, at: Any) -> NDArray[np.float64]:
        timeout = Duration(seconds=TF_TIMEOUT_S)
        found = buffer.lookup_transform(target, source, Time.from_msg(at), timeout=timeout)
        return matrix_from_transform(found.transform)

    def complete(image: Any, depth: Any) -> tuple[Frame, FloatArray]:
        camera = image.header.frame_id
        T_camera_depth = None if options.depth_image else transform(camera, depth.header.frame_id, depth.header.stamp)
        T_world_camera = None
        if options.world:
            try:
                T_world_camera = transform(options.world, camera, image.header.stamp)
            except tf2_ros.TransformException as error:
                warnings.warn(f"no pose in {options.world}: {error}", stacklevel=2)
        if len(infos) not in calibrations:  # it changed
            calibrations[len(infos)] = rectification_of(infos[-1], options.image)
        frame = frame_from_messages(image, depth, calibrations[len(infos)], T_camera_depth, T_world_camera)
        return frame, (alone if video is None or T_world_camera is None else video)(frame)

    def publish(header: Any, frame: Frame, depth: FloatArray) -> None:
        depth_out.publish(Image(header=header, **depth_image_fields(depth)))
        info_out.publish(CameraInfo(header=header, **camera_info_fields(frame.intrinsics, frame.size)))
        if cloud_out is not None:
            fields = cloud_fields(depth, frame.intrinsics, frame.image)
            fields["fields"] = [
                PointField(name=name, offset=offset, datatype=FLOAT32, count=1) for name, offset in fields["fields"]
            ]
            cloud_out.publish(PointCloud2(header=header, **fields))

    def spin() -> None:
        with suppress(ExternalShutdownException):
            rclpy.spin(node)

    threading.Thread(target=spin, daemon=True).start()
    print(f"waiting for {options.image}, {options.depth} and {info_topic}  (Ctrl-C ends it)", flush=True)
    try:
        while rclpy.ok():
            taken = newest.take(timeout_s=0.5)
            if taken is None or not infos:
                continue
            (image, depth), dropped = taken
            try:
                frame, dense = complete(image, depth)
            except (KBNetError, tf2_ros.TransformException) as error:
                print(f"left out: {error}", file=sys.stderr, flush=True)
                continue
            publish(image.header, frame, dense)
            latency_s = node.get_clock().now().nanoseconds * 1e-9 - stamp(image)
            print(f"{frame.name}: {latency_s:.2f} s, {dropped} dropped", flush=True)
    except KeyboardInterrupt:
        print("stopped")
    finally:
        listener.unregister()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
