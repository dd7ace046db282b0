"""A video, its calibration, and a table of points per frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from kbnet.errors import KBNetError
from kbnet.frames.kinds import register
from kbnet.sources.flags import CoefficientsFlag, FileFlag, Lens

if TYPE_CHECKING:
    from kbnet.sources.video import Motion, VideoFrames

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".h264", ".h265", ".hevc", ".wmv")


@dataclass(frozen=True, kw_only=True)
class VideoArguments:
    """Make a sequence of a video, its calibration, and a table of points per frame, as odometry such as XIVO writes.

    Example:  kbnet prepare video walk.mp4 walk --intrinsics K.txt --points points.csv

    The table is CSV with a header: frame (from 0) or time (seconds), and u, v, depth (pixels of the frames as stored,
    metres along z) or x, y, z (metres). Further columns are ignored. The lens's distortion is taken out.
    """

    intrinsics: Annotated[Path, arg(metavar="FILE")]
    """The 3x3 matrix K of the frames, as text or .npy."""
    points: Annotated[Path, arg(metavar="FILE")]
    """Table of points."""
    points_in: Literal["camera", "world"] = "camera"
    """Where x, y, z are: x right, y down, z forward in the camera; or the world of --poses."""
    poses: FileFlag = None
    """Poses, 'time x y z qx qy qz qw' a line (TUM's format): camera, or body, to world."""
    extrinsics: FileFlag = None
    """With --poses of a body (IMU): transform from the camera to the body, 3x4 or 4x4."""
    lens: Lens = "pinhole"
    """What the lens does."""
    distortion: CoefficientsFlag = ()
    """Coefficients of the lens: k1 k2 p1 p2 [k3 [k4 k5 k6]] or, of a fisheye, k1 k2 k3 k4."""
    time_offset: float = 0.0
    """When the first frame was taken on the clock of points and poses, seconds."""
    max_difference: float = 0.02
    """Seconds between a frame and its points."""
    every: int = 1
    """Take every Nth frame."""


def is_video(path: Path) -> bool:
    """Whether a file is named like a video."""
    return path.suffix.lower() in SUFFIXES


@register(
    "video",
    "a video (.mp4, .mkv, .mov, ...)",
    is_video,
    VideoArguments,
    path="VIDEO",
    path_help="Any file that FFmpeg reads. That players should turn it is not applied.",
)
def open_video_recording(path: Path, options: VideoArguments) -> VideoFrames:
    """Open a video with its points; errors are those of `kbnet.sources.video.VideoFrames` and of the files named."""
    from kbnet.frames.image_file import read_intrinsics
    from kbnet.sources.point_table import read_point_table
    from kbnet.sources.rectification import Camera
    from kbnet.sources.video import VideoFrames
    from kbnet.sources.video_decoder import open_video

    if options.every < 1:
        raise KBNetError(f"expected --every of at least 1 frame, got {options.every}; 1 takes all")
    table, motion = read_point_table(options.points), _motion(options)
    if motion and motion.points_in_world and table.kind == "pixels":
        raise KBNetError(f"expected x, y, z for --points-in world, but {options.points} has u, v, depth")
    video = open_video(path)
    return VideoFrames(
        video,
        Camera(read_intrinsics(options.intrinsics), video.size, options.lens, options.distortion),
        table,
        motion=motion,
        time_offset_s=options.time_offset,
        largest_difference_s=options.max_difference,
        every=options.every,
    )


def _motion(options: VideoArguments) -> Motion | None:
    from kbnet.sources.lidar_calibration import read_transform
    from kbnet.sources.trajectory import read_tum_trajectory
    from kbnet.sources.video import Motion

    if options.poses is None:
        if options.points_in == "world" or options.extrinsics:
            raise KBNetError("--points-in world and --extrinsics go with --poses; give those too")
        return None
    in_world, trajectory = options.points_in == "world", read_tum_trajectory(options.poses)
    if options.extrinsics is not None:
        T_body_camera = read_transform(options.extrinsics, "the transform from camera to body")
        return Motion(trajectory, T_body_camera, in_world)
    if trajectory.of_body:
        raise KBNetError(
            f"poses of {options.poses} are of the body (IMU), as its first line says; give the camera's place in the "
            "body (--extrinsics FILE: 4x4, camera to body; the unit matrix if they are the camera's)"
        )
    return Motion(trajectory, points_in_world=in_world)
