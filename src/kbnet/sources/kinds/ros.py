"""ROS 1 and ROS 2 bags and MCAP files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from kbnet.errors import KBNetError
from kbnet.frames.kinds import register
from kbnet.sources.flags import CoefficientsFlag, FileFlag, Lens, NumberFlag, SwitchFlag, TopicFlag
from kbnet.sources.ros_bag import is_bag_file

if TYPE_CHECKING:
    from kbnet.sources.rectification import Camera
    from kbnet.sources.ros import RosFrames
    from kbnet.sources.ros_bag import Bag

FrameName = Annotated[str, arg(metavar="FRAME", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class RosArguments:
    """Make a sequence of a ROS 1 or ROS 2 bag or an MCAP file: images, depth or points, poses; ROS is not needed.

    Example:  kbnet prepare ros drive.mcap drive --image /camera/image_raw --depth /lidar/points

    Depth images become ground truth, and sparse points are taken from them at corners of the image, as a tracker would.
    Points are projected by TF, or by --extrinsics. The lens's distortion is taken out.
    """

    image: TopicFlag = ""
    """Image or CompressedImage (default: the only one)."""
    depth: TopicFlag = ""
    """Depth image or PointCloud2 (default: the only one)."""
    camera_info: TopicFlag = ""
    """Calibration of the images (default: camera_info beside them)."""
    odometry: TopicFlag = ""
    """Odometry to take poses from, beside TF."""
    world: FrameName = ""
    """Frame of the poses (default: the uppermost above the camera in TF)."""
    intrinsics: FileFlag = None
    """The 3x3 matrix K of the images, as text or .npy, in place of camera_info."""
    lens: Lens = "pinhole"
    """With --intrinsics: what the lens does."""
    distortion: CoefficientsFlag = ()
    """With --lens: its coefficients; k1 k2 p1 p2 [k3 [k4 k5 k6]] or, of a fisheye, k1 k2 k3 k4."""
    extrinsics: FileFlag = None
    """Transform from the frame of the depth to that of the camera, 3x4 or 4x4, in place of TF."""
    aligned: SwitchFlag = False
    """Depth images lie on the images pixel by pixel, whatever their frames are called."""
    keep_hidden: SwitchFlag = False
    """Keep far points that are seen through a near surface; right for points that odometry tracked in the images."""
    metres_per_unit: NumberFlag = None
    """Unit of the depth (default: millimetres in 16-bit images, else metres)."""
    points: int = 1500
    """Sparse points in a frame, of depth images."""
    clock: Literal["auto", "header", "recorded"] = "auto"
    """Times of messages: those in their headers, those of recording, or (auto) headers, brought together where images
    and depth are stamped by different clocks."""
    max_difference: float = 0.02
    """Seconds between an image and its depth."""
    every: int = 1
    """Take every Nth frame."""


def is_bag(path: Path) -> bool:
    """Whether a path is named like a bag, or is the folder of a ROS 2 bag."""
    return is_bag_file(path) or (path / "metadata.yaml").is_file()


def describe_ros(path: Path) -> list[str]:
    """Topics and transforms of a bag; errors are those of `kbnet.sources.ros_contents.describe_bag`."""
    from kbnet.sources.ros_contents import describe_bag

    return describe_bag(path)


@register(
    "ros",
    "a ROS bag or MCAP file (.bag, .mcap, .db3, or metadata.yaml)",
    is_bag,
    RosArguments,
    describe=describe_ros,
    path="BAG",
    path_help="A .bag file, the folder of a ROS 2 bag, or one .mcap or .db3 file.",
)
def open_ros(path: Path, options: RosArguments) -> RosFrames:
    """Match images and depth of a bag, and read calibration and transforms.

    Raises:
        FileNotFoundError: there is no such file or folder.
        KBNetError: the bag is damaged, topics are missing or several fit, or an option is out of range.
        ModuleNotFoundError: rosbags is not installed.
    """
    from kbnet.sources.lidar_calibration import read_transform
    from kbnet.sources.ros import RosFrames, RosOptions
    from kbnet.sources.ros_bag import open_bag
    from kbnet.sources.ros_recording import RosTopics, survey

    if options.every < 1 or options.points < 1:
        raise KBNetError(f"expected --every and --points of at least 1, got {options.every} and {options.points}")
    unit = options.metres_per_unit
    if unit is not None and not unit > 0:
        raise KBNetError(f"expected --metres-per-unit above 0, got {unit:g}; 0.001 for millimetres")
    ros_options = RosOptions(
        points=options.points,
        metres_per_unit=unit,
        aligned=options.aligned,
        T_camera_depth=None if options.extrinsics is None else read_transform(options.extrinsics, "extrinsics"),
        world=options.world,
        keep_hidden=options.keep_hidden,
    )
    bag = open_bag(path)
    try:
        topics = RosTopics(options.image, options.depth, options.camera_info, options.odometry)
        camera, clock = _camera(bag, options), options.clock
        recording = survey(bag, topics, camera=camera, largest_difference_s=options.max_difference, clock=clock)
        return RosFrames(recording, ros_options, every=options.every)
    except BaseException:
        bag.close()
        raise


def _camera(bag: Bag, options: RosArguments) -> Camera | None:
    if options.intrinsics is None:
        if options.distortion or options.lens != "pinhole":
            raise KBNetError("--lens and --distortion go with --intrinsics; camera_info brings its own")
        return None
    from kbnet.frames.camera_centre import warn_of_far_centre
    from kbnet.frames.image_file import read_intrinsics
    from kbnet.sources.rectification import Camera
    from kbnet.sources.ros_images import decode_image
    from kbnet.sources.ros_recording import find_image_topic

    size = decode_image(bag.first(find_image_topic(bag, options.image))).shape[:2]
    K = read_intrinsics(options.intrinsics)
    warn_of_far_centre(K, (size[0], size[1]), of=str(options.intrinsics))
    return Camera(K, (size[0], size[1]), options.lens, options.distortion)
