"""``kbnet prepare sparse``: sparse points from the dense depth of a sequence, for experiments."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import OptionalFolder, Switch
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError
from kbnet.points.patterns import SparsePattern


@dataclass(frozen=True, kw_only=True)
class Command:
    """Make the ground truth of a sequence sparse on purpose: at corners, anywhere, or on the rings of a lidar.

    Writes one more folder of sparse depth into the sequence, which other commands take by --sparse-depth; or, with
    --copy, a sequence of its own. The sequence needs image, ground_truth and K.txt.
    """

    sequence: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SEQUENCE")]
    """Sequence folder with dense depth in ground_truth."""
    config: Annotated[SparsePattern, tyro.conf.arg(name="")] = field(default_factory=SparsePattern)
    name: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Of the new folder (default: sparse_depth_<pattern>_<points>)."""
    copy: OptionalFolder = None
    """Leave SEQUENCE as it is, and write a sequence with these points as its sparse_depth here."""
    overwrite: Switch = False
    """Replace what is there under the name of the new folder."""

    def run(self) -> None:
        from kbnet.cli.progress import frame_steps
        from kbnet.sources.made_sparse import add_sparse_depth, copy_made_sparse, open_dense

        if self.copy and self.name:
            raise KBNetError("expected --name or --copy, got both; the points of a copy are its sparse_depth")
        self.config.check()
        sequence = open_dense(self.sequence)
        name = self.name or f"sparse_depth_{self.config.pattern}_{self.config.points}"
        with frame_steps("choosing points", len(sequence)) as on_frame:
            if self.copy:
                points = copy_made_sparse(sequence, self.config, self.copy, overwrite=self.overwrite, on_frame=on_frame)
            else:
                points = add_sparse_depth(sequence, self.config, name, overwrite=self.overwrite, on_frame=on_frame)
        target = self.copy or self.sequence / name
        say(f"wrote {len(sequence)} frames of {points:,.0f} points to {target}")
        if not self.copy:
            say(f"read them with --sparse-depth {name}")
