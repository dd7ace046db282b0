"""``kbnet prepare vkitti``: Virtual KITTI 2 at the lidar pixels of KITTI as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.vkitti import VkittiArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of Virtual KITTI 2, with sparse points made as for the published ScaffNet.

    Example:  kbnet prepare vkitti vkitti street --masks data_depth_velodyne/train --date 2011_09_26 --every 10

    Each frame of the variation clone is paired with every drive: its depth at the pixels where the drive's lidar
    measured becomes sparse depth, all of it ground truth. The sky is unmeasured. A frame is written once for each drive
    and camera, which takes much space; --every takes fewer frames.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder where vkitti_2.0.3_rgb.tar, vkitti_2.0.3_depth.tar and, for poses, vkitti_2.0.3_textgt.tar.gz are
    unpacked, together or each in a folder of its name."""
    options: Annotated[VkittiArguments, tyro.conf.arg(name="")]
