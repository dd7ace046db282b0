"""``kbnet prepare ros``: a bag as a sequence folder, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import OptionalFile, Switch

if TYPE_CHECKING:
    from kbnet.data.rectification import Camera
    from kbnet.sources.ros import RosFrames
    from kbnet.sources.ros_bag import Bag
    from kbnet.sources.ros_recording import RosRecording

Topic = Annotated[str, tyro.conf.arg(metavar="TOPIC", help_behavior_hint="")]
FrameName = Annotated[str, tyro.conf.arg(metavar="FRAME", help_behavior_hint="")]
OptionalNumber = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]
Coefficients = Annotated[tuple[float, ...], tyro.conf.arg(metavar="K1 K2 ...", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a ROS 1 or ROS 2 bag or an MCAP file: images, depth or points, poses; ROS is not needed.

    Example:  kbnet prepare ros drive.mcap drive --image /camera/image_raw --depth /lidar/points

    Depth images become ground truth, and sparse points are taken from them at corners of the image, as a tracker would.
    Points are projected by TF, or by --extrinsics. The lens's distortion is taken out.
    """

    bag: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BAG")]
    """A .bag file, the folder of a ROS 2 bag, or one .mcap or .db3 file."""
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Sequence folder to make."""
    image: Topic = ""
    """Image or CompressedImage (default: the only one)."""
    depth: Topic = ""
    """Depth image or PointCloud2 (default: the only one)."""
    camera_info: Topic = ""
    """Calibration of the images (default: camera_info beside them)."""
    odometry: Topic = ""
    """Odometry to take poses from, beside TF."""
    world: FrameName = ""
    """Frame of the poses (default: the uppermost above the camera in TF)."""
    intrinsics: OptionalFile = None
    """The 3x3 matrix K of the images, as text or .npy, in place of camera_info."""
    lens: Literal["pinhole", "radial-tangential", "fisheye"] = "pinhole"
    """With --intrinsics: what the lens does."""
    distortion: Coefficients = ()
    """With --lens: its coefficients; k1 k2 p1 p2 [k3 [k4 k5 k6]] or, of a fisheye, k1 k2 k3 k4."""
    extrinsics: OptionalFile = None
    """Transform from the frame of the depth to that of the camera, 3x4 or 4x4, in place of TF."""
    aligned: Switch = False
    """Depth images lie on the images pixel by pixel, whatever their frames are called."""
    keep_hidden: Switch = False
    """Keep far points that are seen through a near surface; right for points that odometry tracked in the images."""
    metres_per_unit: OptionalNumber = None
    """Unit of the depth (default: millimetres in 16-bit images, else metres)."""
    points: int = 1500
    """Sparse points in a frame, of depth images."""
    max_difference: float = 0.02
    """Seconds between an image and its depth."""
    every: int = 1
    """Take every Nth frame."""
    overwrite: Switch = False
    """Replace a sequence folder that is there, with everything in it."""

    def run(self) -> None:
        """Match, project, rectify and write."""
        from kbnet.cli.preparation import print_points
        from kbnet.cli.progress import frame_progress
        from kbnet.sources.lidar_calibration import read_transform
        from kbnet.sources.ros import RosOptions, write_ros_sequence
        from kbnet.sources.ros_bag import open_bag
        from kbnet.sources.ros_recording import RosTopics, survey

        if self.every < 1 or self.points < 1:
            raise ValueError(f"expected --every and --points of at least 1, got {self.every} and {self.points}")
        if self.metres_per_unit is not None and not self.metres_per_unit > 0:
            raise ValueError(f"expected --metres-per-unit above 0, got {self.metres_per_unit:g}; 0.001 for millimetres")
        options = RosOptions(
            points=self.points,
            metres_per_unit=self.metres_per_unit,
            aligned=self.aligned,
            T_camera_depth=None if self.extrinsics is None else read_transform(self.extrinsics, "extrinsics"),
            world=self.world,
            keep_hidden=self.keep_hidden,
        )
        topics = RosTopics(self.image, self.depth, self.camera_info, self.odometry)
        with open_bag(self.bag) as bag, frame_progress() as progress:
            task = progress.add_task("reading", total=None)
            camera = self._camera(bag, topics.image)
            recording = survey(bag, topics, camera=camera, largest_difference_s=self.max_difference)
            total = len(recording.pairs[:: self.every])
            progress.update(task, description="writing", total=total)
            done = write_ros_sequence(
                recording,
                self.folder,
                options,
                every=self.every,
                overwrite=self.overwrite,
                on_frame=lambda: progress.advance(task),
            )
            self._say(recording, done)
        print_points(self.folder)

    def _say(self, recording: RosRecording, done: RosFrames) -> None:
        camera = recording.camera
        lens = "no distortion" if camera.is_pinhole else f"{camera.model} distortion taken out"
        poses = f"{done.posed} with a pose in {self.world or recording.world}" if done.posed else "no poses"
        print(f"images {recording.image}, depth {recording.depth}: {len(recording.pairs)} of {recording.images} images")
        for reason, count in done.left_out.items():
            print(f"left out: {count} frames with {reason}")
        print(
            f"wrote {done.written} frames of {camera.size[1]}x{camera.size[0]} pixels to {self.folder}: {poses}, {lens}"
        )

    def _camera(self, bag: Bag, image_topic: str) -> Camera | None:
        if self.intrinsics is None:
            if self.distortion or self.lens != "pinhole":
                raise ValueError("--lens and --distortion go with --intrinsics; camera_info brings its own")
            return None
        from kbnet.data.rectification import Camera
        from kbnet.frames.image_file import read_intrinsics
        from kbnet.sources.ros_images import decode_image
        from kbnet.sources.ros_recording import find_image_topic

        size = decode_image(bag.first(find_image_topic(bag, image_topic))).shape[:2]
        return Camera(read_intrinsics(self.intrinsics), (size[0], size[1]), self.lens, self.distortion)
