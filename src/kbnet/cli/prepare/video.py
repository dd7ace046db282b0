"""``kbnet prepare video``: a video and a table of points as a sequence folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kbnet.cli.preparation import PrepareRecording
from kbnet.sources.kinds.video import VideoArguments


@dataclass(frozen=True, kw_only=True)
class Command(PrepareRecording):
    """Make a sequence of a video, its calibration, and a table of points per frame, as odometry such as XIVO writes.

    Example:  kbnet prepare video walk.mp4 walk --intrinsics K.txt --points points.csv

    The table is CSV with a header: frame (from 0) or time (seconds), and u, v, depth (pixels of the frames as stored,
    metres along z) or x, y, z (metres). Further columns are ignored. The lens's distortion is taken out.
    """

    recording: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO")]
    """Any file that FFmpeg reads. That players should turn it is not applied."""
    options: Annotated[VideoArguments, tyro.conf.arg(name="")]
