"""Raw parts of NYU Depth v2: what the Kinect recorded, to sequence folders.

A part is a zip archive or folder of scenes; a scene holds ``r-<time>-<n>.ppm`` (colour), ``d-<time>-<n>.pgm`` (raw
disparity, 16 bits with swapped bytes) and ``a-<time>-<n>.dump`` (accelerometer). Done here as in the data set's
official toolbox: pairs by time, lens distortion, depth in the colour camera. Not done: filling holes in depth
(colorisation or bilateral filter), and the accelerometer is not read.
"""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kbnet.datasets.archive import names
from kbnet.datasets.download import Progress
from kbnet.datasets.nyu_v2.kinect import SIZE, depth_in_colour_camera, undistort_image
from kbnet.datasets.nyu_v2.points import COLUMNS, INTRINSICS, MIDDLE, WINDOW, map_over_cores
from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frames.depth_png import write_depth_png
from kbnet.limits import regular_file
from kbnet.points.clustered_points import draw_points

LONGEST_DELAY_S = 0.1
"""Seconds between depth and colour above which a pair is left out: more than two frames at 20 a second."""

MOST_BYTES = 1 << 21
"""Of a picture in a zip archive: twice those of a colour picture."""
_FILE = re.compile(r"([rd])-(\d+\.\d+)-\d+\.(?:ppm|pgm)$")
_HEADER = re.compile(rb"P[56]\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s")


@dataclass(frozen=True)
class RawScene:
    """What `prepare_raw` made of a scene.

    Attributes:
        skipped: pairs left out, since a file is damaged or shows no depth.
    """

    folder: Path
    frames: int
    skipped: int
    made: bool


@dataclass(frozen=True)
class _Job:
    part: Path
    colour: str
    disparity: str
    folder: Path
    name: str
    points: int


def prepare_raw(
    part: Path, folder: Path, *, points: int = 1500, workers: int = 0, on_progress: Progress | None = None
) -> list[RawScene]:
    """Write every scene of a part as a sequence folder of the middle 416x576 pixels.

    Frames appear one by one, K.txt last: a scene with it is complete and not looked at again, one without goes on.

    Args:
        part: zip archive or folder, of scenes or of one scene's files; read where it lies, never unpacked.
        folder: where the sequence folders go, named after the scenes.
        workers: processes; 0 = one a core.

    Raises:
        FileNotFoundError: there is no such part, or no scene in it.
        KBNetError: the archive is truncated, or a scene has not one usable frame.
    """
    scenes = list_scenes(part)
    if not scenes:
        raise FileNotFoundError(
            f"expected scenes with r-*.ppm and d-*.pgm in {part}, got none; name a raw part of NYU Depth v2"
        )
    prepared = []
    for scene, files in scenes.items():
        target, skipped, made = folder / scene, 0, False
        if not (target / "K.txt").is_file():
            jobs = [
                _Job(part, colour, disparity, target, f"{index:05}", points)
                for index, (disparity, colour) in enumerate(synchronised_pairs(files), start=1)
            ]
            pending = [job for job in jobs if not _image_path(job).is_file()]
            reasons = []
            for done, reason in enumerate(map_over_cores(_make, pending, workers), start=1):
                reasons += [reason] if reason else []
                if on_progress:
                    on_progress(scene, done, len(pending))
            skipped, made = _warn_of(reasons, scene, len(jobs)), True
            _write_intrinsics(target / "K.txt")
        prepared.append(RawScene(target, len(list((target / "image").glob("[!.]*.png"))), skipped, made))
    return prepared


def list_scenes(part: Path) -> dict[str, list[str]]:
    """Names of the colour and depth files of each scene, relative to the part.

    Raises:
        FileNotFoundError: there is no such part.
        KBNetError: the archive is truncated.
    """
    if part.is_dir():
        found = sorted(path.relative_to(part).as_posix() for path in part.rglob("*.p[gp]m"))
    else:
        found = names(part)
    scenes: dict[str, list[str]] = {}
    for name in found:
        if _FILE.search(name):
            scene = PurePosixPath(name).parent.name or part.resolve().with_suffix("").name
            if scene == "..":
                raise KBNetError(f"expected folders of scenes in {part}, got '{name}'; fetch the part again")
            scenes.setdefault(scene, []).append(name)
    return dict(sorted(scenes.items()))


