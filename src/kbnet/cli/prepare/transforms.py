"""``kbnet prepare transforms``: a transforms.json of Nerfstudio or Instant-NGP as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.transforms import TransformsArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a transforms.json (Nerfstudio, Instant-NGP): images without distortion, points, and poses.

    Points are those of depth images, or of one cloud, as far as the camera sees them. --scale makes metres.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """The file, or the folder it lies in."""
    options: Annotated[TransformsArguments, tyro.conf.arg(name="")] = field(default_factory=TransformsArguments)
