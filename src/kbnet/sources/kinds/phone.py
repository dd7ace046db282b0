"""Exports of phones with a lidar: Stray Scanner, Record3D and Polycam."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kbnet.errors import KBNetError
from kbnet.frames.kinds import register
from kbnet.sources.flags import CountFlag

if TYPE_CHECKING:
    from kbnet.sources.phone import PhoneFrames
    from kbnet.sources.phone_files import PhoneFiles


@dataclass(frozen=True, kw_only=True)
class PhoneArguments:
    """Make a sequence of a phone's recording (Stray Scanner, Record3D): images, lidar depth as points, and poses.

    Depth is smaller than the images: each of its pixels becomes a point at its place in the image.
    """

    confidence: Literal[0, 1, 2] = 1
    """Least confidence of depth: 1 leaves out what the phone calls low, 2 medium too, 0 nothing."""
    every: int = 1
    """Take every Nth frame."""
    longest_side: CountFlag = None
    """Shrink frames until their longer side has so many pixels."""


def is_phone(path: Path) -> bool:
    """Whether a folder or file is an export of Stray Scanner, Record3D or Polycam."""
    if path.suffix.lower() == ".r3d" or ((path / "rgbd").is_dir() and (path / "metadata").is_file()):
        return True
    return ((path / "depth").is_dir() and (path / "camera_matrix.csv").is_file()) or _keyframes(path) is not None


@register(
    "phone",
    "a phone's recording (Stray Scanner: depth/ and camera_matrix.csv; Record3D: .r3d; Polycam: keyframes/)",
    is_phone,
    PhoneArguments,
    path_help="Folder with depth/, camera_matrix.csv and rgb.mp4 or rgb/ (Stray Scanner), or a .r3d (Record3D).",
)
def open_phone(path: Path, options: PhoneArguments) -> PhoneFrames:
    """List the frames of a phone's recording.

    Raises:
        FileNotFoundError: a file is missing.
        KBNetError: a file is not as the app writes it, or an option is out of range.
    """
    from kbnet.sources.phone import PhoneFrames
    from kbnet.sources.phone_files import PolycamFiles, Record3dFiles, StrayFiles

    if options.every < 1 or (options.longest_side is not None and options.longest_side < 32):
        raise KBNetError(
            f"expected --every of at least 1 and --longest-side of at least 32, got {options.every} and "
            f"{options.longest_side}"
        )
    if not path.exists():
        raise FileNotFoundError(f"expected a phone's recording in {path}, but there is none; check the path")
    if (path / "camera_matrix.csv").is_file():
        files: PhoneFiles = StrayFiles(path)
    else:
        keyframes = _keyframes(path)
        files = PolycamFiles(keyframes) if keyframes else Record3dFiles(path)
    return PhoneFrames(path, files, **vars(options))


def _keyframes(path: Path) -> Path | None:
    """The folder of Polycam's keyframes, which is the path or in it; None = there is none."""
    folders = [folder for folder in (path, path / "keyframes") if (folder / "depth").is_dir()]
    return next((one for one in folders if (one / "images").is_dir() and any((one / "cameras").glob("*.json"))), None)
