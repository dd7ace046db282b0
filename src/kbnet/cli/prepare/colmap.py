"""``kbnet prepare colmap``: a COLMAP model and its images as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.colmap import ColmapArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a COLMAP model: its images without distortion, the points each image saw, and the poses.

    Text and binary models are read. COLMAP's unit of length is arbitrary: --scale makes it metres.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder with cameras, images and points3D (.bin or .txt), or the workspace with sparse/0 and images/."""
    options: Annotated[ColmapArguments, tyro.conf.arg(name="")] = field(default_factory=ColmapArguments)
