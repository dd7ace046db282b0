"""``kbnet prepare kitti360``: a drive of KITTI-360 as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.kitti360 import Kitti360Arguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a drive of KITTI-360: rectified images, lidar points, and poses."""

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder with calibration/, data_2d_raw/ and data_3d_raw/, or a drive in data_2d_raw/."""
    options: Annotated[Kitti360Arguments, tyro.conf.arg(name="")] = field(default_factory=Kitti360Arguments)
