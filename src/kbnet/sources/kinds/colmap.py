"""COLMAP models and their images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.frames.kinds import Opened, register
from kbnet.sources.colmap_folder import holds_model
from kbnet.sources.flags import CountFlag, FolderFlag


@dataclass(frozen=True, kw_only=True)
class ColmapArguments:
    """Make a sequence of a COLMAP model: its images without distortion, the points each image saw, and the poses.

    Text and binary models are read. COLMAP's unit of length is arbitrary: --scale makes it metres.
    """

    images: FolderFlag = None
    """Folder of the images (default: images/ in the workspace)."""
    scale: float = 1.0
    """Metres in one unit of the model: a length in the world divided by the same length in the model."""
    camera: CountFlag = None
    """Id of the camera whose images to take, if the model has several."""
    longest_side: CountFlag = None
    """Shrink larger images until their longer side has so many pixels."""
    min_track: int = 3
    """Leave out points seen by fewer images."""
    max_error: float = 2.0
    """Leave out points with a larger mean reprojection error, pixels."""


def is_colmap(path: Path) -> bool:
    """Whether a folder holds a model, or is a workspace with one in ``sparse``."""
    return any(map(holds_model, (path, path / "sparse", *(path / "sparse").glob("*"))))


@register(
    "colmap",
    "a COLMAP model (folder with cameras, images and points3D, or workspace with sparse/)",
    is_colmap,
    ColmapArguments,
    path="MODEL",
    path_help="Folder with cameras, images and points3D (.bin or .txt), or the workspace with sparse/0 and images/.",
)
def open_colmap(path: Path, options: ColmapArguments) -> Opened:
    """Read a model, not its images; errors are those of `kbnet.sources.colmap.ColmapFrames`."""
    from kbnet.sources.colmap import ColmapFrames, PointFilter

    if options.longest_side is not None and options.longest_side < 32:
        raise KBNetError(f"expected --longest-side of at least 32 pixels, got {options.longest_side}")
    return ColmapFrames(
        path,
        images=options.images,
        camera_id=options.camera,
        points=PointFilter(options.min_track, options.max_error),
        scale=options.scale,
        longest_side=options.longest_side,
    )
