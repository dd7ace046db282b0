"""Frames of KITTI with a standing car, by its measured speed or by a list."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frames.image_file import read_numbers

STANDING_SPEED = 0.3
"""Metres a second below which the car counts as standing.

It is 3 cm from one image to the next, at 10 a second: points 10 m ahead and 5 m aside then move by one pixel.
"""

IsStanding = Callable[[Path, str, str], "bool | None"]
"""Called with the folder of a raw drive, the camera and the frame's number as text; None = not known."""

_FORWARD, _LEFTWARD = 8, 9
_DRIVE = re.compile(r"\d{4}_\d{2}_\d{2}_drive_\d{4}(?=_sync|_extract|\b)")
_CAMERA = re.compile(r"image_0[23]")
_FRAME = re.compile(r"(?<!\w)(\d{1,20})(?:\.\w+)?$")


def by_speed(drive: Path, camera: str, frame: str) -> bool | None:
    """Whether the car's speed over ground is below `STANDING_SPEED`, as measured by its OXTS unit.

    The speed is the length of the forward and leftward velocity, columns 9 and 10 of 30 in ``oxts/data/<frame>.txt``.

    Args:
        drive: folder of the raw drive.
        camera: not looked at; both cameras stand together.
        frame: ten-digit number.

    Returns:
        None where there is no such file.

    Raises:
        KBNetError: the file does not hold the numbers of an OXTS packet.
    """
    path = drive / "oxts" / "data" / f"{frame}.txt"
    speed = _read_speed(path) if path.is_file() else None
    return None if speed is None else speed < STANDING_SPEED


def by_list(path: Path) -> IsStanding:
    """Take the frames of a list as those of a standing car, such as the published list.

    Args:
        path: text, one frame a line: a path that holds the drive and ends in the frame's number, or
            ``<drive> <frame>``. A line that names no camera (``image_02``) means both. Empty lines and those that begin
            with # are skipped.

    Raises:
        FileNotFoundError: there is no such list.
        KBNetError: a line names no frame.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a list of standing frames in {path}, but there is no such file; check it")
    listed = set()
    for number, line in enumerate(read_text(path, errors="replace").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        drive, camera, frame = _DRIVE.search(text), _CAMERA.search(text), _FRAME.search(text)
        if drive is None or frame is None or frame.start() < drive.end():
            raise KBNetError(
                f"expected a path or '<drive> <frame>' such as '2011_09_26_drive_0001_sync 0000000005', got "
                f"'{text[:80]}' in line {number} of {path}; correct it"
            )
        listed.add((drive[0], camera[0] if camera else None, int(frame[1])))

    def is_listed(drive: Path, camera: str, frame: str) -> bool:
        name = drive.name.removesuffix("_sync")
        return not listed.isdisjoint({(name, None, int(frame)), (name, camera, int(frame))})

    return is_listed


def never(drive: Path, camera: str, frame: str) -> bool:
    """Treat no frame as one of a standing car."""
    return False


@cache
def _read_speed(path: Path) -> float:
    """Speed, m/s; cached for both cameras."""
    numbers = read_numbers(path, "an OXTS packet")
    if numbers.size != 30 or not np.isfinite(numbers[[_FORWARD, _LEFTWARD]]).all():
        raise KBNetError(f"expected the 30 numbers of an OXTS packet, got {numbers.size} in {path}; copy it again")
    return float(np.hypot(numbers[_FORWARD], numbers[_LEFTWARD]))
