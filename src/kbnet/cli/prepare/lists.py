"""``kbnet prepare lists``: the published text lists as one list of frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.arguments import Folder, OptionalFile
from kbnet.cli.known_errors import say
from kbnet.errors import KBNetError

TextList = Annotated[Path, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Join the published text lists (one path a line) to one .csv list of frames; files stay where they lie.

    kbnet prepare lists train.csv --image train_image.txt --sparse-depth train_sparse_depth.txt
    --intrinsics train_intrinsics.txt

    Images that hold three frames side by side are recognised.
    """

    output: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT.csv")]
    """List of frames to write; one that is there is replaced."""
    image: TextList
    """List of images: of one frame each, or of three side by side."""
    sparse_depth: TextList
    """List of sparse depth maps."""
    intrinsics: TextList
    """List of camera matrices, .npy or text."""
    ground_truth: OptionalFile = None
    """List of true depth maps."""
    root: Folder = Path(".")
    """Where relative paths in the lists start."""

    def run(self) -> None:
        from kbnet.datasets.published_lists import frames_of_lists
        from kbnet.frames.frame_list import write_frame_list

        if self.output.suffix != ".csv":
            raise KBNetError(f"expected a .csv file to write, got {self.output}; name it {self.output.stem}.csv")
        frames = frames_of_lists(self.image, self.sparse_depth, self.intrinsics, self.ground_truth, root=self.root)
        written = write_frame_list(self.output, frames)
        kind = "three images side by side" if frames[0].side_by_side else "one image"
        say(f"wrote {written} frames, of {kind} each, to {self.output}")
