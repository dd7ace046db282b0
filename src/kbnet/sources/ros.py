"""A camera's recording in a bag to a sequence folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.data.lidar import drop_hidden_points, project_points
from kbnet.data.rectification import Camera, Rectification
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.sequence_writer import new_sequence
from kbnet.points.sampling import sample_points
from kbnet.points.sparse_points import map_to_points
from kbnet.sources.depth_units import check_metres
from kbnet.sources.misplaced_points import explain_misses
from kbnet.sources.ros_images import decode_depth, decode_image
from kbnet.sources.ros_points import decode_points
from kbnet.sources.ros_recording import RosRecording

Floats = NDArray[np.float64]

DENSE_SHARE = 0.1
"""Of the pixels: a depth image with fewer is sparse already, and taken as it is."""
ALIGNED_PX = 1.0
"""Farther apart, pixels of two calibrations of the same frame do not lie on each other."""


@dataclass(frozen=True)
class RosOptions:
    """How depth becomes sparse depth.

    Attributes:
        points: sparse points a frame, at the strongest corners, where depth comes as images; clouds are taken whole.
        metres_per_unit: of depth images and clouds; None = as ROS has it: metres, and millimetres in 16-bit images, and
            whether that can be is looked at.
        aligned: depth images lie on the images pixel by pixel, whatever their frame is called.
        T_camera_depth: (4, 4), metres, from the frame of the depth to that of the camera; None = by TF.
        world: frame of the poses; '' = the uppermost above the camera, if anything on the way there moves.
        keep_hidden: keep far points that are seen through a near surface, where they were tracked by the camera itself.
    """

    points: int = 1500
    metres_per_unit: float | None = None
    aligned: bool = False
    T_camera_depth: Floats | None = None
    world: str = ""
    keep_hidden: bool = False


@dataclass
class RosFrames:
    """What was written.

    Attributes:
        written: frames.
        posed: those with a pose.
        left_out: frames left out, by reason.
    """

    written: int = 0
    posed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def write_ros_sequence(
    recording: RosRecording,
    folder: str | Path,
    options: RosOptions = RosOptions(),
    *,
    every: int = 1,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> RosFrames:
    """Write the matched frames, named by their time in microseconds; those without a transform or a point are left out.

    Dense depth images become ground truth too.

    Args:
        recording: from :func:`kbnet.sources.ros_recording.survey`, its bag still open.
        folder: the sequence folder to appear.
        options: how depth becomes sparse depth.
        every: take every Nth matched frame.
        overwrite: replace a sequence that is there.
        on_frame: called after each frame.

    Raises:
        ValueError: frames of the recording are not connected, no point falls into the image, depth is in millimetres,
            a message is not as it should be, or ``folder`` holds something.
    """
    maker = _FrameMaker(recording, options)
    with new_sequence(
        folder, maker.rectification.target.K, overwrite=overwrite, inputs=(recording.bag.path,)
    ) as sequence:
        for time, image, depth_time, depth in _matched_messages(recording, every):
            frame = maker.make(time, image, depth_time, depth)
            if frame is not None:
                pose = maker.pose(time)
                sequence.add(frame, pose)
                maker.done.written += 1
                maker.done.posed += pose is not None
            on_frame()
        if not maker.done.written:
            raise ValueError(maker.why_nothing())
    return maker.done


class _FrameMaker:
    """Makes frames of messages, and remembers what went wrong."""

    def __init__(self, recording: RosRecording, options: RosOptions) -> None:
        self.recording, self.options = recording, options
        self.rectification = Rectification(recording.camera)
        self.done = RosFrames()
        self._outside = ""
        tree = recording.tree
        self._world = options.world or recording.world
        if options.world and options.world not in tree.lineage(recording.camera_frame):
            raise ValueError(
                f"expected a frame above {recording.camera_frame} as world, got {options.world}; "
                f"choose among {', '.join(tree.lineage(recording.camera_frame)[1:]) or 'none: the bag has no TF of it'}"
            )
        self._aligned = not recording.is_cloud and (
            options.aligned
            or (
                options.T_camera_depth is None
                and recording.depth_frame == recording.camera_frame
                and (recording.depth_camera is None or _show_the_same(recording.depth_camera, recording.camera))
            )
        )
        if not self._aligned:
            self._check_connected()

    def make(self, time: float, image_message: Any, depth_time: float, message: Any) -> Frame | None:
        """One frame; None where its transform is not known, or no point falls into the image."""
        image = self.rectification.image(decode_image(image_message))
        depth = self._aligned_depth(message) if self._aligned else self._projected(time, depth_time, message)
        if depth is None:
            self.done.left_out["no transform at their time"] += 1
            return None
        if not depth.any():
            self.done.left_out["no point in the image"] += 1
            return None
        sparse, ground_truth = depth, None
        if np.count_nonzero(depth) > DENSE_SHARE * depth.size and not self.recording.is_cloud:
            generator = np.random.default_rng(self.done.written)
            sparse, ground_truth = sample_points(image, depth, self.options.points, generator, range_noise=0), depth
        return Frame(image, sparse, self.rectification.target.K, ground_truth, f"{round(time * 1e6):016d}")

    def pose(self, time: float) -> Floats | None:
        """``T_world_camera``, (4, 4), metres."""
        if not self._world:
            return None
        return self.recording.tree.ancestors(self.recording.camera_frame, time).get(self._world)

    def why_nothing(self) -> str:
        """Why no frame could be made."""
        reason = self.done.left_out.most_common(1)[0][0]
        where = f"{self.recording.depth} as {self.recording.camera_frame} sees it"
        if self._outside:
            return (
                f"no point falls into the image: of {where}, {self._outside}; probably the extrinsics: check TF, or "
                "give them (--extrinsics: 4x4, from the depth's frame to the camera's, x right, y down, z forward)"
            )
        return f"no frame could be made of {where}: {reason}; check the recording, or give --extrinsics"

    def _aligned_depth(self, message: Any) -> FloatArray:
        depth = self._decoded_depth(message)
        if np.count_nonzero(depth) > DENSE_SHARE * depth.size:
            return self.rectification.dense_depth(depth)
        return self.rectification.points(*map_to_points(depth))

    def _projected(self, time: float, depth_time: float, message: Any) -> FloatArray | None:
        T_camera_depth = self._transform(time, depth_time)
        if T_camera_depth is None:
            return None
        points, target = self._points(message), self.rectification.target
        depth = project_points(points, target.K, T_camera_depth, target.size)
        depth[depth > MAXIMUM_DEPTH] = 0
        if not depth.any():
            self._outside = explain_misses(points, T_camera_depth, target.K, target.size)
        return depth if self.options.keep_hidden else drop_hidden_points(depth)

    def _points(self, message: Any) -> Floats:
        """Points in the frame of the depth, (N, 3), metres."""
        scale = self.options.metres_per_unit
        if self.recording.is_cloud:
            points = decode_points(message) * (scale or 1)
            self._check_units(np.linalg.norm(points, axis=1).astype(np.float32))
            return points
        depth = self._decoded_depth(message)
        camera = self.recording.depth_camera
        assert camera is not None
        if depth.shape != camera.size:
            raise ValueError(
                f"{self.recording.depth} is {depth.shape[1]}x{depth.shape[0]} but calibrated for "
                f"{camera.size[1]}x{camera.size[0]} (width x height); record its camera_info with it"
            )
        pixels, z = map_to_points(depth)
        return np.concatenate([camera.to_rays(pixels), np.ones((len(z), 1))], axis=1) * z[:, None]

    def _transform(self, time: float, depth_time: float) -> Floats | None:
        if self.options.T_camera_depth is not None:
            return self.options.T_camera_depth
        recording = self.recording
        return recording.tree.between(recording.camera_frame, time, recording.depth_frame, depth_time)

    def _decoded_depth(self, message: Any) -> FloatArray:
        depth = decode_depth(message, self.options.metres_per_unit)
        self._check_units(depth)
        return depth

    def _check_units(self, depth: FloatArray) -> None:
        if self.options.metres_per_unit is not None:
            return
        check_metres(
            depth, where=self.recording.depth, remedy="give the unit (--metres-per-unit 0.001; 1 if it is right)"
        )

    def _check_connected(self) -> None:
        recording, tree = self.recording, self.recording.tree
        if not recording.is_cloud and recording.depth_camera is None:
            raise ValueError(
                f"{recording.depth} is of frame {recording.depth_frame}, the images of {recording.camera_frame}, and "
                "the depth's camera_info is not in the bag; if both lie on each other pixel by pixel, say --aligned"
            )
        above = set(tree.lineage(recording.camera_frame)) & set(tree.lineage(recording.depth_frame))
        if self.options.T_camera_depth is None and not above:
            raise ValueError(
                f"expected a transform from {recording.depth_frame} ({recording.depth}) to {recording.camera_frame} "
                f"({recording.image}), but TF knows {', '.join(tree.frames) or 'no frames'}; "
                "give it (--extrinsics FILE, 4x4)"
            )


def _show_the_same(camera: Camera, other: Camera) -> bool:
    """Whether two cameras at one place show the same at every pixel: at the corners, and in the middle, within one."""
    if camera.size != other.size:
        return False
    height, width = camera.size
    pixels = np.array([[x, y] for x in (0, width / 2, width - 1) for y in (0, height / 2, height - 1)], np.float64)
    apart = np.abs(other.to_pixels(camera.to_rays(pixels)) - pixels)
    return bool(np.nanmax(apart, initial=0) <= ALIGNED_PX)


def _matched_messages(recording: RosRecording, every: int) -> Iterator[tuple[float, Any, float, Any]]:
    """Times and messages of image and depth; a message is kept only until its partners have come."""
    waiting = dict(recording.pairs[::every])
    uses = Counter(waiting.values())
    images: dict[float, Any] = {}
    depths: dict[float, Any] = {}
    for topic, time, message in recording.bag.messages([recording.image, recording.depth]):
        if topic == recording.image and time in waiting:
            images[time] = message
        elif topic == recording.depth and time in uses:
            depths[time] = message
        for image_time in [time for time in images if waiting[time] in depths]:
            depth_time = waiting.pop(image_time)
            yield image_time, images.pop(image_time), depth_time, depths[depth_time]
            uses[depth_time] -= 1
            if not uses[depth_time]:
                del uses[depth_time], depths[depth_time]
