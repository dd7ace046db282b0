"""Tracks of an Azure Kinect's recording (.mkv), as ``k4arecorder`` writes it: images, depth in metres, calibration.

Format: "Azure Kinect Sensor SDK record file format", and the SDK's ``src/record``.
"""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image, UnidentifiedImageError

from kbnet.errors import KBNetError, refused_as
from kbnet.frame import FloatArray, ImageArray
from kbnet.sources.azure_kinect_calibration import (
    COLOUR_SIZES,
    DEPTH_MODES,
    DepthMode,
    KinectCalibration,
    read_kinect_calibration,
)
from kbnet.sources.matroska import LARGEST_ATTACHMENT, VIDEO, Block, Track, read_extent, read_matroska
from kbnet.sources.ros_images import decode_image, yuv_to_rgb

MILLIMETRE = np.float32(0.001)
DEPTH_TAG, CALIBRATION_TAG = "K4A_DEPTH_MODE", "K4A_CALIBRATION_FILE"
CALIBRATION = "calibration.json"
"""Name of the attachment."""
_DEPTH_CODECS = {"b16g": ">u2", "YUY2": "<u2"}
"""How depth is stored; early recorders called it YUY2."""
_BYTES = {"YUY2": 2.0, "NV12": 1.5, "BGRA": 4.0}
"""Of a pixel."""
_JPEG = ("MJPG", "V_MJPEG")
_RECORD_AGAIN = "record it with k4arecorder"


class KinectFile:
    """A recording.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is damaged before its first frame.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, read_matroska(path)
        self.tags = self._file.tags

    def track(self, name: str) -> Track | None:
        """The track COLOR, DEPTH, IR or IMU; None = it was not recorded."""
        uid = self.tags.get(f"K4A_{name}_TRACK")
        tracks = self._file.tracks
        by_uid = (one for one in tracks if str(one.uid) == uid)
        return next(by_uid, next((one for one in tracks if one.name == name), None))

    @cached_property
    def colour(self) -> Track:
        track = self._video("COLOR", "colour", (*_JPEG, *_BYTES))
        if track.size not in COLOUR_SIZES:
            height, width = track.size
            raise KBNetError(
                f"expected images of {', '.join(f'{one[1]}x{one[0]}' for one in COLOUR_SIZES)} in {self.path}, got "
                f"{width}x{height}, for which the Azure Kinect has no calibration; {_RECORD_AGAIN}"
            )
        return track

    @cached_property
    def depth(self) -> Track:
        track = self._video("DEPTH", "depth", tuple(_DEPTH_CODECS))
        if track.size != self.depth_mode.size:
            (height, width), expected = track.size, self.depth_mode.size
            raise KBNetError(
                f"expected depth of {expected[1]}x{expected[0]} in {self.path}, as {self.tags[DEPTH_TAG]} has it, got "
                f"{width}x{height}; {_RECORD_AGAIN}"
            )
        return track

    @cached_property
    def depth_mode(self) -> DepthMode:
        """Which part of its sensor the depth camera recorded."""
        name = self.tags.get(DEPTH_TAG, "")
        mode = DEPTH_MODES.get(name.upper())  # early recorders wrote NFOV_2x2BINNED
        if mode is None:
            raise KBNetError(
                f"expected {DEPTH_TAG} among {', '.join(DEPTH_MODES)} in {self.path}, got '{name}'; {_RECORD_AGAIN} in "
                "one of these modes"
            )
        return mode

    @cached_property
    def calibration(self) -> KinectCalibration:
        """Both cameras, by the attachment.

        Raises:
            KBNetError: it is missing or damaged, or the modes are not known.
        """
        attachments = self._file.attachments
        extent = attachments.get(self.tags.get(CALIBRATION_TAG, CALIBRATION), attachments.get(CALIBRATION))
        if extent is None:
            raise KBNetError(
                f"expected the attachment {CALIBRATION} in {self.path}, got {', '.join(attachments) or 'none'}; "
                f"without the camera's calibration, depth cannot be moved to the images: {_RECORD_AGAIN}"
            )
        if extent.length > LARGEST_ATTACHMENT:
            raise KBNetError(
                f"expected {CALIBRATION} of some kB in {self.path}, got {extent.length:,} bytes; copy it again"
            )
        content = read_extent(self.path, extent)
        return read_kinect_calibration(content, self.depth_mode, self.colour.size, f"{CALIBRATION} of {self.path}")

    def image(self, block: Block) -> ImageArray:
        """Image of a block of :attr:`colour`: RGB, (H, W, 3), uint8."""
        content, (height, width), codec = read_extent(self.path, block.extent), self.colour.size, self.colour.codec
        if codec in _JPEG:
            return self._jpeg(content, block)
        self._check_length(content, round(height * width * _BYTES[codec]), block)
        stored = np.frombuffer(content, np.uint8)
        if codec == "NV12":
            luma, chroma = np.split(stored, [height * width])
            pairs = chroma.reshape(height // 2, width // 2, 2).repeat(2, axis=0).repeat(2, axis=1)
            return yuv_to_rgb(luma.reshape(height, width), pairs)
        encoding, step = ("yuyv", 2 * width) if codec == "YUY2" else ("bgra8", 4 * width)
        message = {"encoding": encoding, "data": stored, "step": step, "is_bigendian": 0}
        return decode_image(SimpleNamespace(height=height, width=width, **message))

    def depth_image(self, block: Block) -> FloatArray:
        """Depth along z of a block of :attr:`depth`, (H, W), float32 metres; 0 = unmeasured."""
        content, (height, width) = read_extent(self.path, block.extent), self.depth.size
        self._check_length(content, 2 * height * width, block)
        stored = np.frombuffer(content, _DEPTH_CODECS[self.depth.codec]).reshape(height, width)
        return stored.astype(np.float32) * MILLIMETRE

    def _video(self, name: str, what: str, codecs: tuple[str, ...]) -> Track:
        track = self.track(name)
        if track is None or track.type != VIDEO or not track.blocks:
            there = [one.name or str(one.number) for one in self._file.tracks if one.blocks]
            raise KBNetError(
                f"expected a track {name} with {what} images in {self.path}, got {', '.join(there) or 'no frames'}; "
                f"{_RECORD_AGAIN} and both cameras"
            )
        if track.codec not in codecs or track.encoded:
            raise KBNetError(
                f"expected {what} as {', '.join(codecs)} in {self.path}, got '{track.codec}'"
                f"{', packed once more' if track.encoded else ''}; take the file that k4arecorder wrote"
            )
        return track

    def _jpeg(self, content: bytes, block: Block) -> ImageArray:
        said = f"expected a JPEG {self._at(block)}"
        more = OSError, Image.DecompressionBombError
        with refused_as(said, *more):
            try:
                picture = Image.open(io.BytesIO(content), formats=["JPEG"])
            except UnidentifiedImageError:
                raise OSError("no JPEG header") from None
        if picture.size[::-1] != self.colour.size:
            (height, width), (found_width, found_height) = self.colour.size, picture.size
            raise KBNetError(f"{said} of {width}x{height}, got {found_width}x{found_height}; copy the file again")
        with refused_as(said, *more):
            return np.asarray(picture.convert("RGB"))

    def _check_length(self, content: bytes, expected: int, block: Block) -> None:
        if len(content) != expected:
            raise KBNetError(
                f"expected {expected:,} bytes {self._at(block)}, got {len(content):,}; copy the file again"
            )

    def _at(self, block: Block) -> str:
        return f"at {block.time_us * 1e-6:.3f} s of {self.path}"
