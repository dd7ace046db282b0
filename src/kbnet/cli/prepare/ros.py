"""``kbnet prepare ros``: a bag as a sequence folder, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.ros import RosArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a ROS 1 or ROS 2 bag or an MCAP file: images, depth or points, poses; ROS is not needed.

    Example:  kbnet prepare ros drive.mcap drive --image /camera/image_raw --depth /lidar/points

    Depth images become ground truth, and sparse points are taken from them at corners of the image, as a tracker would.
    Points are projected by TF, or by --extrinsics. The lens's distortion is taken out.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BAG")]
    """A .bag file, the folder of a ROS 2 bag, or one .mcap or .db3 file."""
    options: Annotated[RosArguments, tyro.conf.arg(name="")] = field(default_factory=RosArguments)
