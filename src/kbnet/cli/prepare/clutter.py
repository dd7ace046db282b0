"""``kbnet prepare clutter``: cluttered rooms, another in every frame, as a sequence folder to pre-train on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import Switch
from kbnet.data.clutter import ClutterConfig


@dataclass(frozen=True, kw_only=True)
class Command:
    """Render cluttered rooms, another in every frame, with true depth and sparse points: to pre-train on, supervised.

    The same flags give the same files. Needs scikit-image, whose photographs are textures.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Sequence folder to make."""
    config: Annotated[ClutterConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=ClutterConfig)
    overwrite: Switch = False
    """Replace a sequence folder that is there, with everything in it."""

    def run(self) -> None:
        """Render and write."""
        from kbnet.cli.progress import frame_progress
        from kbnet.data.clutter import write_clutter_sequence

        with frame_progress() as progress:
            task = progress.add_task("rendering", total=self.config.frames)
            write_clutter_sequence(
                self.folder, self.config, overwrite=self.overwrite, on_frame=lambda: progress.advance(task)
            )
        print(f"wrote {self.config.frames} frames of 640x480 pixels to {self.folder}")
