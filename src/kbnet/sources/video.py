"""A video and a table of points, as visual-inertial odometry leaves them, to a sequence folder."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.data.lidar import project_points
from kbnet.data.rectification import Camera, Rectification
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.sequence_writer import new_sequence
from kbnet.sources.depth_units import check_metres
from kbnet.sources.misplaced_points import explain_misses
from kbnet.sources.point_table import PointTable
from kbnet.sources.trajectory import LONGEST_GAP_S, Trajectory

Floats = NDArray[np.float64]

LARGEST_DIFFERENCE_S = 0.02
NO_POSE = "no pose at their time"
JUDGED_FRAMES = 5
"""Frames whose points together say what unit they are in: those of one may all be far away."""


@dataclass(frozen=True)
class Video:
    """What a video file says of itself.

    Attributes:
        path: of the file.
        size: (H, W) as stored, pixels; that a player should turn it is not applied.
        frames: how many, if the file says so; else 0.
    """

    path: Path
    size: tuple[int, int]
    frames: int


@dataclass(frozen=True)
class Motion:
    """Where the camera was.

    Attributes:
        trajectory: of a body, on the clock of the points.
        T_body_camera: (4, 4), metres: how the camera sits on that body.
        points_in_world: x, y, z of the points are in the world, not in the camera.
    """

    trajectory: Trajectory
    T_body_camera: Floats = field(default_factory=lambda: np.eye(4))
    points_in_world: bool = False

    def at(self, time: float) -> Floats | None:
        """``T_world_camera``, (4, 4), metres; None where it is not known."""
        T_world_body = self.trajectory.at(time)
        return None if T_world_body is None else T_world_body @ self.T_body_camera


@dataclass
class VideoFrames:
    """What was written.

    Attributes:
        read: frames of the video.
        written: frames of the sequence.
        posed: those with a pose.
        left_out: frames left out, by reason.
    """

    read: int = 0
    written: int = 0
    posed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def open_video(path: str | Path) -> Video:
    """Look at a video file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no video, or damaged.
        ModuleNotFoundError: av is not installed.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a video in {path}, but there is no such file; check the path")
    with _one_line(path), av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"expected a video in {path}, but it holds no pictures; name another file")
        stream = container.streams.video[0]
        return Video(path, (stream.height, stream.width), stream.frames)


