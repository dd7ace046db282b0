"""Matroska files (.mkv; RFC 8794, RFC 9559): tracks, tags, attachments, and where their frames lie.

Contents are not decoded. Frames are passed over, so that hours of video are surveyed without reading them.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kbnet.errors import KBNetError

VIDEO = 1
"""Type of a track of pictures."""
LARGEST_TEXT = 1 << 12
"""Bytes of a name or tag that are read."""
LARGEST_ATTACHMENT = 1 << 24
"""Bytes of an attachment that is read."""
_ANY_ELEMENTS, _BYTES_EACH = 10_000, 64
"""Elements that any file may hold; of more, each takes at least so many bytes on average, since images take most."""
_DEFAULT_SCALE_NS = 1_000_000
_EBML, _SEGMENT, _INFO, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B
_CLUSTER, _GROUP, _ATTACHMENTS, _TAGS = 0x1F43B675, 0xA0, 0x1941A469, 0x1254C367
_TIME, _SIMPLE_BLOCK, _BLOCK = 0xE7, 0xA3, 0xA1
_SCALE, _TRACK, _TAG, _SIMPLE_TAG, _ATTACHED = 0x2AD7B1, 0xAE, 0x7373, 0x67C8, 0x61A7
_TAG_NAME, _TAG_TEXT, _FILE_NAME, _FILE_DATA = 0x45A3, 0x4487, 0x466E, 0x465C
_NUMBER, _UID, _TYPE, _NAME, _CODEC, _PRIVATE, _ENCODINGS = 0xD7, 0x73C5, 0x83, 0x536E, 0x86, 0x63A2, 0x6D80
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_ENTERED = (_SEGMENT, _CLUSTER, _GROUP)
"""Their children are told by their ids alone, since their sizes may be missing in a file that was cut off."""
_LACING = 0x06


class Extent(NamedTuple):
    """Bytes of a file: where they begin, and how many."""

    position: int
    length: int


class Block(NamedTuple):
    """A frame of a track: when it was taken, microseconds since the beginning, and its bytes."""

    time_us: int
    extent: Extent


@dataclass
class Track:
    """A track.

    Attributes:
        type: `VIDEO`, or another number.
        codec: CodecID, with the FourCC of ``V_MS/VFW/FOURCC`` in its place.
        size: (H, W), pixels; 0 = it says none.
        encoded: whether frames are compressed or encrypted by Matroska itself.
        blocks: its frames, as they lie in the file.
    """

    number: int = 0
    uid: int = 0
    name: str = ""
    type: int = 0
    codec: str = ""
    size: tuple[int, int] = (0, 0)
    encoded: bool = False
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Matroska:
    """What a file holds.

    Attributes:
        tags: texts by their names, whatever they belong to.
        cut_off_at: byte at which a frame is cut off, or damage begins; None = the file is whole.
    """

    path: Path
    tracks: list[Track] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    attachments: dict[str, Extent] = field(default_factory=dict)
    cut_off_at: int | None = None


class _Element(NamedTuple):
    id: int
    start: int
    end: int


def read_matroska(path: Path) -> Matroska:
    """Survey a file; of one that is cut off, what lies before the cut, with a warning.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is no Matroska file, or frames lie in it in a way that is not read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a recording in {path}, but there is no such file; check the path")
    with path.open("rb") as file:
        found = _Survey(path, file).run()
    if found.cut_off_at is not None:
        warnings.warn(
            f"{path} is cut off or damaged at byte {found.cut_off_at:,} of {path.stat().st_size:,}; what lies before "
            "that is read",
            stacklevel=2,
        )
    return found


def read_extent(path: Path, extent: Extent) -> bytes:
    """Bytes of a file, fewer where it ends."""
    with path.open("rb") as file:
        file.seek(extent.position)
        return file.read(extent.length)


