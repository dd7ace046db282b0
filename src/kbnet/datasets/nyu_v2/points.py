"""What NYU v2 needs made before it is a list of frames: sparse points, and depth as metres x 256."""

from __future__ import annotations

import multiprocessing
import os
import signal
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kbnet.datasets.download import Progress
from kbnet.datasets.nyu_v2.kinect import SIZE
from kbnet.datasets.nyu_v2.splits import Source, Split
from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frames.depth_png import UNITS_PER_METRE, write_depth_png
from kbnet.frames.frame_list import FrameFiles, write_frame_list
from kbnet.frames.image_file import open_picture, read_image
from kbnet.points.clustered_points import POINT_KINDS, PointKind, draw_points

WINDOW = (32, 32, 416, 576)
"""Top, left, height and width of the middle that is read, pixels."""
MIDDLE = np.s_[WINDOW[0] : WINDOW[0] + WINDOW[2], WINDOW[1] : WINDOW[1] + WINDOW[3]]
"""The same as a slice of an array."""
INTRINSICS = ((518.8579, 0.0, 325.5824), (0.0, 519.4696, 253.7362), (0.0, 0.0, 1.0))
"""K of the whole image."""
MAXIMUM_DEPTH_M = 10.0
"""Where the depth of NYU v2 ends."""
PROBED_FILES = 20
"""Depth files whose largest value tells their unit."""
COLUMNS: Mapping[PointKind, str] = {
    "edges": "sparse_depth",
    "corners": "sparse_depth_corners",
    "uniform": "sparse_depth_uniform",
}
"""Where a list, or a sequence folder, has each kind of points."""
Job = TypeVar("Job")
Result = TypeVar("Result")
WORTH_A_PROCESS = 16
"""Least number of jobs per process; with fewer, the start takes longer than the work."""
_CHUNK = 4


@dataclass(frozen=True)
class PreparedSplit:
    """What `prepare_split` did.

    Attributes:
        written: frames for which files were missing and were made; 0 = all was there.
        units_per_metre: of the depth files as they were found, 256 or 1000.
    """

    path: Path
    frames: int
    written: int
    units_per_metre: float


@dataclass(frozen=True)
class _Job:
    """What is to be made of one frame."""

    source: Source
    units_per_metre: float
    count: int
    points: Mapping[PointKind, Path]
    ground_truth: Path

    @property
    def missing_points(self) -> list[PointKind]:
        return [kind for kind, path in self.points.items() if not path.is_file()]

    @property
    def done(self) -> bool:
        return not self.missing_points and self.ground_truth.is_file()


def prepare_split(
    split: Split,
    sources: Sequence[Source],
    folder: Path,
    *,
    points: int = 1500,
    kinds: Sequence[PointKind] = POINT_KINDS,
    workers: int = 0,
    on_progress: Progress | None = None,
) -> PreparedSplit:
    """Make sparse points for every frame and write the list ``<split>.csv``.

    What is there is not made again, so that an interrupted run goes on. Test frames have ground truth: the depth files
    where they lie, or, where those are millimetres, copies as metres x 256 under ``ground_truth``.

    Args:
        sources: the frames; at least one.
        kinds: of points; the published ones, ``edges``, are always made.
        workers: processes; 0 = one a core.
    """
    units = depth_units_per_metre([source.depth for source in sources])
    folder = Path(os.path.abspath(folder))
    folders = {
        kind: folder / f"points_{points}" / column / split
        for kind, column in COLUMNS.items()
        if kind == "edges" or kind in kinds
    }
    truth = folder / "ground_truth" if split == "test" and units != UNITS_PER_METRE else None
    jobs = [_job(source, units, points, folders, truth) for source in sources]
    pending = [job for job in jobs if not job.done]
    for done, _ in enumerate(map_over_cores(_make, pending, workers), start=1):
        if on_progress:
            on_progress(f"sparse points of {split}", done, len(pending))
    intrinsics = folder / "K.txt"
    if not intrinsics.is_file():
        with atomic_path(intrinsics) as temporary:
            np.savetxt(temporary, INTRINSICS, fmt="%.4f")
    path = folder / f"{split}.csv"
    frames = write_frame_list(path, [_line(split, job, intrinsics) for job in jobs])
    return PreparedSplit(path, frames, len(pending), units)


