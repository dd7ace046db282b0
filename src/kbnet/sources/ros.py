"""A camera's recording in a bag, frame by frame."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, Frame
from kbnet.frames.depth_png import spread_depth
from kbnet.frames.recording import Moment
from kbnet.frames.sequence_writer import WrittenFrames
from kbnet.points.sparse_points import map_to_points
from kbnet.sources.depth_camera import DepthCamera, frame_of_dense_depth, points_in_image
from kbnet.sources.depth_file import check_metres, is_dense, said_median
from kbnet.sources.misplaced_points import explain_misses
from kbnet.sources.rectification import RectifiedRecording
from kbnet.sources.ros_alignment import is_aligned
from kbnet.sources.ros_images import decode_depth, decode_image
from kbnet.sources.ros_points import decode_points
from kbnet.sources.ros_recording import RosRecording


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
    T_camera_depth: Float64Array | None = None
    world: str = ""
    keep_hidden: bool = False


class RosMoment(NamedTuple):
    """Times in seconds of an image and of the depth that belongs to it."""

    image: float
    depth: float


class RosFrames(RectifiedRecording[RosMoment]):
    """Matched images and depth of a bag, named by their time in microseconds.

    Frames without a transform or a point are left out. Dense depth images become ground truth too.

    Args:
        recording: from :func:`kbnet.sources.ros_recording.survey`; its bag stays open.

    Raises (KBNetError):
        Frames of the recording are not connected. When frames are looked for: no point falls into the image, depth is
        in millimetres, or a message is not as it should be.
    """

    def __init__(self, recording: RosRecording, options: RosOptions = RosOptions(), *, every: int = 1) -> None:
        super().__init__(recording.bag.path, recording.depth)
        weakref.finalize(self, recording.bag.close)
        self.recording, self.options = recording, options
        # The same time twice is one frame.
        self._pairs = list(dict(recording.pairs[::every]).items())
        self.camera, self.expected = recording.camera, len(self._pairs)
        self._outside = ""
        self._depth = lru_cache(maxsize=2)(self._read_depth)
        tree = recording.tree
        self._world = options.world or recording.world
        if options.world and options.world not in tree.lineage(recording.camera_frame):
            raise KBNetError(
                f"expected a frame above {recording.camera_frame} as world, got {options.world}; "
                f"choose among {', '.join(tree.lineage(recording.camera_frame)[1:]) or 'none: the bag has no TF of it'}"
            )
        self._T_camera_depth = recording.T_camera_depth if options.T_camera_depth is None else options.T_camera_depth
        self._unit_m = recording.depth_unit_m if options.metres_per_unit is None else options.metres_per_unit
        self._aligned = options.aligned and not recording.is_cloud
        if not self._aligned and self._T_camera_depth is None:
            self._aligned = is_aligned(recording)

    @cached_property
    def has_ground_truth(self) -> bool:
        """Whether any depth image is dense; a cloud is not."""
        return not self.recording.is_cloud and any(
            depth is not None and is_dense(depth) for depth in (self._depth(RosMoment(*pair)) for pair in self._pairs)
        )

    def close(self) -> None:
        self.recording.bag.close()

    def assumptions(self) -> list[str]:
        """The unit that ROS has for depth images, where the bag says none."""
        if self._unit_m is not None or self.recording.is_cloud:
            return []
        depth = decode_depth(self.recording.message(self.recording.depth, self._pairs[0][1]))
        return said_median(f"{self.recording.depth} is taken for millimetres if 16UC1, metres if 32FC1", depth)

    def notes(self) -> list[str]:
        recording = self.recording
        pairs = f"{len(recording.pairs)} of {recording.images} images"
        return [
            f"images {recording.image}, depth {recording.depth}: {pairs}",
            *filter(None, [recording.clock_note]),
            *super().notes(),
        ]

    def poses_text(self, written: WrittenFrames) -> str:
        """How many frames have a pose, and in which frame of TF."""
        return f"{written.posed} with a pose in {self._world}" if written.posed else "no poses"

    def moments(self) -> Iterator[Moment[RosMoment]]:
        for pair in self._pairs:
            moment = RosMoment(*pair)
            name, depth = f"{round(moment.image * 1e6):016d}", self._depth(moment)
            if depth is None:
                self.leave_out("frames with no transform at their time", name)
            elif not depth.any():
                self.leave_out("frames with no point in the image", name)
            else:
                yield Moment(name, self._pose(moment.image), moment)
        if not self._known:
            raise KBNetError(self._why_nothing())

    def make(self, index: int, moment: Moment[RosMoment]) -> Frame:
        depth = self._depth(moment.parts)
        assert depth is not None
        message = self.recording.message(self.recording.image, moment.parts.image)
        image = self.rectification.image(decode_image(message))
        K = self.rectification.target.K
        if not self.recording.is_cloud and is_dense(depth):
            return frame_of_dense_depth(image, depth, K, self.options.points, index, moment.name)
        return Frame(image, depth, K, name=moment.name)

    def _read_depth(self, moment: RosMoment) -> FloatArray | None:
        """Depth in the image, (H, W), metres; None where the transform is not known."""
        message = self.recording.message(self.recording.depth, moment.depth)
        return self._aligned_depth(message) if self._aligned else self._projected(moment.image, moment.depth, message)

    def _pose(self, time: float) -> Float64Array | None:
        """``T_world_camera``, (4, 4), metres."""
        if not self._world:
            return None
        return self.recording.tree.ancestors(self.recording.camera_frame, time).get(self._world)

    def _why_nothing(self) -> str:
        """Why no frame could be made."""
        reason = max(self.left_out, key=lambda what: len(self.left_out[what])).removeprefix("frames with ")
        where = f"{self.recording.depth} as {self.recording.camera_frame} sees it"
        if self._outside:
            return (
                f"no point falls into the image: of {where}, {self._outside}; probably the extrinsics: check TF, or "
                "give them (--extrinsics: 4x4, from the depth's frame to the camera's, x right, y down, z forward)"
            )
        return f"no frame could be made of {where}: {reason}; check the recording, or give --extrinsics"

    def _aligned_depth(self, message: Any) -> FloatArray:
        depth, size = self._decoded_depth(message), self.camera.size
        if is_dense(depth) and depth.shape == size:
            return self.rectification.dense_depth(depth)
        return self.rectification.points(*map_to_points(spread_depth(depth, size, self.recording.depth)))

    def _projected(self, time: float, depth_time: float, message: Any) -> FloatArray | None:
        T_camera_depth = self._transform(time, depth_time)
        if T_camera_depth is None:
            return None
        points, target = self._points(message), self.rectification.target
        depth = points_in_image(points, T_camera_depth, target, keep_hidden=self.options.keep_hidden)
        if not depth.any():
            self._outside = explain_misses(points, T_camera_depth, target.K, target.size)
        return depth

    def _points(self, message: Any) -> Float64Array:
        """Points in the frame of the depth, (N, 3), metres."""
        scale = self._unit_m
        if self.recording.is_cloud:
            points = decode_points(message) * (scale or 1)
            self._check_units(np.linalg.norm(points, axis=1).astype(np.float32))
            return points
        depth = self._decoded_depth(message)
        camera = self._depth_camera.camera
        if depth.shape != camera.size:
            raise KBNetError(
                f"{self.recording.depth} is {depth.shape[1]}x{depth.shape[0]} but calibrated for "
                f"{camera.size[1]}x{camera.size[0]} (width x height); record its camera_info with it"
            )
        return self._depth_camera.points(depth)

    @cached_property
    def _depth_camera(self) -> DepthCamera:
        assert self.recording.depth_camera is not None
        return DepthCamera(self.recording.depth_camera)

    def _transform(self, time: float, depth_time: float) -> Float64Array | None:
        if self._T_camera_depth is not None:
            return self._T_camera_depth
        recording = self.recording
        return recording.tree.between(recording.camera_frame, time, recording.depth_frame, depth_time)

    def _decoded_depth(self, message: Any) -> FloatArray:
        depth = decode_depth(message, self._unit_m)
        self._check_units(depth)
        return depth

    def _check_units(self, depth: FloatArray) -> None:
        if self._unit_m is not None:
            return
        check_metres(
            depth, where=self.recording.depth, remedy="give the unit (--metres-per-unit 0.001; 1 if it is right)"
        )
