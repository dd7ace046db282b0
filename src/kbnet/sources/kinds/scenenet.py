"""Trajectories of SceneNet RGB-D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kbnet.errors import KBNetError
from kbnet.frames.kinds import Opened, register


@dataclass(frozen=True, kw_only=True)
class SceneNetArguments:
    """Make a sequence of SceneNet RGB-D, with sparse points made as for the published ScaffNet.

    Depth is converted from distance along the ray to depth along z and becomes ground truth. The first and last frame
    of every trajectory are left out. The published training has the sequences 0 and 1 of train.
    """

    points: int = 384
    """Sparse points in a frame; 384 as published. A frame with fewer than 300 of 384 is left out."""
    pattern: Literal["edges", "corners", "uniform"] = "edges"
    """Where the points lie. edges: as published. corners: at true corners. uniform: anywhere."""


def trajectories_in(path: Path) -> Iterator[Path]:
    """Trajectories (folders with ``photo``): the folder itself, those of a sequence, or those of a split."""
    for pattern in ("photo", "[0-9]*/photo", "[0-9]*/[0-9]*/photo"):
        for photo in path.glob(pattern):
            yield photo.parent


def is_scenenet(path: Path) -> bool:
    """Whether a folder is a trajectory, or holds numbered sequences or trajectories."""
    return path.is_dir() and next(trajectories_in(path), None) is not None


@register(
    "scenenet",
    "SceneNet RGB-D (folder train or val, or a sequence or trajectory in it)",
    is_scenenet,
    SceneNetArguments,
    path_help="Folder train or val of the unpacked archives, or a sequence or trajectory in it.",
)
def open_scenenet(path: Path, options: SceneNetArguments) -> Opened:
    """List the frames; errors are those of `kbnet.sources.scenenet.SceneNetFrames`."""
    from kbnet.sources.scenenet import SceneNetFrames

    if options.points < 1:
        raise KBNetError(f"expected --points of at least 1, got {options.points}; 384 as published")
    return SceneNetFrames(path, trajectories_in(path), points=options.points, kind=options.pattern)
