"""An Azure Kinect's recording, frame by frame: depth is carried from its camera into the colour image."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.recording import Moment
from kbnet.sources.azure_kinect_file import DEPTH_TAG, KinectFile
from kbnet.sources.clock import nearest_in_time
from kbnet.sources.depth_camera import frame_of_dense_depth, points_in_image
from kbnet.sources.matroska import VIDEO, Block
from kbnet.sources.rectification import RectifiedRecording

_STREAMS = ("COLOR", "DEPTH", "IR", "IMU")


class KinectMoment(NamedTuple):
    """An image and the depth nearest to it in time."""

    image: Block
    depth: Block


class KinectFrames(RectifiedRecording[KinectMoment]):
    """Images and depth of a recording, named by their time since its beginning, microseconds.

    Depth becomes ground truth, and sparse depth at corners of the image.

    Args:
        largest_difference_s: between an image and its depth.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: a track or the calibration is missing or damaged, or no depth is near any image in time.
    """

    has_ground_truth = True
    says_points = True

    def __init__(self, path: Path, *, points: int, keep_hidden: bool, largest_difference_s: float, every: int) -> None:
        super().__init__(path, f"DEPTH of {path}")
        self._file, self._points, self._keep_hidden = KinectFile(path), points, keep_hidden
        self._calibration = self._file.calibration
        self._pairs = _match(self._file, largest_difference_s)
        self._taken = self._pairs[::every]
        self.camera, self.expected = self._calibration.colour, len(self._taken)
        self._depth = lru_cache(maxsize=2)(self._read_depth)

    def notes(self) -> list[str]:
        return [f"{len(self._pairs)} of {len(self._file.colour.blocks)} images have depth", *super().notes()]

    def moments(self) -> Iterator[Moment[KinectMoment]]:
        for pair in self._taken:
            name = f"{pair.image.time_us:012d}"
            if self._depth(pair.depth).any():
                yield Moment(name, None, pair)
            else:
                self.leave_out("frames with no depth in the image", name)
        if not self._known:
            raise KBNetError(f"no frame of {self.folder} has depth in the image; check the recording in the viewer")

    def make(self, index: int, moment: Moment[KinectMoment]) -> Frame:
        image, depth = self._file.image(moment.parts.image), self._depth(moment.parts.depth)
        rectified, K = self.rectification.image(image), self.rectification.target.K
        return frame_of_dense_depth(rectified, depth, K, self._points, index, moment.name)

    def _read_depth(self, block: Block) -> FloatArray:
        """Depth in the rectified image, (H, W), metres."""
        calibration = self._calibration
        points = calibration.depth.points(self._file.depth_image(block))
        target = self.rectification.target
        return points_in_image(points, calibration.T_colour_depth, target, keep_hidden=self._keep_hidden)


def describe_kinect(path: Path) -> list[str]:
    """Lines for people: tracks with their sizes and rates, and both cameras."""
    with warnings.catch_warnings():  # opening the recording warns too
        warnings.simplefilter("ignore", UserWarning)
        file = KinectFile(path)
    lines = []
    for name in _STREAMS:
        track = file.track(name)
        if track is None:
            lines.append(f"{name}: not recorded")
            continue
        times = np.unique([block.time_us for block in track.blocks])
        size = f"{track.size[1]}x{track.size[0]} " if all(track.size) else ""
        rate = ""
        if track.type == VIDEO:
            rate = f", {1e6 / np.median(np.diff(times)):.3g} Hz" if len(times) > 1 else ", rate not known"
        to = f" to {times[-1] * 1e-6:.3f}" if len(times) > 1 else ""
        span = f", {times[0] * 1e-6:.3f}{to} s" if len(times) else ""
        mode = f" {file.tags.get(DEPTH_TAG, '')}" if name == "DEPTH" else ""
        blocks = f"{len(times):,} block{'' if len(times) == 1 else 's'}"
        lines.append(f"{name}: {size}{track.codec}{mode}, {blocks}{rate}{span}")
    try:
        calibration = file.calibration
    except KBNetError as error:
        return [*lines, f"calibration, not usable: {error}"]
    for name, camera in (("colour", calibration.colour), ("depth", calibration.depth.camera)):
        fx, fy, cx, cy = (float(camera.K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
        lines.append(f"{name} camera: fx {fx:.1f} fy {fy:.1f} cx {cx:.1f} cy {cy:.1f}, {camera.model}")
    apart_mm = 1000 * np.linalg.norm(calibration.T_colour_depth[:3, 3])
    return [*lines, f"the cameras are {apart_mm:.1f} mm apart"]


def _match(file: KinectFile, largest_difference_s: float) -> list[KinectMoment]:
    """Images, and the depth nearest to each, where it is near enough."""
    images, depths = (sorted(dict(track.blocks).items()) for track in (file.colour, file.depth))
    image_s, depth_s = (np.array([time for time, _ in blocks]) * 1e-6 for blocks in (images, depths))
    nearest, near = nearest_in_time(image_s, depth_s, largest_difference_s)
    if near.any():
        return [KinectMoment(Block(*images[at]), Block(*depths[nearest[at]])) for at in np.flatnonzero(near)]
    raise KBNetError(
        f"no image of {file.path} has depth within {largest_difference_s:g} s (at best "
        f"{np.abs(depth_s[nearest] - image_s).min():.3f} s); allow more (--max-difference)"
    )
