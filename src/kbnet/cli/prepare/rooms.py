"""``kbnet prepare rooms``: furnished rooms rendered from OBJ models, as a sequence folder to train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.cli.known_errors import say
from kbnet.sources.rendered.config import RoomsConfig


@dataclass(frozen=True, kw_only=True)
class Command:
    """Render furnished rooms with true depth and sparse points, to train on with supervision.

    The same flags give the same files. All frames of a folder have one focal length, drawn from the seed: make many
    folders with many seeds. Needs open3d and scikit-image.
    """

    folder: SequenceFolder
    config: Annotated[RoomsConfig, tyro.conf.arg(name="")]
    overwrite: Overwrite = False

    def run(self) -> None:
        from kbnet.cli.progress import frame_steps
        from kbnet.sources.rendered.rooms import write_rooms_sequence

        width, height = self.config.size
        with frame_steps("rendering", self.config.frames) as on_frame:
            write_rooms_sequence(self.folder, self.config, overwrite=self.overwrite, on_frame=on_frame)
        say(f"wrote {self.config.frames} frames of {width}x{height} pixels to {self.folder}")
