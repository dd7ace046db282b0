"""``kbnet prepare azure-kinect``: a recording of an Azure Kinect as a sequence folder, without its SDK."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.azure_kinect import KinectArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a recording of an Azure Kinect, as k4arecorder writes it; the SDK is not needed.

    Example:  kbnet prepare azure-kinect desk.mkv desk

    Depth is carried into the colour image by the camera's own calibration. It becomes ground truth, and sparse depth at
    corners of the image. The distortion of both lenses is taken out.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """An .mkv file with the tracks COLOR and DEPTH."""
    options: Annotated[KinectArguments, tyro.conf.arg(name="")] = field(default_factory=KinectArguments)