def synchronised_pairs(files: Sequence[str]) -> list[tuple[str, str]]:
    """Pair every depth file with the colour file nearest in time.

    Args:
        files: names like ``r-1294886362.238178-3118787619.ppm``; the first number is the time in seconds.

    Returns:
        (depth file, colour file) in the order of time; depth files without a colour file within `LONGEST_DELAY_S`
        are left out.

    Example:
        >>> synchronised_pairs(["d-1.05-7.pgm", "r-1.01-3.ppm", "r-1.06-9.ppm"])
        [('d-1.05-7.pgm', 'r-1.06-9.ppm')]
    """
    timed: Mapping[str, list[tuple[float, str]]] = {"r": [], "d": []}
    for name in files:
        if found := _FILE.search(name):
            timed[found[1]].append((float(found[2]), name))
    colours = sorted(timed["r"])
    times = np.array([time for time, _ in colours])
    pairs = []
    for time, name in sorted(timed["d"]):
        delays = np.abs(times - time)
        if delays.size and delays.min() <= LONGEST_DELAY_S:
            pairs.append((name, colours[int(delays.argmin())][1]))
    return pairs


def read_picture(contents: bytes) -> NDArray[np.generic]:
    """Read a PPM or PGM file of the Kinect; 16-bit values lie low byte first, against the format's rule.

    Returns:
        (480, 640, 3) or (480, 640), uint8 or uint16.

    Raises:
        KBNetError: it is truncated, of another size, or something else.
    """
    header = _HEADER.match(contents)
    if header is None:
        raise KBNetError("expected a PPM or PGM file, got another header")
    channels = 3 if contents.startswith(b"P6") else 1
    dtype = np.dtype("<u2" if int(header[3]) > 255 else "u1")
    size, expected = (int(header[2]), int(header[1])), SIZE[0] * SIZE[1] * channels * dtype.itemsize
    pixels = contents[header.end() :]
    if size != SIZE or len(pixels) != expected:
        raise KBNetError(f"expected 640x480 pixels in {expected} bytes, got {size[1]}x{size[0]} in {len(pixels)}")
    return np.frombuffer(pixels, dtype).reshape((*SIZE, channels) if channels > 1 else SIZE)


def _make(job: _Job) -> str:
    """Write one frame, its image last; or return why it cannot be."""
    try:
        image, raw = (read_picture(_read(job.part, name)) for name in (job.colour, job.disparity))
        if image.shape != (*SIZE, 3) or raw.dtype != np.dtype("<u2"):
            raise KBNetError("expected 8-bit colour and 16-bit disparity")
    except (KBNetError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        return f"{job.colour} with {job.disparity}: {error}"
    image = undistort_image(image.astype(np.uint8))[MIDDLE]
    depth = depth_in_colour_camera(raw)[MIDDLE]
    if not depth.any():
        return f"{job.disparity}: no depth in it"
    seed = zlib.crc32(f"{job.folder.name}/{job.name}".encode())
    for kind, column in COLUMNS.items():
        path = job.folder / column / f"{job.name}.png"
        write_depth_png(path, draw_points(kind, image, depth, job.points, seed=seed))
    write_depth_png(job.folder / "ground_truth" / f"{job.name}.png", depth)
    with atomic_path(_image_path(job)) as temporary:
        Image.fromarray(image).save(temporary)
    return ""


def _image_path(job: _Job) -> Path:
    return job.folder / "image" / f"{job.name}.png"


def _read(part: Path, name: str) -> bytes:
    if part.is_dir():
        return regular_file(part / name).read_bytes()
    if (size := _open(part).getinfo(name).file_size) > MOST_BYTES:
        raise KBNetError(f"expected at most {MOST_BYTES:,} bytes, got {size:,}")
    return _open(part).read(name)  # a RuntimeError if it is encrypted, or packed by another method


@lru_cache(maxsize=1)
def _open(part: Path) -> zipfile.ZipFile:
    """Kept open in each process: the directory of a part takes seconds to read."""
    return zipfile.ZipFile(part)


def _warn_of(reasons: list[str], scene: str, pairs: int) -> int:
    if len(reasons) == pairs:
        why = reasons[0] if reasons else f"no depth and colour within {LONGEST_DELAY_S} s of each other"
        raise KBNetError(f"expected usable frames in scene {scene}, got none ({why}); fetch the part again")
    if reasons:
        warnings.warn(
            f"{len(reasons)} of {pairs} frames of scene {scene} are left out, first {reasons[0]}", stacklevel=3
        )
    return len(reasons)


def _write_intrinsics(path: Path) -> None:
    K = np.array(INTRINSICS)
    K[:2, 2] -= WINDOW[1], WINDOW[0]
    with atomic_path(path) as temporary:
        np.savetxt(temporary, K, fmt="%.4f")
