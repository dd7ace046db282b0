"""``kbnet prepare scenenet``: SceneNet RGB-D with the sparse points of ScaffNet as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.scenenet import SceneNetArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of SceneNet RGB-D, with sparse points made as for the published ScaffNet.

    Depth is converted from distance along the ray to depth along z and becomes ground truth. The first and last frame
    of every trajectory are left out. The published training has the sequences 0 and 1 of train.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECORDING")]
    """Folder train or val of the unpacked archives, or a sequence or trajectory in it."""
    options: Annotated[SceneNetArguments, tyro.conf.arg(name="")] = field(default_factory=SceneNetArguments)
