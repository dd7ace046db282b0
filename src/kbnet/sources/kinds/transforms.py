"""``transforms.json`` of Nerfstudio and Instant-NGP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.frames.kinds import Opened, register
from kbnet.sources.flags import CountFlag, FileFlag, NumberFlag


@dataclass(frozen=True, kw_only=True)
class TransformsArguments:
    """Make a sequence of a transforms.json (Nerfstudio, Instant-NGP): images without distortion, points, and poses.

    Points are those of depth images, or of one cloud, as far as the camera sees them. --scale makes metres.
    """

    scale: float = 1.0
    """Metres in one unit of the poses: a length in the world divided by the same length in the file."""
    points: FileFlag = None
    """Cloud of points in the axes of the poses (default: ply_file_path); not used where frames have depth images."""
    depth_unit: NumberFlag = None
    """Unit of depth images, in that of the poses (default of whole numbers: as the file says, else 0.001; of floats:
    1)."""
    longest_side: CountFlag = None
    """Shrink larger images until their longer side has so many pixels."""


def is_transforms(path: Path) -> bool:
    """Whether a path is a transforms.json, or a folder with one."""
    return path.name == "transforms.json" or (path / "transforms.json").is_file()


@register(
    "transforms",
    "a transforms.json of Nerfstudio or Instant-NGP, or its folder",
    is_transforms,
    TransformsArguments,
    path_help="The file, or the folder it lies in.",
)
def open_transforms(path: Path, options: TransformsArguments) -> Opened:
    """List frames; errors are those of `kbnet.sources.transforms_json.TransformsFrames`."""
    from kbnet.sources.transforms_json import TransformsFrames

    unit = options.depth_unit
    if not (options.scale > 0 and (unit is None or unit > 0)) or (options.longest_side or 32) < 32:
        raise KBNetError(
            f"expected --scale and --depth-unit above 0 and --longest-side of at least 32, got {options.scale:g}, "
            f"{unit} and {options.longest_side}"
        )
    return TransformsFrames(path, **vars(options))