def depth_units_per_metre(paths: Sequence[Path]) -> float:
    """Tell millimetres from metres x 256 by the largest value, since the depth of NYU v2 ends at 10 m.

    Args:
        paths: depth files; up to `PROBED_FILES`, spread over them, are read.

    Returns:
        256 or 1000.

    Raises:
        KBNetError: the largest value is 0, or too large for both; or a file is no 16-bit PNG.
    """
    probed = [paths[index] for index in sorted({int(i) for i in np.linspace(0, len(paths) - 1, PROBED_FILES)})]
    largest = max(int(_read_units(path).max()) for path in probed)
    for units in (UNITS_PER_METRE, 1000.0):
        if 0 < largest <= 1.05 * MAXIMUM_DEPTH_M * units:
            return units
    raise KBNetError(
        f"expected depth of up to {MAXIMUM_DEPTH_M:.0f} m as millimetres or metres x 256, got a largest value of "
        f"{largest} in {len(probed)} files such as {probed[0]}; convert them"
    )


def _job(source: Source, units: float, count: int, folders: Mapping[PointKind, Path], truth: Path | None) -> _Job:
    file = f"{source.name}.png"
    points = {kind: folder / file for kind, folder in folders.items()}
    return _Job(source, units, count, points, truth / file if truth else source.depth)


def _line(split: Split, job: _Job, intrinsics: Path) -> FrameFiles:
    source = job.source
    return FrameFiles(
        name=source.name,
        image=str(source.image),
        intrinsics=str(intrinsics),
        sparse_depth=str(job.points["edges"]),
        ground_truth=str(job.ground_truth) if split == "test" else "",
        previous=str(source.previous or ""),
        next=str(source.next or ""),
        window=" ".join(map(str, WINDOW)),
        other_sparse_depth={COLUMNS[kind]: str(path) for kind, path in job.points.items() if kind != "edges"},
    )


def _make(job: _Job) -> None:
    """Write what is missing of one frame; points lie in the window, in files of the whole image's size."""
    image, units = read_image(job.source.image), _read_units(job.source.depth)
    if not image.shape[:2] == units.shape == SIZE:
        raise KBNetError(
            f"expected an image and depth of {SIZE[1]}x{SIZE[0]}, got {image.shape[1]}x{image.shape[0]} and "
            f"{units.shape[1]}x{units.shape[0]} in {job.source.image} and {job.source.depth}; copy them again"
        )
    depth = (units / job.units_per_metre).astype(np.float32)
    for kind in job.missing_points:
        sparse_depth = np.zeros_like(depth)
        seed = zlib.crc32(job.source.name.encode())
        sparse_depth[MIDDLE] = draw_points(kind, image[MIDDLE], depth[MIDDLE], job.count, seed=seed)
        write_depth_png(job.points[kind], sparse_depth)
    if not job.ground_truth.is_file():
        write_depth_png(job.ground_truth, depth)


def _read_units(path: Path) -> NDArray[np.uint16]:
    picture = open_picture(path, "a depth map")
    if not picture.mode.startswith("I"):
        raise KBNetError(
            f"expected a 16-bit greyscale PNG as depth map, got mode '{picture.mode}' in {path}; convert it"
        )
    return np.asarray(picture).astype(np.uint16)


def map_over_cores(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int = 0) -> Iterator[Result]:
    """Do many jobs in parallel processes; few jobs, or one worker, run in this one.

    Args:
        work: a function at the top level of a module; what it raises ends the iteration.
        jobs: its arguments; they and the results travel between processes.
        workers: processes; 0 = one a core.

    Yields:
        Results in the order of the jobs.

    Raises:
        KBNetError: a process was killed.
    """
    processes = min(workers or os.cpu_count() or 1, len(jobs) // WORTH_A_PROCESS)
    if processes < 2:
        yield from map(work, jobs)
        return
    # Forking a process that has threads (progress bars, OpenMP) can hang it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)
    try:
        yield from pool.map(work, jobs, chunksize=_CHUNK)
    except BrokenProcessPool:
        raise KBNetError(
            f"one of {processes} processes was killed, most likely for want of memory; run the same command again with "
            "fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    # Ctrl-C reaches all processes of a terminal; the first one ends the others after the job in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One core each: read by OpenMP when scikit-learn is first imported, which is after this.
    os.environ["OMP_NUM_THREADS"] = "1"
