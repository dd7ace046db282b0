"""Recordings in the format of the TUM RGB-D benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from kbnet.errors import KBNetError
from kbnet.frames.kinds import register
from kbnet.sources.flags import FileFlag

if TYPE_CHECKING:
    from kbnet.sources.rectification import Camera
    from kbnet.sources.tum_rgbd import TumFrames, TumRecording

BenchmarkCamera = Annotated[
    Literal["freiburg1", "freiburg2", "freiburg3"] | None,
    arg(metavar="{freiburg1,freiburg2,freiburg3}", help_behavior_hint=""),
]


@dataclass(frozen=True, kw_only=True)
class TumArguments:
    """Make a sequence of a TUM RGB-D recording: images and depth matched by time, the lens's distortion taken out.

    Depth becomes ground truth, and sparse points are taken from it at corners of the image, as a tracker would.
    """

    points: int = 500
    """Sparse points in a frame."""
    camera: BenchmarkCamera = None
    """The benchmark's camera, with its lens (default: told by the recording's name or groundtruth.txt)."""
    intrinsics: FileFlag = None
    """For other cameras: the 3x3 matrix K, as text or .npy."""
    distortion: Annotated[tuple[float, ...], arg(metavar="K1 K2 P1 P2 [K3]", help_behavior_hint="")] = ()
    """With --intrinsics: the lens, radial and tangential, in OpenCV's order (default: none)."""
    depth_factor: float = 5000.0
    """Units of the depth images in one metre; 1000 if they hold millimetres."""
    max_difference: float = 0.02
    """Seconds between an image and its depth."""


def is_tum(path: Path) -> bool:
    """Whether a folder holds the lists of images and depth."""
    return (path / "rgb.txt").is_file() and (path / "depth.txt").is_file()


@register(
    "tum",
    "a recording in TUM's format (folder with rgb.txt and depth.txt)",
    is_tum,
    TumArguments,
    path_help="Folder with rgb.txt, depth.txt and, for poses, groundtruth.txt (camera to world).",
)
def open_tum_recording(path: Path, options: TumArguments) -> TumFrames:
    """Match images and depth by time; errors are those of `kbnet.sources.tum_rgbd.open_tum`."""
    from kbnet.sources.tum_rgbd import TumFrames, open_tum

    if not options.depth_factor > 0:
        raise KBNetError(
            f"expected --depth-factor above 0, got {options.depth_factor:g}; 1000 if depth is in millimetres"
        )
    listing = open_tum(path, largest_difference_s=options.max_difference)
    return TumFrames(listing, _camera(listing, options), points=options.points, depth_factor=options.depth_factor)


def _camera(listing: TumRecording, options: TumArguments) -> Camera:
    from kbnet.frames.camera_centre import warn_of_far_centre
    from kbnet.frames.image_file import read_image, read_intrinsics
    from kbnet.sources.rectification import Camera
    from kbnet.sources.tum_rgbd import benchmark_camera, find_camera

    if options.intrinsics is None:
        if options.distortion:
            raise KBNetError("--distortion goes with --intrinsics; the benchmark's cameras bring their own")
        return benchmark_camera(options.camera) if options.camera else find_camera(listing.folder)
    if options.camera:
        raise KBNetError("give --camera or --intrinsics, not both")
    height, width = read_image(listing.frames[0].image).shape[:2]
    K = read_intrinsics(options.intrinsics)
    warn_of_far_centre(K, (height, width), of=str(options.intrinsics))
    return Camera(K, (height, width), "radial-tangential", options.distortion)
