"""Types of the options of recordings; as flags they only change how ``--help`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from tyro.conf import FlagCreatePairsOff, arg

FileFlag = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")]
FolderFlag = Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")]
PathFlag = Annotated[Path | None, arg(metavar="FILE|FOLDER", help_behavior_hint="")]
SwitchFlag = Annotated[bool, FlagCreatePairsOff, arg(help_behavior_hint="")]
NumberFlag = Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="")]
CountFlag = Annotated[int | None, arg(metavar="INT", help_behavior_hint="")]
TopicFlag = Annotated[str, arg(metavar="TOPIC", help_behavior_hint="")]
TextFlag = Annotated[str, arg(metavar="NAME", help_behavior_hint="")]
RadiusFlag = Annotated[
    int | None,
    arg(
        metavar="PIXELS",
        help_behavior_hint="",
        help="How far around a point nearer points may hide it (default: one more than the gap between two scan lines; "
        "0 keeps hidden points).",
    ),
]
ColumnsFlag = Annotated[
    str,
    arg(
        metavar="X,Y,Z,...",
        help_behavior_hint="",
        help="Of .bin scans, such as x,y,z,intensity,ring (default: told by their name, size and values).",
    ),
]
ColumnTypeFlag = Annotated[Literal["float32", "float64"], arg(help="With --columns: their type.")]
CoefficientsFlag = Annotated[tuple[float, ...], arg(metavar="K1 K2 ...", help_behavior_hint="")]
Lens = Literal["pinhole", "radial-tangential", "fisheye"]
LensFlag = Annotated[Lens | None, arg(metavar=f"{{{','.join(get_args(Lens))}}}", help_behavior_hint="")]
