"""What of some sequence folders fits into a tar file of a given size, and the tar file."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frames.image_file import read_image
from kbnet.frames.kinds import IMAGE_SUFFIXES
from kbnet.frames.sequence import Sequence

MEBIBYTE = 2**20
BLOCK = 512
"""Bytes: in a tar file a header takes one block, and contents take whole blocks."""
RESERVE = 32768
"""Bytes for K.txt of every sequence, packed.json and the padding of the archive's end."""
QUALITIES = (95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40)
"""JPEG qualities to try, the best first."""
WORTHWHILE = 0.9
"""An image is encoded anew where that takes it below this share of its size; else it stays as it is."""
FEWEST_FRAMES = 3
"""One triplet."""
NAMED = 8
"""How much of what was left out is named, a sequence."""
KEPT_FOLDERS = ("absolute_pose", "ground_truth")
"""Besides image/ and every sparse_depth*."""


@dataclass(frozen=True)
class Contents:
    """What an archive holds of one sequence, for people and for packed.json.

    Attributes:
        place: its folder in the archive.
        frames, frames_before: how many are packed, and how many there were.
        every: one frame in so many is packed; a gap of 1 spans that many frames of the recording.
        jpeg_quality: of the images that were encoded anew; None if none was.
        encoded_images: how many were.
        left_out: what else the folder held.
    """

    place: str
    frames: int
    frames_before: int
    every: int
    jpeg_quality: int | None
    encoded_images: int
    left_out: tuple[str, ...]

    def describe(self) -> str:
        """One line."""
        parts = [f"{self.place}: {self.frames} of {self.frames_before} frames"]
        if self.every > 1:
            parts.append(f"one in {self.every}, so that a gap of 1 spans {self.every} frames of the recording")
        parts.append(
            f"{self.encoded_images} images encoded anew, JPEG quality {self.jpeg_quality}"
            if self.encoded_images
            else "images as they were"
        )
        if self.left_out:
            parts.append(f"without {', '.join(self.left_out)}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Packed:
    """The files of one sequence by their path in the archive: bytes, or a file to copy; and what they are."""

    files: dict[str, bytes | Path]
    contents: Contents


class Source:
    """A sequence folder to pack.

    Args:
        folder: the sequence folder.
        place: where it goes in the archive.
        keep_images: never encode its images anew.

    Raises:
        FileNotFoundError, KBNetError: it is no sequence that kbnet reads.
    """

    def __init__(self, folder: Path, place: str, keep_images: bool) -> None:
        self.folder, self.place, self.keep_images = folder, place, keep_images
        densities = sorted(path.name for path in folder.glob("sparse_depth*") if path.is_dir())
        for density in densities or ["sparse_depth"]:
            self.names = Sequence(folder, sparse_depth=density).names
        self._images = {
            path.stem: path for path in (folder / "image").glob("[!.]*") if path.suffix.lower() in IMAGE_SUFFIXES
        }
        self._maps = [*densities, *(name for name in KEPT_FOLDERS if (folder / name).is_dir())]

    def frame_sizes(self, stride: int, quality: int | None) -> list[int]:
        """Bytes that every packed frame takes in the archive."""
        return [
            sum(archived_size(file) for file in self._frame_files(name, quality).values())
            for name in self.names[::stride]
        ]

    def pack(self, stride: int, quality: int | None) -> Packed:
        """All files of every ``stride``-th frame."""
        files: dict[str, bytes | Path] = {f"{self.place}/K.txt": self.folder / "K.txt"}
        for name in self.names[::stride]:
            files |= self._frame_files(name, quality)
        encoded = sum(isinstance(file, bytes) for file in files.values())
        others = sorted({path.name for path in self.folder.iterdir()} - {"K.txt", "image", *self._maps})
        more = [f"{len(others) - NAMED} more"] if len(others) > NAMED else []
        return Packed(
            files,
            Contents(
                place=self.place,
                frames=len(self.names[::stride]),
                frames_before=len(self.names),
                every=stride,
                jpeg_quality=quality if encoded else None,
                encoded_images=encoded,
                left_out=(*others[:NAMED], *more),
            ),
        )

    def _frame_files(self, name: str, quality: int | None) -> dict[str, bytes | Path]:
        image = self._images[name]
        encoded = None if quality is None or self.keep_images else smaller_jpeg(image, quality)
        suffix = image.suffix if encoded is None else ".jpg"
        files: dict[str, bytes | Path] = {f"{self.place}/image/{name}{suffix}": image if encoded is None else encoded}
        for folder in self._maps:
            path = self.folder / folder / f"{name}.{'txt' if folder == 'absolute_pose' else 'png'}"
            if path.is_file():
                files[f"{self.place}/{folder}/{path.name}"] = path
        return files


def choose(sources: list[Source], limit: int, lowest_quality: int) -> tuple[list[int], int | None]:
    """Find what fits: as many frames as the lowest quality allows, then the best quality for those.

    Args:
        sources: the sequences.
        limit: bytes of the whole archive.
        lowest_quality: of a JPEG, 1 to 95.

    Returns:
        A stride for every sequence, and the JPEG quality; None = images stay as they are.

    Raises:
        KBNetError: not even one triplet of every sequence fits, or the quality is out of range.
    """
    if not 1 <= lowest_quality <= 95:
        raise KBNetError(f"expected a lowest quality from 1 to 95, got {lowest_quality}; 75 is a usual one")
    if archive_size(source.frame_sizes(1, None) for source in sources) <= limit:
        return [1] * len(sources), None
    smallest = [source.frame_sizes(1, lowest_quality) for source in sources]
    strides = [1] * len(sources)
    while archive_size(kept := [sizes[::stride] for sizes, stride in zip(smallest, strides, strict=True)]) > limit:
        largest = max(range(len(sources)), key=lambda index: sum(kept[index]))
        strides[largest] += 1
        if len(smallest[largest][:: strides[largest]]) < FEWEST_FRAMES:
            raise KBNetError(
                f"expected a limit that {FEWEST_FRAMES} frames of each sequence fit into, "
                f"got {limit / MEBIBYTE:.3g} MiB; raise --limit-mib, or pack fewer sequences"
            )
    for quality in (None, *(quality for quality in QUALITIES if quality > lowest_quality)):
        kept = [source.frame_sizes(stride, quality) for source, stride in zip(sources, strides, strict=True)]
        if archive_size(kept) <= limit:
            return strides, quality
    return strides, lowest_quality


def write_archive(path: Path, sequences: list[Packed], limit: int) -> None:
    """Write the tar file, the same bytes for the same content; it appears whole or not at all.

    Raises:
        KBNetError: it grew beyond the limit.
    """
    contents = {"sequences": [asdict(sequence.contents) for sequence in sequences]}
    files: dict[str, bytes | Path] = {"packed.json": (json.dumps(contents, indent=2) + "\n").encode()}
    for sequence in sequences:
        files |= sequence.files
    with atomic_path(path) as temporary:
        with tarfile.open(temporary, "w") as archive:
            for name, file in files.items():
                data = file if isinstance(file, bytes) else file.read_bytes()
                header = tarfile.TarInfo(name)
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
        if (size := temporary.stat().st_size) > limit:
            raise KBNetError(f"expected {limit} bytes at most, got {size}; pack fewer sequences at once")


def archive_size(frames: Iterable[list[int]]) -> int:
    """Bytes of an archive whose sequences have frames of these sizes."""
    return RESERVE + sum(map(sum, frames))


def archived_size(file: bytes | Path) -> int:
    """Bytes that a file takes in a tar file."""
    size = len(file) if isinstance(file, bytes) else file.stat().st_size
    return BLOCK + -(-size // BLOCK) * BLOCK


def smaller_jpeg(path: Path, quality: int) -> bytes | None:
    """An image as JPEG, or None where that saves too little to be worth another loss."""
    data = io.BytesIO()
    Image.fromarray(read_image(path)).save(data, "JPEG", quality=quality, optimize=True)
    return data.getvalue() if data.tell() < WORTHWHILE * path.stat().st_size else None
