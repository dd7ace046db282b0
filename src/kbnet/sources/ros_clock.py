"""Clocks of two topics: their messages by the times in their headers, or by those at which they were recorded."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Clock = Literal["auto", "header", "recorded"]

DIFFERENT_CLOCKS_S = 10.0
"""Between what two topics take from their header to the recorder: longer than messages wait to be recorded."""
DOUBTFUL_CLOCKS_S = 0.5
"""The same: longer than most messages wait."""
AHEAD_S = 0.02
"""Of a tenth of the messages: by which no message is stamped after it was recorded, if both have one clock."""


class Stamp(NamedTuple):
    """When a message was taken by its header, seconds, and when it was recorded, nanoseconds."""

    header: float
    recorded_ns: int

    @property
    def delay(self) -> float:
        """From the header to the recorder, seconds."""
        return self.recorded_ns * 1e-9 - self.header


def on_one_clock(
    images: list[Stamp], depths: list[Stamp], clock: Clock = "auto"
) -> tuple[dict[float, Stamp], dict[float, Stamp], str]:
    """Times of two topics on one clock.

    Where both clocks agree (or ``clock`` says so) those are the times in the headers. Else the topic whose headers are
    farther from the times of recording is moved by the medians of both, so that its headers still tell the time
    between two messages; if they do not, it takes the times of recording.

    Args:
        images, depths: of all messages, in the order of recording.
        clock: ``header`` or ``recorded``: take those times as they are.

    Returns:
        Messages of both by their time, seconds; and what was done about the clocks, empty = nothing.
    """
    if clock == "recorded":
        return _by_recording(images, 0.0), _by_recording(depths, 0.0), "times are those of recording"
    image_delay, depth_delay = _delay(images), _delay(depths)
    apart = depth_delay - image_delay
    stuck = [_is_stuck(images), _is_stuck(depths)]
    if clock == "header" or not (abs(apart) > DIFFERENT_CLOCKS_S or any(stuck)):
        said = ""
        if clock == "auto" and abs(apart) > DOUBTFUL_CLOCKS_S:
            said = f"depth was recorded {apart:+.2f} s later than images of the same header times: {_DOUBT}"
        elif clock == "auto" and max(ahead := (_ahead(images), _ahead(depths))) > AHEAD_S + max(min(ahead), 0):
            what, other = ("images", "depth") if ahead[0] > ahead[1] else ("depth", "images")
            said = (
                f"messages of {what} are stamped up to {max(ahead):.2f} s after they were recorded, unlike {other}: if "
                "their clocks differ, say --clock recorded; if not, --clock header"
            )
        return _by_header(images, 0.0), _by_header(depths, 0.0), said
    if abs(image_delay) > abs(depth_delay) or (stuck[0] and not stuck[1]):
        moved, rest = _moved(images, image_delay, depth_delay), _by_header(depths, 0.0)
        return moved, rest, f"images are stamped by another clock than depth, {apart:+.3f} s: {_HOW}"
    moved = _moved(depths, depth_delay, image_delay)
    return _by_header(images, 0.0), moved, f"depth is stamped by another clock than images, {-apart:+.3f} s: {_HOW}"


_DOUBT = "if their clocks differ, say --clock recorded; if depth takes so long to calculate, --clock header"
_HOW = "the times at which messages were recorded bring them together (--clock header or recorded decides otherwise)"


def _delay(stamps: list[Stamp]) -> float:
    return float(np.median([stamp.delay for stamp in stamps]))


def _ahead(stamps: list[Stamp]) -> float:
    """By how much a tenth of the messages are stamped after they were recorded, seconds."""
    return -float(np.percentile([stamp.delay for stamp in stamps], 10))


def _is_stuck(stamps: list[Stamp]) -> bool:
    """Whether most messages have the time of another."""
    return len(stamps) > 2 and 2 * len({stamp.header for stamp in stamps}) <= len(stamps)


def _moved(stamps: list[Stamp], own_delay: float, other_delay: float) -> dict[float, Stamp]:
    spread = np.ptp([stamp.delay for stamp in stamps])
    if _is_stuck(stamps) or spread > DIFFERENT_CLOCKS_S:
        return _by_recording(stamps, -other_delay)
    return _by_header(stamps, own_delay - other_delay)


def _by_header(stamps: list[Stamp], offset: float) -> dict[float, Stamp]:
    """Of several messages with one time the first."""
    return {stamp.header + offset: stamp for stamp in reversed(stamps)}


def _by_recording(stamps: list[Stamp], offset: float) -> dict[float, Stamp]:
    return {stamp.recorded_ns * 1e-9 + offset: stamp for stamp in reversed(stamps)}
