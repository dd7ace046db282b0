"""SceneNet RGB-D (J. McCormac et al., ICCV 2017): rendered rooms, with the sparse points of the published ScaffNet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.frames.image_file import read_image
from kbnet.frames.natural_order import in_order
from kbnet.frames.recording import CACHED_FRAMES, Moment, Recording
from kbnet.points.clustered_points import Clustering, PointKind, draw_points
from kbnet.sources.depth_file import read_depth_image

UNITS_PER_METRE = 1000.0
SIZE = (240, 320)
K = np.array([[277.128, 0, 159.5], [0, 289.706, 119.5], [0, 0, 1]], np.float32)
"""60 x 45 degrees; the data set's rays go through the middle of 320 x 240 pixels, whose centres are whole numbers here.
The published set-up writes 160 and 120 as principal point; ScaffNet does not read it."""
POINTS = 384
LEAST_SHARE = 300 / 384
"""A frame with a smaller share of the points is left out; published: under 300 of 384."""
CLUSTERING = Clustering(candidates=15_000, cut=True, reassignment=1e-11)
LEFT_OUT = {
    "train": frozenset(
        ("0/77/2125", "0/241/2175", "1/1077/6275", "1/1263/5875", "1/1657/5975", "1/1819/4675", "1/1967/4375")
    ),
    "val": frozenset(("0/728/2925", "0/929/3550")),
}
"""Frames of sequences 0 and 1 that the published list leaves out, as sequence/trajectory/frame."""


@dataclass(frozen=True)
class SceneNetFiles:
    """Files of one frame.

    Attributes:
        image: 320x240 JPEG.
        depth: 16-bit PNG, millimetres along the ray; 0 = no depth.
    """

    image: Path
    depth: Path


def listed_frames(trajectory: Path) -> dict[str, SceneNetFiles]:
    """Frames of a trajectory by name: without the first and the last, and without those of `LEFT_OUT`.

    Raises:
        FileNotFoundError: an image has no depth.
    """
    split, sequence = trajectory.parent.parent.name, trajectory.parent.name
    images = in_order((trajectory / "photo").glob("*.jpg"), lambda path: path.name)
    frames = {}
    for image in images[1:-1]:
        depth = trajectory / "depth" / f"{image.stem}.png"
        if not depth.is_file():
            raise FileNotFoundError(
                f"expected depth of the image {image}, but there is no {depth}; unpack the archive again"
            )
        if f"{sequence}/{trajectory.name}/{image.stem}" not in LEFT_OUT.get(split, ()):
            frames[f"{sequence}_{trajectory.name}_{image.stem}"] = SceneNetFiles(image, depth)
    return frames


def read_scenenet_depth(path: Path) -> FloatArray:
    """Read a depth image, whose values are distances along the viewing ray.

    Args:
        path: 16-bit PNG, 320x240, millimetres.

    Returns:
        Depth along z, (240, 320), float32 metres; 0 = unmeasured, such as the view out of a window.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it is no such image.
    """
    distance = read_depth_image(path, UNITS_PER_METRE)
    if distance.shape != SIZE:
        raise KBNetError(
            f"expected depth of 320x240 pixels, got {distance.shape[1]}x{distance.shape[0]} in {path}; take the "
            "data set's own files"
        )
    return distance / _ray_lengths()


class SceneNetFrames(Recording[SceneNetFiles]):
    """Frames of one or more trajectories: depth along z as ground truth, sparse points made as published.

    Args:
        path: what to call the recording.
        trajectories: folders ``<split>/<sequence>/<trajectory>`` with ``photo`` and ``depth``.
        points: sparse points a frame.
        kind: where the points lie; ``edges`` is published, see `kbnet.points.clustered_points.draw_points`.

    Raises:
        FileNotFoundError: there is no trajectory, or a file is missing.
        KBNetError (when frames are read): a file is damaged, or no frame has enough points.
    """

    has_ground_truth = True

    def __init__(
        self, path: Path, trajectories: Iterable[Path], *, points: int = POINTS, kind: PointKind = "edges"
    ) -> None:
        super().__init__(path, f"{path} (depth)")
        trajectories = in_order((one.resolve() for one in trajectories), str)
        if not trajectories:
            raise FileNotFoundError(
                f"expected trajectories of SceneNet RGB-D (<sequence>/<trajectory>/photo) in {path}, got none; name "
                "the folder train or val of the unpacked archives"
            )
        self._listed = {name: files for one in trajectories for name, files in listed_frames(one).items()}
        self._points, self._kind = points, kind
        self._read = lru_cache(maxsize=CACHED_FRAMES)(self._read_files)
        self.expected = len(self._listed)

    def moments(self) -> Iterator[Moment[SceneNetFiles]]:
        for name, files in self._listed.items():
            if np.count_nonzero(self._read(files)[2]) < LEAST_SHARE * self._points:
                self.leave_out("frames with too few points", name)
                continue
            yield Moment(name, None, files)
        if not self._known:
            raise KBNetError(
                f"expected frames with at least {LEAST_SHARE * self._points:.0f} sparse points in {self.folder}, got "
                f"none of {len(self._listed)}; ask for fewer (--points)"
            )

    def make(self, index: int, moment: Moment[SceneNetFiles]) -> Frame:
        image, depth, sparse = self._read(moment.parts)
        return Frame(image, sparse, K, depth, moment.name)

    def _read_files(self, files: SceneNetFiles) -> tuple[ImageArray, FloatArray, FloatArray]:
        image, depth = read_image(files.image), read_scenenet_depth(files.depth)
        if not depth.any():
            return image, depth, depth
        return image, depth, draw_points(self._kind, image, depth, self._points, clustering=CLUSTERING)


@lru_cache(maxsize=1)
def _ray_lengths() -> FloatArray:
    """Length of the viewing ray with z = 1 of every pixel, (240, 320)."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    squared = 1 + ((x - K[0, 2]) / K[0, 0]) ** 2 + ((y - K[1, 2]) / K[1, 1]) ** 2
    lengths: FloatArray = np.sqrt(squared).astype(np.float32)
    return lengths
