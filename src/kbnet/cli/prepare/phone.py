"""``kbnet prepare phone``: a recording of a phone with a lidar as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.phone import PhoneArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a phone's recording (Stray Scanner, Record3D): images, lidar depth as points, and poses.

    Depth is smaller than the images: each of its pixels becomes a point at its place in the image.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder with depth/, camera_matrix.csv and rgb.mp4 or rgb/ (Stray Scanner), or a .r3d (Record3D)."""
    options: Annotated[PhoneArguments, tyro.conf.arg(name="")] = field(default_factory=PhoneArguments)
