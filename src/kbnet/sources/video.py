"""A video and a table of points, as visual-inertial odometry leaves them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, Frame
from kbnet.frames.camera_centre import is_of_turned, warn_of_far_centre
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.recording import Moment
from kbnet.frames.sequence_writer import WrittenFrames
from kbnet.points.projection import project_points
from kbnet.sources.depth_file import check_metres
from kbnet.sources.misplaced_points import explain_misses
from kbnet.sources.point_table import PointTable
from kbnet.sources.rectification import Camera, Rectification, RectifiedRecording
from kbnet.sources.trajectory import LONGEST_GAP_S, Trajectory
from kbnet.sources.video_decoder import Video, VideoDecoder

LARGEST_DIFFERENCE_S = 0.02
NO_POSE, NO_POINTS = "frames with no pose at their time", "frames with no points at their time"
JUDGED_FRAMES = 5
"""Frames whose points together say what unit they are in: those of one may all be far away."""
FEWEST_JUDGED = 50
JUDGED_SHARE, UPPER_LEFT = 95, 0.55
"""Of the points, per cent, and of width and height: where points of a video of half the size would lie."""


@dataclass(frozen=True)
class Motion:
    """Where the camera was.

    Attributes:
        trajectory: of a body, on the clock of the points.
        T_body_camera: (4, 4), metres: how the camera sits on that body.
        points_in_world: x, y, z of the points are in the world, not in the camera.
    """

    trajectory: Trajectory
    T_body_camera: Float64Array = field(default_factory=lambda: np.eye(4))
    points_in_world: bool = False

    def at(self, time: float) -> Float64Array | None:
        """``T_world_camera``, (4, 4), metres; None where it is not known."""
        T_world_body = self.trajectory.at(time)
        return None if T_world_body is None else T_world_body @ self.T_body_camera


class VideoMoment(NamedTuple):
    """A frame of the video: number, seconds on the clock of the points, and timestamp in the file."""

    number: int
    time: float
    timestamp: int | None


class VideoFrames(RectifiedRecording[VideoMoment]):
    """The frames of a video that have points, named by their number in the video.

    The video is decoded twice where the number of frames is asked for first: which frames there are is only known then.

    Args:
        video: from :func:`open_video`.
        camera: of its frames as stored.
        table: points in the frames as stored, or x, y, z in the camera, or in the world.
        motion: for poses, and for points in the world; frames where it is not known are left out.
        time_offset_s: when the first frame was taken, on the clock of points and motion.
        largest_difference_s: between a frame and its points.

    Attributes:
        read: frames of the video so far.

    Raises (when frames are looked for):
        KBNetError: no frame has points, they all lie outside the image, or look like millimetres, or the video is
            damaged from the beginning.
    """

    def __init__(
        self,
        video: Video,
        camera: Camera,
        table: PointTable,
        *,
        motion: Motion | None = None,
        time_offset_s: float = 0.0,
        largest_difference_s: float = LARGEST_DIFFERENCE_S,
        every: int = 1,
    ) -> None:
        super().__init__(video.path, str(table.path), expected=video.frames or None, inputs=(video.path, table.path))
        warn_of_far_centre(camera.K, camera.size)
        _warn_of_other_size(table, camera.size)
        if not (motion and motion.points_in_world):
            _warn_of_world(table)
        self.camera, self._table, self._motion = camera, table, motion
        self._time_offset_s, self._largest_difference_s, self._every = time_offset_s, largest_difference_s, every
        self._decoder = VideoDecoder(video)
        self._latest: tuple[int, Any] = -1, None
        self.read = 0

    def assumptions(self) -> list[str]:
        """Metres and axes; not how far points of the world are from the camera, which their poses say."""
        if self._motion and self._motion.points_in_world:
            return [f"points in {self._table.path} are taken for metres"]
        axes = " along x right, y down, z forward" if self._table.kind == "points" else ""
        median = np.median(np.concatenate(self._table.groups)[:, 2])
        return [f"points in {self._table.path} are taken for metres{axes}: a median depth of {median:.3g} m"]

    def notes(self) -> list[str]:
        return [f"left out: {len(names)} of {self.read} {what}" for what, names in self.left_out.items()]

    def poses_text(self, written: WrittenFrames) -> str:
        return f"{written.posed} with a pose" if self._motion else "no poses"

    def moments(self) -> Iterator[Moment[VideoMoment]]:
        outside, last_time, depths = "", 0.0, list[Float64Array]()
        for index, decoded in enumerate(self._decoder.all()):
            self.read, last_time = index + 1, decoded.time
            if not index and decoded.frame.rotation % 180 and is_of_turned(self.camera.K, self.camera.size):
                raise KBNetError(
                    f"K is of turned frames, as players and OpenCV show {self.folder}, but they are stored as "
                    f"{self.camera.size[1]}x{self.camera.size[0]}; store them turned: ffmpeg -i {self.folder} "
                    "-fps_mode passthrough -crf 12 turned.mp4"
                )
            if index % self._every:
                continue
            name, moment = f"{index:06d}", VideoMoment(index, decoded.time + self._time_offset_s, decoded.timestamp)
            pose = self._motion.at(moment.time) if self._motion else None
            rows = self._rows(moment, pose)
            if rows is None:
                self.leave_out(NO_POSE if self._table_rows(moment) is not None else NO_POINTS, name)
                continue
            if len(depths) < JUDGED_FRAMES:
                depths.append(rows[:, 2])
                _check_units(depths, self._table, at_least=JUDGED_FRAMES)
            if not _sparse_depth(rows, self._table, self.rectification).any():
                self.leave_out("frames with no point in the image", name)
                in_world = self._motion is not None and self._motion.points_in_world
                outside = outside or _where(rows, self._table.kind, self.rectification.target, in_world=in_world)
                continue
            self._latest = index, decoded
            yield Moment(name, pose, moment)
        _check_units(depths, self._table)
        if not self._known:
            text = _no_overlap(self._table, self._motion, self.left_out, self.read, self._time_offset_s, last_time)
            raise KBNetError(outside or text)
        first, last = self._table.keys[[0, -1]]
        if self._table.key == "frame" and last >= self.read:
            warnings.warn(
                f"{self._table.path} has frames {first:g} to {last:g}, but the video has 0 to {self.read - 1}: if the "
                "table counts from 1, subtract 1; if it counts those of another rate or a longer video, correct it",
                stacklevel=2,
            )
        start, late = self._time_offset_s, self._largest_difference_s
        if self._table.key == "time" and first > start + late and last > start + last_time + late:
            warnings.warn(
                f"{self._table.path} spans {first:.3f} to {last:.3f} s, but the video {start:.3f} to "
                f"{start + last_time:.3f} s: if the first of both belong together, say so (--time-offset)",
                stacklevel=2,
            )

    def make(self, index: int, moment: Moment[VideoMoment]) -> Frame:
        rows = self._rows(moment.parts, moment.T_world_camera)
        assert rows is not None
        latest, decoded = self._latest
        if latest != moment.parts.number:
            decoded = self._decoder.at(moment.parts.number, moment.parts.timestamp)
        sparse = _sparse_depth(rows, self._table, self.rectification)
        return Frame(self.rectification.image(decoded.image()), sparse, self.rectification.target.K, name=moment.name)

    def _table_rows(self, moment: VideoMoment) -> Float64Array | None:
        by_frame = self._table.key == "frame"
        return self._table.near(*((moment.number, 0) if by_frame else (moment.time, self._largest_difference_s)))

    def _rows(self, moment: VideoMoment, pose: Float64Array | None) -> Float64Array | None:
        """Points of a frame, as the camera sees them; None = there are none, or no pose that is needed."""
        rows = self._table_rows(moment)
        if rows is None or (self._motion and pose is None):
            return None
        if self._motion and self._motion.points_in_world and pose is not None:
            return (rows - pose[:3, 3]) @ pose[:3, :3]
        return rows


def _warn_of_other_size(table: PointTable, size: tuple[int, int]) -> None:
    """Warn of pixels that lie beyond the image, or all in the upper left of it."""
    pixels = np.concatenate(table.groups)[:, :2]
    if table.kind != "pixels" or len(pixels) < FEWEST_JUDGED:
        return
    u, v = np.nanpercentile(pixels, JUDGED_SHARE, axis=0)
    if u > size[1] or v > size[0] or (u < UPPER_LEFT * size[1] and v < UPPER_LEFT * size[0]):
        warnings.warn(
            f"{JUDGED_SHARE} % of the points in {table.path} have u below {u:.4g} and v below {v:.4g}, but the frames "
            f"are {size[1]}x{size[0]}: were they tracked at another resolution?",
            stacklevel=3,
        )


def _warn_of_world(table: PointTable) -> None:
    """Warn of x, y, z that stay the same from frame to frame, which in the axes of a camera that moves they do not."""
    rows = [set(map(tuple, group.tolist())) for group in table.groups[:JUDGED_FRAMES]]
    shares = [len(one & other) / min(len(one), len(other)) for one, other in pairwise(rows)]
    if table.kind == "points" and shares and np.median(shares) > 0.5:
        warnings.warn(
            f"most points in {table.path} have the same x, y, z in several frames: if they are in the world, say "
            "--points-in world --poses FILE",
            stacklevel=3,
        )


def _check_units(depths: list[Float64Array], table: PointTable, *, at_least: int = 1) -> None:
    if len(depths) >= at_least:
        check_metres(np.concatenate(depths), where=str(table.path), remedy="write metres into the table")


def _sparse_depth(rows: Float64Array, table: PointTable, rectification: Rectification) -> FloatArray:
    if table.kind == "points":
        sparse = project_points(rows, rectification.target.K, np.eye(4), rectification.target.size)
    else:
        sparse = rectification.points(rows[:, :2], rows[:, 2])
    return np.where(sparse > MAXIMUM_DEPTH, np.float32(0), sparse)


def _where(rows: Float64Array, kind: str, camera: Camera, *, in_world: bool) -> str:
    size = camera.size
    if kind == "points":
        why = explain_misses(rows, np.eye(4), camera.K, size)
        check = "or give points in the world with --points-in world and --poses"
        if in_world:
            check = "check that --poses are camera to world, or --extrinsics camera to body"
        return (
            f"no point falls into the image: as the camera sees them, {why}; x must be right, y down, z forward in the "
            f"camera; {check}"
        )
    low, high = rows.min(axis=0), rows.max(axis=0)
    return (
        f"no point falls into the image of {size[1]}x{size[0]} pixels (width x height): u is {low[0]:.0f} to "
        f"{high[0]:.0f}, v {low[1]:.0f} to {high[1]:.0f}, depth {low[2]:.2f} to {high[2]:.2f}; were the points tracked "
        "at another resolution?"
    )


def _no_overlap(
    table: PointTable, motion: Motion | None, left_out: dict[str, list[str]], read: int, start: float, duration: float
) -> str:
    seconds = f"{start:.3f} to {start + duration:.3f} s"
    video = f"frames 0 to {read - 1}" if table.key == "frame" else seconds
    unit = " s" if table.key == "time" else ""
    text = (
        f"no overlap in time: the video spans {video}, {table.path} {table.keys[0]:.12g} to {table.keys[-1]:.12g}{unit}"
    )
    if motion:
        times = motion.trajectory.times
        if NO_POSE in left_out and times[0] <= start + duration and times[-1] >= start:
            return (
                f"no frame has a pose: those from {times[0]:.3f} to {times[-1]:.3f} s are up to "
                f"{np.diff(times).max(initial=0):.2f} s apart, and beyond {LONGEST_GAP_S:g} s none is taken from both "
                "sides; write poses more often"
            )
        text += f", the poses {times[0]:.3f} to {times[-1]:.3f} s (the video {seconds})"
    return f"{text}; say when the first frame was taken on their clock (--time-offset)"