class _Survey:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file, self.found = path, file, Matroska(path)
        self.end = file.seek(0, 2)
        self.left = _ANY_ELEMENTS + self.end // _BYTES_EACH
        self.scale_ns, self.cluster_time = _DEFAULT_SCALE_NS, 0
        self.by_number: dict[int, Track] = {}

    def run(self) -> Matroska:
        head = self._header(0)
        if head is None or head.id != _EBML:
            raise KBNetError(f"expected a Matroska file, but {self.path} begins otherwise; copy it again")
        position = 0
        while position < self.end:
            element = self._header(position)
            if element is None or (element.id not in _ENTERED and element.end > self.end):
                self.found.cut_off_at = position
                break
            position = element.start if element.id in _ENTERED else element.end
            if element.id == _SEGMENT and element.start < element.end <= self.end:
                self.end = element.end  # a recorder that was stopped leaves no size, or 0
            self._take(element)
        return self.found

    def _take(self, element: _Element) -> None:
        if element.id == _TIME:
            self.cluster_time = self._number(element)
        elif element.id in (_SIMPLE_BLOCK, _BLOCK):
            self._take_block(element)
        elif element.id == _INFO:
            for child in self._children(element, _SCALE):
                self.scale_ns = self._number(child)
        elif element.id == _TRACKS:
            for child in self._children(element, _TRACK):
                track = self._track(child)
                self.found.tracks.append(track)
                self.by_number[track.number] = track
        elif element.id == _TAGS:
            for tag in self._children(element, _TAG):
                for simple in self._children(tag, _SIMPLE_TAG):
                    texts = {child.id: self._text(child) for child in self._children(simple, _TAG_NAME, _TAG_TEXT)}
                    self.found.tags[texts.get(_TAG_NAME, "")] = texts.get(_TAG_TEXT, "")
        elif element.id == _ATTACHMENTS:
            for attached in self._children(element, _ATTACHED):
                parts = {child.id: child for child in self._children(attached, _FILE_NAME, _FILE_DATA)}
                if _FILE_NAME in parts and _FILE_DATA in parts:
                    data = parts[_FILE_DATA]
                    self.found.attachments[self._text(parts[_FILE_NAME])] = Extent(data.start, data.end - data.start)

    def _take_block(self, element: _Element) -> None:
        """Track, time since that of the cluster, flags, then the frame."""
        start = self._bytes(element, 11)
        width = _vint_width(start)
        if not width or len(start) < width + 3:
            return
        track = self.by_number.get(_vint(start[:width]))
        if track is None:
            return
        since, flags = struct.unpack_from(">hB", start, width)
        if track.type == VIDEO and flags & _LACING:
            raise KBNetError(f"expected one image in each block of {self.path}, got laced ones; record it again")
        time_us = (self.cluster_time + since) * self.scale_ns // 1000
        begin = element.start + width + 3
        track.blocks.append(Block(time_us, Extent(begin, element.end - begin)))

    def _track(self, entry: _Element) -> Track:
        track, private = Track(), b""
        for child in self._children(entry):
            if child.id == _NUMBER:
                track.number = self._number(child)
            elif child.id == _UID:
                track.uid = self._number(child)
            elif child.id == _TYPE:
                track.type = self._number(child)
            elif child.id == _NAME:
                track.name = self._text(child)
            elif child.id == _CODEC:
                track.codec = self._text(child)
            elif child.id == _PRIVATE:
                private = self._bytes(child, LARGEST_TEXT)
            elif child.id == _ENCODINGS:
                track.encoded = True
            elif child.id == _VIDEO:
                sides = {one.id: self._number(one) for one in self._children(child, _WIDTH, _HEIGHT)}
                track.size = sides.get(_HEIGHT, 0), sides.get(_WIDTH, 0)
        if track.codec == "V_MS/VFW/FOURCC" and len(private) >= 20:  # BITMAPINFOHEADER
            track.codec = private[16:20].decode("ascii", "replace")
        return track

    def _children(self, parent: _Element, *ids: int) -> Iterator[_Element]:
        """Children of these ids, or all; what does not lie within the parent ends them."""
        position = parent.start
        while position < parent.end:
            child = self._header(position)
            if child is None or child.end > parent.end:
                return
            position = child.end
            if not ids or child.id in ids:
                yield child

    def _header(self, position: int) -> _Element | None:
        """The element at a place; None = none is there."""
        self.left -= 1
        if self.left < 0:
            raise KBNetError(f"expected images in {self.path}, got elements of a few bytes each; copy it again")
        self.file.seek(position)
        head = self.file.read(min(12, self.end - position))
        width = _vint_width(head)
        size_width = _vint_width(head[width:]) if 0 < width <= 4 else 0
        if not size_width or len(head) < width + size_width:
            return None
        size, start = _vint(head[width : width + size_width]), position + width + size_width
        return _Element(int.from_bytes(head[:width], "big"), start, start + size)

    def _bytes(self, element: _Element, most: int) -> bytes:
        self.file.seek(element.start)
        return self.file.read(min(most, element.end - element.start))

    def _number(self, element: _Element) -> int:
        return int.from_bytes(self._bytes(element, 8), "big")

    def _text(self, element: _Element) -> str:
        return self._bytes(element, LARGEST_TEXT).rstrip(b"\0").decode("utf-8", "replace")


def _vint_width(content: bytes) -> int:
    """Bytes of a number of variable length, by the zeros before its first bit; 0 = none."""
    return 9 - content[0].bit_length() if content and content[0] else 0


def _vint(content: bytes) -> int:
    """Number of variable length, without the bit that marks its length; all bits set mean an unknown size."""
    return int.from_bytes(content, "big") & ((1 << 7 * len(content)) - 1)
