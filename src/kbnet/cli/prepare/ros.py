"""``kbnet prepare ros``: a bag as a sequence folder, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.sources.kinds.ros import RosArguments


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a ROS 1 or ROS 2 bag or an MCAP file: images, depth or points, poses; ROS is not needed.

    Example:  kbnet prepare ros drive.mcap drive --image /camera/image_raw --depth /lidar/points

    Depth images become ground truth, and sparse points are taken from them at corners of the image, as a tracker would.
    Points are projected by TF, or by --extrinsics. The lens's distortion is taken out.
    """

    bag: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BAG")]
    """A .bag file, the folder of a ROS 2 bag, or one .mcap or .db3 file."""
    folder: SequenceFolder
    options: Annotated[RosArguments, tyro.conf.arg(name="")] = field(default_factory=RosArguments)
    overwrite: Overwrite = False

    def run(self) -> None:
        """Open the recording and write its frames."""
        from kbnet.cli.preparation import write_recording
        from kbnet.frames.kinds import open_kind

        recording = open_kind("ros", self.bag, self.options)
        write_recording(recording, self.folder, overwrite=self.overwrite)
