"""``kbnet prepare nuscenes``: a scene of nuScenes as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.nuscenes import NuscenesArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of one camera in a scene of nuScenes: images, lidar points, and poses.

    Points are moved by the motion of the car between the scan and the image.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder with v1.0-mini/ (or another version), samples/ and sweeps/."""
    options: Annotated[NuscenesArguments, tyro.conf.arg(name="")] = field(default_factory=NuscenesArguments)
