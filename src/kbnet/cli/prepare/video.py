"""``kbnet prepare video``: a video and a table of points as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from kbnet.cli.arguments import OptionalFile, Switch

if TYPE_CHECKING:
    from kbnet.sources.video import Motion

Coefficients = Annotated[tuple[float, ...], tyro.conf.arg(metavar="K1 K2 ...", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a video, its calibration, and a table of points per frame, as odometry such as XIVO writes.

    Example:  kbnet prepare video walk.mp4 walk --intrinsics K.txt --points points.csv

    The table is CSV with a header: frame (from 0) or time (seconds), and u, v, depth (pixels of the frames as stored,
    metres along z) or x, y, z (metres). Further columns are ignored. The lens's distortion is taken out.
    """

    video: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO")]
    """Any file that FFmpeg reads. That players should turn it is not applied."""
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Sequence folder to make."""
    intrinsics: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """The 3x3 matrix K of the frames, as text or .npy."""
    points: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """Table of points."""
    points_in: Literal["camera", "world"] = "camera"
    """Where x, y, z are: x right, y down, z forward in the camera; or the world of --poses."""
    poses: OptionalFile = None
    """Poses, 'time x y z qx qy qz qw' a line (TUM's format): camera, or body, to world."""
    extrinsics: OptionalFile = None
    """With --poses of a body (IMU): transform from the camera to the body, 3x4 or 4x4."""
    lens: Literal["pinhole", "radial-tangential", "fisheye"] = "pinhole"
    """What the lens does."""
    distortion: Coefficients = ()
    """Coefficients of the lens: k1 k2 p1 p2 [k3 [k4 k5 k6]] or, of a fisheye, k1 k2 k3 k4."""
    time_offset: float = 0.0
    """When the first frame was taken on the clock of points and poses, seconds."""
    max_difference: float = 0.02
    """Seconds between a frame and its points."""
    every: int = 1
    """Take every Nth frame."""
    overwrite: Switch = False
    """Replace a sequence folder that is there, with everything in it."""

    def run(self) -> None:
        """Decode, match, rectify and write."""
        from kbnet.cli.preparation import print_points
        from kbnet.cli.progress import frame_progress
        from kbnet.data.rectification import Camera
        from kbnet.frames.image_file import read_intrinsics
        from kbnet.sources.point_table import read_point_table
        from kbnet.sources.video import open_video, write_video_sequence

        if self.every < 1:
            raise ValueError(f"expected --every of at least 1 frame, got {self.every}; 1 takes all")
        table, motion = read_point_table(self.points), self._motion()
        if motion and motion.points_in_world and table.kind == "pixels":
            raise ValueError(f"expected x, y, z for --points-in world, but {self.points} has u, v, depth")
        video = open_video(self.video)
        camera = Camera(read_intrinsics(self.intrinsics), video.size, self.lens, self.distortion)
        with frame_progress() as progress:
            task = progress.add_task("decoding", total=video.frames or None)
            done = write_video_sequence(
                video,
                camera,
                table,
                self.folder,
                motion=motion,
                time_offset_s=self.time_offset,
                largest_difference_s=self.max_difference,
                every=self.every,
                overwrite=self.overwrite,
                on_frame=lambda: progress.advance(task),
            )
        for reason, count in done.left_out.items():
            print(f"left out: {count} of {done.read} frames with {reason}")
        poses = f"{done.posed} with a pose" if motion else "no poses"
        lens = "no distortion" if camera.is_pinhole else f"{camera.model} distortion taken out"
        print(
            f"wrote {done.written} frames of {video.size[1]}x{video.size[0]} pixels to {self.folder}: {poses}, {lens}"
        )
        print_points(self.folder)

    def _motion(self) -> Motion | None:
        from kbnet.sources.lidar_calibration import read_transform
        from kbnet.sources.trajectory import read_tum_trajectory
        from kbnet.sources.video import Motion

        if self.poses is None:
            if self.points_in == "world" or self.extrinsics:
                raise ValueError("--points-in world and --extrinsics go with --poses; give those too")
            return None
        in_world = self.points_in == "world"
        if self.extrinsics is None:
            return Motion(read_tum_trajectory(self.poses), points_in_world=in_world)
        T_body_camera = read_transform(self.extrinsics, "the transform from camera to body")
        return Motion(read_tum_trajectory(self.poses), T_body_camera, in_world)
