"""Folders of colour and depth images; and recordings of depth cameras that have to become such folders first."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kbnet.errors import KBNetError
from kbnet.frames.kinds import DEPTH_SUFFIXES, IMAGE_SUFFIXES, register
from kbnet.sources.flags import CoefficientsFlag, FileFlag, Lens, NumberFlag

if TYPE_CHECKING:
    from kbnet.sources.rgbd import RgbdFrames

IMAGE_FOLDERS = ("color", "colour", "rgb", "images", "image", "lowres_wide")
DEPTH_FOLDERS = ("aligned_depth", "depth_aligned", "depth_registered", "registered_depth", "depth", "lowres_depth")
"""Of several, the first: the others may be as another camera saw it."""
OTHER_KINDS = ("transforms.json", "rgb.txt", "camera_matrix.csv", "sparse")
"""Files and folders that tell of another kind, which may have such folders too."""

OAK_STREAMS = (".mp4", ".avi", ".mkv", ".h264", ".h265", ".hevc", ".mjpeg", ".dat")
"""Suffixes of the streams that scripts of DepthAI record, mostly beside ``calib.json``."""
OAK_COLOUR, OAK_DEPTH = {"color", "rgb", "cam_a"}, {"depth", "disparity", "mono1", "mono2", "left", "right", "cam_b"}
"""What they call streams."""
_OAK_VIDEOS = "whose videos say neither when a depth image was taken nor on which camera it lies; "
_OAK_IMAGES = (
    "which does not say on which camera depth lies: if on the colour images (setDepthAlign), move these to color/, "
    "depth to aligned_depth/ and K to K.txt, then kbnet prepare rgbd --depth-unit 0.001; else "
)
_OAK_BAG = (
    "record a bag with depth on the images: ros2 launch depthai_ros_driver driver.launch.py (camera.launch.py before "
    "version 3), then ros2 bag record /oak/rgb/image_raw /oak/rgb/camera_info /oak/stereo/image_raw "
    "/oak/stereo/camera_info /tf_static"
)


@dataclass(frozen=True, kw_only=True)
class RgbdArguments:
    """Make a sequence of colour images and depth images that lie on them: 16-bit PNG, .npy or .exr.

    Dense depth becomes ground truth, and sparse depth at corners of the image; sparse or smaller depth becomes points.
    """

    intrinsics: FileFlag = None
    """The 3x3 matrix K of the images, as text or .npy, or Open3D's .json (default: K.txt, intrinsics.txt,
    intrinsic.json, camera_intrinsic.json or intrinsic/intrinsic_color.txt in the folder)."""
    lens: Lens = "pinhole"
    """What the lens does, to images and depth."""
    distortion: CoefficientsFlag = ()
    """With --lens: its coefficients; k1 k2 p1 p2 [k3 [k4 k5 k6]] or, of a fisheye, k1 k2 k3 k4."""
    depth_unit: NumberFlag = None
    """Metres in one unit of the depth: 0.001 for millimetres (default: 1 for floats; whole numbers need it)."""
    points: int = 1500
    """Sparse points in a frame, of dense depth."""
    every: int = 1
    """Take every Nth frame."""


def is_rgbd(path: Path) -> bool:
    """Whether a folder holds ``depth`` and images, or is a recording of an OAK-D."""
    if any((path / name).exists() for name in OTHER_KINDS):
        return False
    return _images(path) is not None or _is_oak(path) or _one_folder(path) is not None


@register(
    "rgbd",
    "colour and depth images (folder with depth/, and color/, rgb/ or images/; or with both, depth by name)",
    is_rgbd,
    RgbdArguments,
    path_help="Folder with aligned_depth/ or depth/, and color/, rgb/ or images/, whose files have the same names or "
    "numbers.",
)
def open_rgbd(path: Path, options: RgbdArguments) -> RgbdFrames:
    """Pair images and depth.

    Raises:
        FileNotFoundError: a file is missing.
        KBNetError: names do not pair, a file is damaged, an option is out of range, or it is a recording of a camera
            that has to be converted.
    """
    from kbnet.sources.rgbd import RgbdFrames

    if _is_oak(path):
        raise KBNetError(f"{path} is of DepthAI, {_OAK_IMAGES if any(path.glob('*.png')) else _OAK_VIDEOS}{_OAK_BAG}")
    if options.every < 1 or options.points < 1 or not (options.depth_unit is None or options.depth_unit > 0):
        raise KBNetError(
            f"expected --every and --points of at least 1 and --depth-unit above 0, got {options.every}, "
            f"{options.points} and {options.depth_unit}"
        )
    if len(several := [name for name in IMAGE_FOLDERS if _folder(path, (name,))]) > 1:
        warnings.warn(f"{path} holds {' and '.join(several)}: the images of {several[0]} are read", stacklevel=2)
    images, depths = _images(path) or _one_folder(path), _depths(path) or _one_folder(path)
    if images is None or depths is None:
        raise FileNotFoundError(f"expected depth/, and {', '.join(IMAGE_FOLDERS)} in {path}, got none; check the path")
    return RgbdFrames(path, images, depths, **vars(options))


def _images(path: Path) -> Path | None:
    """The folder of the images; None = there is none beside depth."""
    return _folder(path, IMAGE_FOLDERS) if _depths(path) else None


def _one_folder(path: Path) -> Path | None:
    """Where images and depth lie together, depth by name: 7-Scenes' sequences, Replica's results/; None = nowhere."""
    for folder in filter(Path.is_dir, (path, path / "results")):
        files = [(one.suffix.lower(), "depth" in one.stem.lower()) for one in folder.glob("[!.]*.*")]
        if any(suffix in DEPTH_SUFFIXES for suffix, depth in files if depth) and any(
            suffix in IMAGE_SUFFIXES for suffix, depth in files if not depth
        ):
            return folder
    return None


def _depths(path: Path) -> Path | None:
    return _folder(path, DEPTH_FOLDERS)


def _folder(path: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some folders that is there; None = none is. Capitals do not matter."""
    spellings = (path / spelling for name in names for spelling in (name, name.capitalize(), name.upper()))
    return next(filter(Path.is_dir, spellings), None)


def _is_oak(path: Path) -> bool:
    """Whether a script of DepthAI wrote a folder: the calibration, and a video or numbered images for each stream."""
    if not path.is_dir() or _images(path) is not None:
        return False
    names = [file.name.lower() for file in path.iterdir()]
    streams = {Path(name).stem for name in names if name.endswith(OAK_STREAMS)}
    if not any(name.startswith("calib") and name.endswith(".json") for name in names):
        return bool(streams & OAK_COLOUR and streams & OAK_DEPTH)
    return bool(streams) or any(name.startswith(("depth_", "disparity_")) for name in names)
