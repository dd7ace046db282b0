"""``kbnet prepare rgbd``: folders of colour and depth images as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.rgbd import RgbdArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of colour images and depth images that lie on them: 16-bit PNG, .npy or .exr.

    Dense depth becomes ground truth, and sparse depth at corners of the image; sparse or smaller depth becomes points.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder with aligned_depth/ or depth/, and color/, rgb/ or images/, whose files have the same names or numbers."""
    options: Annotated[RgbdArguments, tyro.conf.arg(name="")] = field(default_factory=RgbdArguments)
