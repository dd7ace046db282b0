"""``kbnet prepare transforms``: a transforms.json of Nerfstudio or Instant-NGP as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.sources.kinds.transforms import TransformsArguments


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make a sequence of a transforms.json (Nerfstudio, Instant-NGP): images without distortion, points, and poses.

    Points are those of depth images, or of one cloud, as far as the camera sees them. --scale makes metres.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """The file, or the folder it lies in."""
    folder: SequenceFolder
    options: Annotated[TransformsArguments, tyro.conf.arg(name="")] = field(default_factory=TransformsArguments)
    overwrite: Overwrite = False

    def run(self) -> None:
        """Open the recording and write its frames."""
        from kbnet.cli.preparation import write_recording
        from kbnet.frames.kinds import open_kind

        recording = open_kind("transforms", self.recording, self.options)
        write_recording(recording, self.folder, overwrite=self.overwrite)
