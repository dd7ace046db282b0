"""``kbnet prepare colmap``: a COLMAP model and its images as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.sources.kinds.colmap import ColmapArguments


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a COLMAP model: its images without distortion, the points each image saw, and the poses.

    Text and binary models are read. COLMAP's unit of length is arbitrary: --scale makes it metres.
    """

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder with cameras, images and points3D (.bin or .txt), or the workspace with sparse/0 and images/."""
    folder: SequenceFolder
    options: Annotated[ColmapArguments, tyro.conf.arg(name="")] = field(default_factory=ColmapArguments)
    overwrite: Overwrite = False

    def run(self) -> None:
        """Open the recording and write its frames."""
        from kbnet.cli.preparation import write_recording
        from kbnet.frames.kinds import open_kind

        recording = open_kind("colmap", self.model, self.options)
        write_recording(recording, self.folder, overwrite=self.overwrite)
