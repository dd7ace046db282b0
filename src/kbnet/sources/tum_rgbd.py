"""Recordings in the format of the TUM RGB-D benchmark (J. Sturm et al., IROS 2012)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text, resolved
from kbnet.frame import Float64Array, FloatArray, Frame
from kbnet.frames.image_file import picture_size, read_image
from kbnet.frames.recording import Moment
from kbnet.frames.sequence_writer import WrittenFrames
from kbnet.sources.clock import check_fractions, nearest_in_time, to_seconds
from kbnet.sources.depth_camera import frame_of_dense_depth
from kbnet.sources.depth_file import check_metres, read_depth_image, warn_of_confidence
from kbnet.sources.rectification import Camera, RectifiedRecording
from kbnet.sources.scan_pairs import times_of_files
from kbnet.sources.trajectory import Trajectory, read_camera_trajectory

DEPTH_FACTOR = 5000.0
"""Units of the benchmark's depth images in one metre."""
NEAREST_MEDIAN_M, NEAREST_FAR_M = 0.5, 1.2
"""Nearer, the benchmark's cameras measure nothing, or no room, but millimetres read as its units lie there: the median,
and the depth that 5 % exceed."""
LARGEST_DIFFERENCE_S = 0.02
"""Between an image and the depth that belongs to it: half the time between two frames of a Kinect, and some."""
CAMERAS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3, (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "freiburg2": (520.9, 521.0, 325.1, 249.7, (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "freiburg3": (535.4, 539.2, 320.1, 247.6, ()),
}
"""fx, fy, cx, cy in pixels and k1 k2 p1 p2 k3 of the colour cameras, as the benchmark's page gives them."""
CAMERA_SIZE = (480, 640)


@dataclass(frozen=True)
class TumFrame:
    """An image with the depth taken nearest to its time.

    Attributes:
        time: of the image, seconds.
    """

    time: float
    image: Path
    depth: Path

    @property
    def name(self) -> str:
        """Its time, with as many digits as let names sort by it."""
        return f"{self.time:017.6f}"


@dataclass(frozen=True)
class TumRecording:
    """What a folder holds.

    Attributes:
        images: listed in rgb.txt; those without depth at their time are left out of ``frames``.
        trajectory: from groundtruth.txt; None if there is none.
    """

    folder: Path
    frames: tuple[TumFrame, ...]
    images: int
    trajectory: Trajectory | None


def open_tum(folder: str | Path, *, largest_difference_s: float = LARGEST_DIFFERENCE_S) -> TumRecording:
    """List a recording: ``rgb.txt`` and ``depth.txt`` (time and file a line), and ``groundtruth.txt`` if it is there.

    An image and a depth image belong together where each is the other's nearest in time.

    Args:
        largest_difference_s: between their times, seconds.

    Raises:
        FileNotFoundError: the folder or a list is missing.
        KBNetError: a list holds something else, or no image has depth at its time.
    """
    folder = Path(folder)
    warn_of_confidence(folder)
    images, depths = (_read_list(folder, name) for name in ("rgb.txt", "depth.txt"))
    _warn_of_other_names(folder, images, depths)
    image_times, depth_times = (np.array([time for time, _ in listed]) for listed in (images, depths))
    nearest_depth, close = nearest_in_time(image_times, depth_times, largest_difference_s)
    nearest_image, _ = nearest_in_time(depth_times, image_times, largest_difference_s)
    mutual = nearest_image[nearest_depth] == np.arange(len(images))
    frames = [
        TumFrame(images[index][0], images[index][1], depths[nearest_depth[index]][1])
        for index in np.flatnonzero(mutual & close)
    ]
    if not frames:
        raise KBNetError(
            f"no image in {folder} has depth within {largest_difference_s:g} s: rgb.txt goes from "
            f"{image_times[0]:.3f} to {image_times[-1]:.3f} s, depth.txt from {depth_times[0]:.3f} to "
            f"{depth_times[-1]:.3f} s; check that both use one clock, or allow more (--max-difference)"
        )
    poses = folder / "groundtruth.txt"
    times = [frame.time for frame in frames]
    trajectory = read_camera_trajectory(poses, times) if poses.is_file() else None
    return TumRecording(folder, tuple(frames), len(images), trajectory)


def find_camera(folder: str | Path) -> Camera:
    """The benchmark's calibration for a recording, told by "freiburg1" to 3 (or "fr1") in its path or groundtruth.txt.

    Raises:
        KBNetError: neither names a camera.
    """
    folder = resolved(Path(folder))
    header = folder / "groundtruth.txt"
    first_lines = read_text(header, errors="replace")[:500] if header.is_file() else ""
    for text in (folder.name, first_lines):
        for name in CAMERAS:
            if re.search(rf"(freiburg|(?<![a-z])fr){name[-1]}(?!\d)", text):
                return benchmark_camera(name)
    raise KBNetError(
        f"cannot tell which camera recorded {folder}; name it (--camera {', '.join(CAMERAS)}), "
        f"or give its calibration (--intrinsics {folder / 'K.txt' if (folder / 'K.txt').is_file() else 'K.txt'})"
    )


def benchmark_camera(name: str) -> Camera:
    """One of `CAMERAS` with its lens."""
    fx, fy, cx, cy, coefficients = CAMERAS[name]
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float32)
    return Camera(K, CAMERA_SIZE, "radial-tangential" if coefficients else "pinhole", coefficients)


def read_tum_depth(path: str | Path, factor: float = DEPTH_FACTOR) -> FloatArray:
    """Read a depth image.

    Args:
        path: 16-bit greyscale PNG; 0 = unmeasured.
        factor: its units in one metre: 5000 in the benchmark, 1000 if it holds millimetres.

    Returns:
        Depth along z, (H, W), float32 metres; 0 = unmeasured.
    """
    depth = read_depth_image(path, factor)
    check_metres(depth, where=str(path), remedy="give the units in one metre (--depth-factor 1000)")
    return depth


class TumFrames(RectifiedRecording[TumFrame]):
    """Frames of a recording: rectified images, their depth as ground truth, and sparse points at image corners.

    Args:
        listing: from :func:`open_tum`.
        camera: of the images; depth must be aligned to them, as the benchmark's is.
        points: sparse points a frame: depth at the strongest corners, as a tracker of corners would measure.
        depth_factor: as :func:`read_tum_depth`.

    Raises (when a frame is read):
        FileNotFoundError: a file is missing.
        KBNetError: no image has depth, or a file does not fit the camera or the format.
    """

    has_ground_truth = True

    def __init__(
        self, listing: TumRecording, camera: Camera, *, points: int = 500, depth_factor: float = DEPTH_FACTOR
    ) -> None:
        super().__init__(listing.folder, str(listing.folder / "depth.txt"), expected=len(listing.frames))
        self._listing, self.camera = listing, camera
        self._points, self._depth_factor = points, depth_factor
        self._depth = lru_cache(maxsize=1)(self._rectified_depth)

    def assumptions(self) -> list[str]:
        """Which camera was told by a name; of others, the unit of the benchmark where none was given."""
        for name, (*numbers, _) in CAMERAS.items():
            if np.array_equal(benchmark_camera(name).K, self.camera.K):
                return [f"K and lens are those of the benchmark's {name}: {', '.join(map(str, numbers))}"]
        unit = "depth is taken to have 5000 units a metre; if it is in millimetres, give --depth-factor 1000"
        return [unit] if self._depth_factor == DEPTH_FACTOR else []

    def poses_text(self, written: WrittenFrames) -> str:
        """How many images there were, and how many frames have a pose."""
        return f"{self._listing.images} images, {written.posed} with a pose"

    def moments(self) -> Iterator[Moment[TumFrame]]:
        trajectory, empty = self._listing.trajectory, list[Path]()
        for tum in self._listing.frames:
            if not self._depth(tum).any():
                empty.append(tum.depth)
                continue
            if not self._known and self._depth_factor == DEPTH_FACTOR:
                _warn_of_millimetres(self._depth(tum), tum.depth)
            yield Moment(tum.name, None if trajectory is None else trajectory.at(tum.time), tum)
        if not self._known:
            raise KBNetError(f"no depth image of {self.folder} holds depth, first {empty[0]}; check them")
        if empty:
            warnings.warn(
                f"left out: {len(empty)} of {self.expected} frames whose depth image is empty, first {empty[0]}",
                stacklevel=2,
            )

    def make(self, index: int, moment: Moment[TumFrame]) -> Frame:
        tum = moment.parts
        image, K = self.rectification.image(read_image(tum.image)), self.rectification.target.K
        return frame_of_dense_depth(image, self._depth(tum), K, self._points, index, tum.name)

    def _rectified_depth(self, tum: TumFrame) -> FloatArray:
        """Depth in the rectified image, (H, W), metres."""
        depth = read_tum_depth(tum.depth, self._depth_factor)
        _check_aligned(picture_size(tum.image), depth, tum)
        return self.rectification.dense_depth(depth)


def _read_list(folder: Path, name: str) -> list[tuple[float, Path]]:
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a recording in TUM's format with rgb.txt and depth.txt, but there is no {path}; name its folder"
        )
    lines = [line.split() for line in read_text(path, errors="replace").splitlines()]
    try:
        listed = [(float(words[0]), folder / words[1]) for words in lines if words and words[0][0] != "#"]
    except (ValueError, IndexError) as error:
        raise KBNetError(f"expected lines of time and file name in {path} ({error}); check the file") from None
    if not listed:
        raise KBNetError(f"expected lines of time and file name, got none in {path}; check the file")
    check_fractions([words[0] for words in lines if words and words[0][0] != "#"], f"times in {path}")
    times = to_seconds(np.array([time for time, _ in listed]), f"times in {path}")
    return sorted(zip(times.tolist(), (file for _, file in listed), strict=True))


