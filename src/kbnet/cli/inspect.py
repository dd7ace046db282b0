"""``kbnet inspect``: what a recording holds, what is missing, and what to type next."""

from __future__ import annotations

import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.known_errors import say
from kbnet.cli.recordings import RecordingFlags
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from kbnet.frames.frame_source import FrameSource

ROOMS_M = 20.0
"""Metres; the weights ``indoor`` are for nearer depth, ``outdoor`` for farther."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Say what a recording holds: kind, streams, sizes, rates, clocks, frames, what is missing, and what to type next.

    Example:  kbnet inspect drive.mcap

    The flags of the recording's kbnet prepare command may be given, to see what they change. Only the first frame is
    made; of a bag, every topic is listed. Exit code 1: something is missing.
    """

    path: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """A recording of any kind, a sequence folder, or a .csv list of frames."""
    sparse_depth: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Folder of sparse depth in a sequence, or column of a list (default: sparse_depth)."""
    recording_flags: RecordingFlags = ()

    def run(self) -> None:
        from kbnet.cli.known_errors import is_known, one_line
        from kbnet.cli.recordings import open_source
        from kbnet.files import reading
        from kbnet.frames.open import recording_kind

        if not self.path.exists():
            raise FileNotFoundError(f"expected a recording, but there is no {self.path}; check the path")
        kind = recording_kind(self.path, self.sparse_depth)
        facts: list[str] = []
        far_m, problem = 0.0, ""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                source = open_source(self.path, self.recording_flags, self.sparse_depth, quiet=True)
                facts, far_m = first_frame(source)
            except Exception as error:
                if kind is None or not is_known(error):
                    raise
                problem = one_line(error)
        say(f"{self.path}: {kind.what if kind else 'a sequence folder or list of frames'}")
        with reading(self.path):
            described = kind.describe(self.path) if kind is not None and kind.describe is not None else []
        for line in [*described, *facts, *(f"note: {text}" for text in dict.fromkeys(str(w.message) for w in caught))]:
            say(f"  {line}")
        chosen = [] if self.sparse_depth is None else ["--sparse-depth", self.sparse_depth]
        path = f"./{self.path}" if str(self.path).startswith("-") else str(self.path)  # else it is a flag
        typed = shlex.join([path, *chosen, *self.recording_flags])
        if problem:
            say(f"  missing: {problem}")
            say(f"next: add what is missing; kbnet prepare {kind.name if kind else ''} --help lists the flags")
            sys.exit(1)
        weights = " --weights outdoor" if far_m > ROOMS_M else ""
        say(f"next: kbnet complete {typed}{weights} --output depth")


def first_frame(source: FrameSource) -> tuple[list[str], float]:
    """Facts of a source and of its first frame, a line each; and the depth, metres, that 5 % of its points exceed.

    Raises:
        KBNetError: there is no frame.
    """
    import numpy as np

    from kbnet.frames.recording import Recording

    frame = source.frame(0)
    expected = getattr(source, "expected", None)
    count = len(source) if expected is None else expected
    counted = f"{'' if expected in (None, 1) else 'at most '}{count} frame{'' if count == 1 else 's'}"
    K, depth = frame.intrinsics, frame.sparse_depth[frame.sparse_depth > 0]
    if not len(depth):
        raise KBNetError(f"the first frame of {source.folder} holds no depth")
    truth, pose = ("yes" if one else "no" for one in (frame.ground_truth is not None, source.has_pose(0)))
    low, middle, high = np.percentile(depth, [5, 50, 95])
    return [
        f"{counted} of {frame.size[1]}x{frame.size[0]} pixels, the first is '{frame.name}'",
        f"K: fx {K[0, 0]:.1f} fy {K[1, 1]:.1f} cx {K[0, 2]:.1f} cy {K[1, 2]:.1f}; {getattr(source, 'lens', 'pinhole')}",
        f"points from {source.points_from}: {len(depth):,} in the first frame, "
        f"{middle:.2f} m away ({low:.2f} to {high:.2f} m)",
        f"ground truth: {truth}; pose: {pose}",
        *([*source.assumptions(), *source.notes()] if isinstance(source, Recording) else []),
    ], float(high)
