"""Recordings of an Azure Kinect (.mkv)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.frames.kinds import Opened, register
from kbnet.sources.flags import SwitchFlag

_TAGS = (b"K4A_COLOR_", b"K4A_DEPTH_", b"K4A_CALIBRATION_")
"""How names of tags begin."""
_LOOKED_AT = 1 << 20
"""Bytes at the beginning, where k4arecorder writes tags, and at the end, where other programs move them."""


@dataclass(frozen=True, kw_only=True)
class KinectArguments:
    """Make a sequence of a recording of an Azure Kinect, as k4arecorder writes it; the SDK is not needed.

    Example:  kbnet prepare azure-kinect desk.mkv desk

    Depth is carried into the colour image by the camera's own calibration. It becomes ground truth, and sparse depth at
    corners of the image. The distortion of both lenses is taken out.
    """

    points: int = 1500
    """Sparse points in a frame, at corners of the image."""
    keep_hidden: SwitchFlag = False
    """Keep far depth that is seen through a near surface."""
    max_difference: float = 0.02
    """Seconds between an image and its depth."""
    every: int = 1
    """Take every Nth image that has depth."""


def is_azure_kinect(path: Path) -> bool:
    """Whether a file is a Matroska file with the tags of an Azure Kinect."""
    if path.suffix.lower() != ".mkv" or not path.is_file():
        return False
    with path.open("rb") as file:
        content = file.read(_LOOKED_AT)
        file.seek(max(file.seek(0, 2) - _LOOKED_AT, len(content)))
        content += file.read()
    return any(tag in content for tag in _TAGS)


def describe_azure_kinect(path: Path) -> list[str]:
    """Tracks and cameras; errors are those of `kbnet.sources.azure_kinect.describe_kinect`."""
    from kbnet.sources.azure_kinect import describe_kinect

    return describe_kinect(path)


@register(
    "azure-kinect",
    "a recording of an Azure Kinect (.mkv)",
    is_azure_kinect,
    KinectArguments,
    describe=describe_azure_kinect,
    path_help="An .mkv file with the tracks COLOR and DEPTH.",
)
def open_azure_kinect(path: Path, options: KinectArguments) -> Opened:
    """Open a recording; errors are those of `kbnet.sources.azure_kinect.KinectFrames`."""
    from kbnet.sources.azure_kinect import KinectFrames

    if options.every < 1 or options.points < 1:
        raise KBNetError(f"expected --every and --points of at least 1, got {options.every} and {options.points}")
    return KinectFrames(
        path,
        points=options.points,
        keep_hidden=options.keep_hidden,
        largest_difference_s=options.max_difference,
        every=options.every,
    )