def _warn_of_other_names(folder: Path, *lists: list[tuple[float, Path]]) -> None:
    """Warn if times of a list jump against those in its names, or are apart from them unlike those of the other."""
    late = list[Float64Array]()
    for listed in lists:
        with suppress(KBNetError):  # lists are read, not names
            if (named := times_of_files([path for _, path in listed])) is not None:
                late.append(np.array([time for time, _ in listed]) - named)
    jump = max((float(np.abs(np.diff(one)).max(initial=0)) for one in late), default=0.0)
    apart = float(np.ptp([np.median(one) for one in late])) if late else 0.0
    if max(jump, apart) > LARGEST_DIFFERENCE_S:
        warnings.warn(
            f"times in rgb.txt and depth.txt of {folder} contradict those in the names of their files, by "
            f"{max(jump, apart):.3f} s: lists decide which depth belongs to which image; check them",
            stacklevel=3,
        )


def _warn_of_millimetres(depth: FloatArray, path: Path) -> None:
    median, far = np.percentile(depth[depth > 0], [50, 95]).tolist()
    if median < NEAREST_MEDIAN_M or far < NEAREST_FAR_M:
        warnings.warn(
            f"{path} has a median depth of {median:.2f} m with {DEPTH_FACTOR:g} units a metre; if it holds "
            f"millimetres, {median * DEPTH_FACTOR / 1000:.2f} m, give --depth-factor 1000",
            stacklevel=3,
        )


def _check_aligned(size: tuple[int, int], depth: FloatArray, frame: TumFrame) -> None:
    if size != depth.shape:
        raise KBNetError(
            f"{frame.image} has {size[1]}x{size[0]} pixels but {frame.depth} has "
            f"{depth.shape[1]}x{depth.shape[0]}; depth must be aligned to the colour image, pixel by pixel"
        )
