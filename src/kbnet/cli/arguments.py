"""Kinds of command-line arguments, as annotations of a command's fields; they only change how ``--help`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import tyro

from kbnet.network.siblings.config import PresetName

Switch = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help_behavior_hint="")]
"""Off unless given; there is no ``--no-...``."""

Folder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]

OptionalMetres = Annotated[float | None, tyro.conf.arg(metavar="METRES", help_behavior_hint="")]

Weights = Annotated[str, tyro.conf.arg(metavar="NAME|FILE")]
"""What `kbnet.load` takes."""

SeveralWeights = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME|FILE ...")]

OptionalPreset = Annotated[
    PresetName | None, tyro.conf.arg(metavar=f"{{{','.join(get_args(PresetName))}}}", help_behavior_hint="")
]

OptionalWeightsName = Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")]
"""What weights are to be called."""

Device = Annotated[str, tyro.conf.arg(metavar="DEVICE")]

SparseDepth = Annotated[str | None, tyro.conf.arg(metavar="FILE|NAME", help_behavior_hint="")]
SparseDepths = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")]

Sources = Annotated[
    tuple[Path, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="SEQUENCE|LIST.csv ...", help_behavior_hint="(required)"),
]
OptionalSource = Annotated[
    Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[SEQUENCE|LIST.csv]", help_behavior_hint="")
]
"""What `kbnet.frames.open.open_frames` takes."""
