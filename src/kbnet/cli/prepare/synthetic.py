"""``kbnet prepare synthetic``: a textured room with a moving camera as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from kbnet.cli.arguments import Overwrite, SequenceFolder
from kbnet.cli.known_errors import say
from kbnet.sources.rendered.synthetic import SyntheticConfig


@dataclass(frozen=True, kw_only=True)
class Command:
    """Render a textured room with a moving camera, true depth, poses and sparse points: a sequence to try things on.

    The same flags give the same files. Needs scikit-image, whose photographs are the textures.
    """

    folder: SequenceFolder
    config: Annotated[SyntheticConfig, tyro.conf.arg(name="")] = field(default_factory=SyntheticConfig)
    overwrite: Overwrite = False

    def run(self) -> None:
        from kbnet.cli.progress import frame_steps
        from kbnet.sources.rendered.synthetic import write_synthetic_sequence

        with frame_steps("rendering", self.config.frames) as on_frame:
            write_synthetic_sequence(self.folder, self.config, overwrite=self.overwrite, on_frame=on_frame)
        size = f"{self.config.width}x{self.config.height}"
        say(f"wrote {self.config.frames} frames of {size} pixels to {self.folder}")
