"""Pictures of a video file: all in order, or one by its number."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import ImageArray
from kbnet.frames.image_file import LEAST_BRIGHT
from kbnet.limits import LIMITS, check_count, limit_factor

NEAR_FRAMES = 30
"""As many frames ahead are decoded one after another; farther ones are looked for from the key frame before them."""
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,mjpeg,yuv4mpegpipe,asf,flv,ogg,"
    "mxf,nut,gif,apng,dv,vc1"
)
"""Of videos, by FFmpeg's names. Others of its formats, such as playlists, read further files or the network."""
CUT_OFF_S = 0.25
"""A video that ends so long before its duration, and by three frames, was cut off."""

_BOXES = b"moov trak edts mdia minf dinf stbl mvex moof traf tref sinf schi ipro wave udta meta".split()
"""Of MP4, those that hold others."""
ANY_SAMPLES = 1_000_000
"""That the index of any video may announce; of more, four a byte: FFmpeg takes 24 bytes for each."""
MOST_EDITS = 1_000
"""In the edit lists of a video: the time that FFmpeg takes rises with their number times that of frames."""

_LIMITED = 1
"""Luma of 16 to 235, as FFmpeg numbers it."""
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions of HDR by their number in ITU-T H.273."""
_TO_SDR = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)


@dataclass(frozen=True)
class Video:
    """What a video file says of itself.

    Attributes:
        size: (H, W) as stored, pixels; that a player should turn it is not applied.
        frames: how many, if the file says so; else 0.
        duration_s: seconds, if the file says so; else 0.
    """

    path: Path
    size: tuple[int, int]
    frames: int
    duration_s: float


@dataclass(frozen=True)
class DecodedFrame:
    """A picture that is not converted yet.

    Attributes:
        time: since the first frame, seconds.
        timestamp: of the file, in units of its own; None = it has none.
    """

    time: float
    timestamp: int | None
    frame: Any
    path: Path

    def image(self) -> ImageArray:
        """RGB, (H, W, 3), uint8.

        Raises:
            KBNetError: the video has 16 bits of which no frame uses more than 12.
        """
        pixels = np.asarray(self.frame.to_ndarray(format="rgb24"), np.uint8)
        if 0 < pixels.max() < LEAST_BRIGHT and self.frame.format.components[0].bits == 16 and _is_dark(self.path):
            raise KBNetError(f"expected 16 bits of brightness in {self.path}, got 10 or 12; scale it to 8 bits")
        if (
            self.frame.format.name.startswith("gray") and self.frame.color_range == _LIMITED
        ):  # FFmpeg takes all for full
            pixels = np.rint((pixels.astype(np.float32) - 16) * (255 / 219)).clip(0, 255).astype(np.uint8)
        return pixels


def open_video(path: str | Path) -> Video:
    """Look at a video file.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is no video, or damaged.
        ModuleNotFoundError: av is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a video in {path}, but there is no such file; check the path")
    _check_boxes(path)
    with _opened(path) as container:
        if not container.streams.video:
            raise KBNetError(f"expected a video in {path}, but it holds no pictures; name another file")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise KBNetError(f"expected a video in {path} of a codec that FFmpeg knows; convert it to H.264")
        # Sound may last longer than pictures.
        duration_s = (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0
        if container.format.name.startswith("matroska"):  # counted from 0, not from the first frame
            duration_s = max(0.0, duration_s - (container.start_time or 0) / 1e6)
        video = Video(path, (stream.height, stream.width), stream.frames, duration_s)
    check_count(video.size[0] * video.size[1], "pixels", path)
    return video


def _check_boxes(path: Path) -> None:
    """Refuse MP4 files whose index has samples of no bytes in it, of which few bytes announce any number, or packed."""
    samples = edits = 0
    with path.open("rb") as file:
        size = file.seek(0, 2)
        parts = [(0, size)]
        while parts:
            begin, end = parts.pop()
            if end - begin < 8:
                continue
            file.seek(begin)
            head = file.read(32).ljust(32, b"\0")
            length, kind = struct.unpack_from(">I4s", head)
            skipped = 16 if length == 1 else 8
            length = int.from_bytes(head[8:16], "big") if skipped == 16 else length or end - begin
            stop, (first, count) = begin + max(length, skipped), struct.unpack_from(">II", head, skipped + 4)
            parts.append((stop, end))
            if kind in _BOXES:
                parts.append((begin + skipped, min(stop, end)))
            if kind == b"stsz" and first:
                samples += count
            elif kind == b"trun" and not head[skipped + 2] & 0x0F:
                samples += first
            elif kind == b"elst":
                edits += first
            if samples > max(4 * size, ANY_SAMPLES) or edits > MOST_EDITS or kind == b"cmov":
                raise KBNetError(f"expected a video in {path}, got an index that is packed or too large; convert it")


class VideoDecoder:
    """Decodes a video in order, and remembers where it is for single frames."""

    def __init__(self, video: Video) -> None:
        self._video = video
        self._coming: Iterator[DecodedFrame] | None = None
        self._position = -1

    def all(self) -> Iterator[DecodedFrame]:
        """All frames in order; of a video that is cut off, those before the cut, with a warning.

        Raises:
            KBNetError: the file is damaged before its first frame.
        """
        path, count, last = self._video.path, 0, 0.0
        try:
            for decoded in _decoded(path):
                if not count and decoded.frame.rotation:
                    warnings.warn(
                        f"{path} asks players to turn it by {decoded.frame.rotation} degrees; frames are taken as "
                        f"stored, {decoded.frame.width}x{decoded.frame.height}: K and points must belong to those, not "
                        "to turned ones, as OpenCV reads them",
                        stacklevel=2,
                    )
                count, last = count + 1, decoded.time
                yield decoded
        except KBNetError as error:
            if not count:
                raise
            warnings.warn(f"only the first {count} frames of {path} are read: {error}", stacklevel=2)
            return
        missing_s = self._video.duration_s - last
        if self._video.frames > count or missing_s > max(CUT_OFF_S, 3 * last / max(count - 1, 1)):
            said = f"{self._video.frames} frames" if self._video.frames else f"{self._video.duration_s:.1f} s"
            warnings.warn(
                f"{path} is cut off: it says {said} but holds {count} frames, {last:.1f} s; those are read",
                stacklevel=2,
            )

    def at(self, index: int, timestamp: int | None) -> DecodedFrame:
        """One frame.

        Args:
            timestamp: that of :meth:`all`.

        Raises:
            KBNetError: it is not there any more.
        """
        ahead = index - self._position
        if timestamp is None:
            if self._coming is None or ahead <= 0:
                self._coming, ahead = _decoded(self._video.path), index + 1
            decoded = next(islice(self._coming, ahead - 1, None), None)
        else:
            if self._coming is None or not 0 < ahead <= NEAR_FRAMES:
                self._coming = _decoded(self._video.path, timestamp)
            decoded = next((one for one in self._coming if (one.timestamp or 0) >= timestamp), None)
            if decoded is None or decoded.timestamp != timestamp:  # the file's index led past the frame
                self._coming = _decoded(self._video.path)
                decoded = next((one for one in self._coming if one.timestamp == timestamp), None)
        if decoded is None:
            raise KBNetError(f"expected frame {index} in {self._video.path}, but it is gone; was the file changed?")
        self._position = index
        return decoded


def _decoded(path: Path, seek_to: int | None = None) -> Iterator[DecodedFrame]:
    """Frames in order, from the beginning or from the key frame before a timestamp."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = _largest()  # of every frame, which may be larger than the file says
        stream.thread_type = "AUTO"
        start = 0.0
        if seek_to is not None:
            container.seek(seek_to, stream=stream, backward=True)
        for index, frame in enumerate(container.decode(stream)):
            if not index and (curve := _HDR.get(int(frame.color_trc))):
                raise KBNetError(
                    f"expected a video whose brightness is that of pictures, got HDR ({curve}) in {path}; convert it: "
                    f"ffmpeg -i {path} -fps_mode passthrough -vf {_TO_SDR} sdr.mp4"
                )
            # Bare streams of a codec hold no times.
            time = index / float(stream.average_rate or 30) if frame.time is None else frame.time
            start = start if index else time
            yield DecodedFrame(time - start, frame.pts, frame, path)


@lru_cache(maxsize=1)
def _is_dark(path: Path) -> bool:
    """Whether no frame of a video has a pixel that 10 or 12 of 16 bits could not hold."""
    return all(decoded.frame.to_ndarray(format="rgb24").max() < LEAST_BRIGHT for decoded in _decoded(path))


def _largest() -> dict[str, str]:
    return {"max_pixels": str(int(LIMITS["pixels"] * limit_factor()))}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": FORMATS, **_largest()}
    try:
        with av.open(str(path), metadata_errors="replace", options=options) as container:
            yield container
    except FFmpegError as error:
        raise KBNetError(
            f"expected a whole video, but {path} cannot be read ({error.strerror}); copy it again"
        ) from None
