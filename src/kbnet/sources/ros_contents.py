"""What is in a bag: topics with sizes, rates and clocks, calibrations, and the tree of frames."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.sources.ros_bag import (
    CAMERA_INFO,
    CLOUD,
    COMPRESSED_IMAGE,
    IMAGE,
    TRANSFORMS,
    Bag,
    frame_of,
    open_bag,
    stamp,
)
from kbnet.sources.ros_camera import camera_from_infos
from kbnet.sources.ros_clock import DIFFERENT_CLOCKS_S
from kbnet.sources.ros_images import is_depth, message_size

RATED = 10
"""Messages to tell a rate from."""
TRANSFORMS_READ = 2000
"""Messages of each topic of transforms to look at: all frames of a robot are in its first seconds."""


def describe_bag(path: Path) -> list[str]:
    """Lines for people: the span of a recording, every topic, and the transforms."""
    with open_bag(path) as bag:
        lines = [f"{sum(bag.counts.values()):,} messages in {bag.span_s:.1f} s"]
        for topic, type_ in bag.topics.items():
            messages = f"{bag.counts[topic]:,} message{'' if bag.counts[topic] == 1 else 's'}"
            told = ", ".join(filter(None, [messages, *_details(bag, topic, type_)]))
            lines.append(f"{topic} ({type_.rpartition('/')[2]}): {told}")
        if transforms := _transforms(bag):
            lines.append(f"transforms: {', '.join(transforms)}")
    return lines


def _details(bag: Bag, topic: str, type_: str) -> list[str]:
    """Rate of the first messages, and content of the first one."""
    first = list(islice(bag.recorded_messages([topic]), RATED))
    _, time, message, recorded_ns = first[0]
    steps = np.diff([recorded for *_, recorded in first])
    # One step can be a gap in the recording, so two messages tell no rate.
    details = [f"{1e9 / np.median(steps):.3g} Hz" if len(steps) > 1 and np.median(steps) > 0 else "rate not known"]
    details.append(_content(message, topic, type_))
    if getattr(message, "header", None) is not None:
        details.append(f"frame '{frame_of(message)}'")
        delay = recorded_ns * 1e-9 - time
        if not stamp(message):
            details.append("no time in its header")
        elif abs(delay) > DIFFERENT_CLOCKS_S:
            details.append(f"header {delay:+.1f} s from the time of recording: another clock")
    return details


def _content(message: Any, topic: str, type_: str) -> str:
    if type_ in (IMAGE, COMPRESSED_IMAGE):
        what = "depth" if is_depth(message, topic) else "image"
        try:
            height, width = message_size(message)
        except KBNetError as error:
            return f"{what}, not read: {error}"
        return f"{what} {width}x{height} {message.encoding if type_ == IMAGE else message.format!r}"
    if type_ == CAMERA_INFO:
        try:
            camera = camera_from_infos([message], topic, "")
        except KBNetError as error:
            return f"not usable: {error}"
        fx, fy, cx, cy = (float(camera.K[index]) for index in ((0, 0), (1, 1), (0, 2), (1, 2)))
        lens = "no distortion" if camera.is_pinhole else f"{camera.model} {camera.coefficients}"
        return f"{camera.size[1]}x{camera.size[0]}, fx {fx:.1f} fy {fy:.1f} cx {cx:.1f} cy {cy:.1f}, {lens}"
    if type_ == CLOUD:
        return f"{message.width * message.height:,} points of {' '.join(field.name for field in message.fields)}"
    return ""


def _transforms(bag: Bag) -> list[str]:
    """Every parent and child, in the order in which they appear."""
    found: dict[str, None] = {}
    for topic in bag.of_type(*TRANSFORMS):
        for _, _, message in islice(bag.messages([topic]), TRANSFORMS_READ):
            moves = "" if topic.endswith("tf_static") else " (over time)"
            found |= {f"{frame_of(one)} -> {one.child_frame_id.lstrip('/')}{moves}": None for one in message.transforms}
    return list(found)
