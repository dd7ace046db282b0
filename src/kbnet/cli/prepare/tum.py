"""``kbnet prepare tum``: a recording in the format of the TUM RGB-D benchmark as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.tum import TumArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a TUM RGB-D recording: images and depth matched by time, the lens's distortion taken out.

    Depth becomes ground truth, and sparse points are taken from it at corners of the image, as a tracker would.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder with rgb.txt, depth.txt and, for poses, groundtruth.txt (camera to world)."""
    options: Annotated[TumArguments, tyro.conf.arg(name="")] = field(default_factory=TumArguments)