def read_frames(path: Path) -> Iterator[tuple[float, ImageArray]]:
    """Decode a video.

    Yields:
        Seconds since the first frame, and RGB, (H, W, 3), uint8.

    Raises:
        ValueError: the file is damaged.
    """
    import av

    with _one_line(path), av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start = 0.0
        for index, frame in enumerate(container.decode(stream)):
            # Bare streams of a codec hold no times.
            time = index / float(stream.average_rate or 30) if frame.time is None else frame.time
            start = start if index else time
            if not index and frame.rotation:
                warnings.warn(
                    f"{path} asks players to turn it by {frame.rotation} degrees; frames are taken as stored, "
                    f"{frame.width}x{frame.height}: K must belong to those",
                    stacklevel=2,
                )
            yield time - start, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def write_video_sequence(
    video: Video,
    camera: Camera,
    table: PointTable,
    folder: str | Path,
    *,
    motion: Motion | None = None,
    time_offset_s: float = 0.0,
    largest_difference_s: float = LARGEST_DIFFERENCE_S,
    every: int = 1,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> VideoFrames:
    """Write the frames that have points, named by their number in the video.

    Args:
        video: from :func:`open_video`.
        camera: of its frames as stored.
        table: points in the frames as stored, or x, y, z in the camera, or in the world.
        folder: the sequence folder to appear.
        motion: for poses, and for points in the world; frames where it is not known are left out.
        time_offset_s: when the first frame was taken, on the clock of points and motion.
        largest_difference_s: between a frame and its points.
        every: take every Nth frame.
        overwrite: replace a sequence that is there.
        on_frame: called after each frame of the video.

    Raises:
        ValueError: no frame has points, they all lie outside the image, or look like millimetres, or the video is
            damaged, or ``folder`` holds something.
    """
    rectification = Rectification(camera)
    warn_of_far_centre(camera.K, camera.size)
    done, outside, last_time, depths = VideoFrames(), "", 0.0, list[Floats]()
    with new_sequence(folder, rectification.target.K, overwrite=overwrite, inputs=(video.path, table.path)) as sequence:
        for index, (time, image) in enumerate(read_frames(video.path)):
            done.read, last_time = index + 1, time
            on_frame()
            if index % every:
                continue
            time += time_offset_s
            rows = table.near(index, 0) if table.key == "frame" else table.near(time, largest_difference_s)
            pose = motion.at(time) if motion else None
            if rows is None or (motion and pose is None):
                done.left_out["no points at their time" if rows is None else NO_POSE] += 1
                continue
            if motion and motion.points_in_world and pose is not None:
                rows = (rows - pose[:3, 3]) @ pose[:3, :3]
            if len(depths) < JUDGED_FRAMES:
                depths.append(rows[:, 2])
                _check_units(depths, table, at_least=JUDGED_FRAMES)
            sparse = _sparse_depth(rows, table, rectification)
            if not sparse.any():
                done.left_out["no point in the image"] += 1
                outside = outside or _where(rows, table.kind, rectification.target)
                continue
            frame = Frame(rectification.image(image), sparse, rectification.target.K, name=f"{index:06d}")
            sequence.add(frame, pose)
            done.written += 1
            done.posed += pose is not None
        _check_units(depths, table)
        if not done.written:
            raise ValueError(outside or _no_overlap(table, motion, done, time_offset_s, last_time))
    return done


def _check_units(depths: list[Floats], table: PointTable, *, at_least: int = 1) -> None:
    if len(depths) >= at_least:
        check_metres(np.concatenate(depths), where=str(table.path), remedy="write metres into the table")


def _sparse_depth(rows: Floats, table: PointTable, rectification: Rectification) -> FloatArray:
    if table.kind == "points":
        sparse = project_points(rows, rectification.target.K, np.eye(4), rectification.target.size)
    else:
        sparse = rectification.points(rows[:, :2], rows[:, 2])
    return np.where(sparse > MAXIMUM_DEPTH, np.float32(0), sparse)


def _where(rows: Floats, kind: str, camera: Camera) -> str:
    size = camera.size
    if kind == "points":
        why = explain_misses(rows, np.eye(4), camera.K, size)
        return (
            f"no point falls into the image: as the camera sees them, {why}; x must be right, y down, z forward in the "
            "camera, or give points in the world with --points-in world and --poses"
        )
    low, high = rows.min(axis=0), rows.max(axis=0)
    return (
        f"no point falls into the image of {size[1]}x{size[0]} pixels (width x height): u is {low[0]:.0f} to "
        f"{high[0]:.0f}, v {low[1]:.0f} to {high[1]:.0f}, depth {low[2]:.2f} to {high[2]:.2f}; were the points tracked "
        "at another resolution?"
    )


def _no_overlap(table: PointTable, motion: Motion | None, done: VideoFrames, start: float, duration: float) -> str:
    seconds = f"{start:.3f} to {start + duration:.3f} s"
    video = f"frames 0 to {done.read - 1}" if table.key == "frame" else seconds
    unit = " s" if table.key == "time" else ""
    text = (
        f"no overlap in time: the video spans {video}, {table.path} {table.keys[0]:.12g} to {table.keys[-1]:.12g}{unit}"
    )
    if motion:
        times = motion.trajectory.times
        if done.left_out[NO_POSE] and times[0] <= start + duration and times[-1] >= start:
            return (
                f"no frame has a pose: those from {times[0]:.3f} to {times[-1]:.3f} s are up to "
                f"{np.diff(times).max(initial=0):.2f} s apart, and beyond {LONGEST_GAP_S:g} s none is taken from both "
                "sides; write poses more often"
            )
        text += f", the poses {times[0]:.3f} to {times[-1]:.3f} s (the video {seconds})"
    return f"{text}; say when the first frame was taken on their clock (--time-offset)"


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise ValueError(
            f"expected a whole video, but {path} cannot be read ({error.strerror}); copy it again"
        ) from None
