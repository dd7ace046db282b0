"""``kbnet prepare accumulated``: the points of several frames of a posed video as depth to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import SparseDepths, Switch
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Project the sparse points of neighbouring frames into each frame: labels for training without ground truth.

    kbnet prepare accumulated room room.csv && kbnet train room.csv --config recipes/accumulated.toml

    Writes a list of the frames and, beside it, a folder of depth maps, which the list names as ground_truth. The
    sequence needs poses.
    """

    sequence: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SEQUENCE")]
    """Sequence folder (K.txt, image/, sparse depth, absolute_pose/)."""
    output: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT.csv")]
    """List of frames to write; the depth maps lie in OUTPUT_depth/ beside it."""
    sparse_depth: SparseDepths = ("sparse_depth",)
    """Folder of sparse depth in the sequence; of several, each becomes a column, and the points of the first are put
    together."""
    gap: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Frames from one neighbour to the next (default: as far as the camera moves a tenth of the median depth)."""
    reach: Annotated[int, tyro.conf.arg(metavar="INT")] = 3
    """Neighbours on either side; more of them have more points, and more that this view cannot see."""
    overwrite: Switch = False
    """Replace a list that is there."""

    def run(self) -> None:
        from kbnet.cli.progress import frame_steps
        from kbnet.frames.sequence import Sequence
        from kbnet.report.fusion.accumulation import write_accumulated
        from kbnet.training.neighbour_gap import choose_gap

        if self.output.suffix != ".csv":
            raise KBNetError(f"expected a .csv file to write, got {self.output}; name it {self.output.stem}.csv")
        kinds = {kind: Sequence(self.sequence, sparse_depth=kind) for kind in self.sparse_depth}
        first = kinds[self.sparse_depth[0]]
        gap = choose_gap(first, self.gap).frames
        with frame_steps("putting points together", len(first)) as on_frame:
            points = write_accumulated(
                kinds, self.output, gap=gap, reach=self.reach, overwrite=self.overwrite, on_frame=on_frame
            )
        neighbours = f"{2 * self.reach} neighbours, {gap} frame{'s' if gap > 1 else ''} apart"
        say(f"wrote {len(first)} frames to {self.output}: {points:,.0f} points a frame, from {neighbours}")
