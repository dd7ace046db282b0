"""Methods that are evaluated: networks, and baselines that interpolate the sparse points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kbnet.frame import Completer, FloatArray, Frame
from kbnet.points.interpolation import linear, nearest

if TYPE_CHECKING:
    from kbnet.inference.completer import DepthCompleter


@dataclass(frozen=True)
class Method:
    """Completion method with its name in tables.

    Attributes:
        predict: function from a frame to dense depth, (H, W), float32 metres; returns after the device has finished,
            as a `kbnet.DepthCompleter` does.
        needs_points: whether the method needs at least one sparse point.
        begin: of a method that uses earlier frames: called before the first frame of every sequence. It gets every
            frame, also those without ground truth. None: frames are completed one by one.
    """

    name: str
    predict: Completer
    needs_points: bool = False
    begin: Callable[[], None] | None = None


NETWORK = "kbnet"
"""Name of the network among methods if there is one network."""

MOVED_IMAGE = "image moved"
"""The names of :func:`moved_image_methods` begin with this."""

MOVED_SHARE = 1 / 160
"""How far these images are moved, relative to their width: four of 640 pixels."""

NEAREST = Method("nearest", lambda frame: nearest(frame.sparse_depth), needs_points=True)
LINEAR = Method("linear", lambda frame: linear(frame.sparse_depth), needs_points=True)


def without_prior(method: Method) -> Method:
    """The same method, of frames without their priors."""
    return replace(method, predict=lambda frame: method.predict(replace(frame, prior=None)))


def past_method(completer: DepthCompleter, name: str = NETWORK, *, prior: bool = False) -> Method:
    """Method of a network that uses earlier frames, by a `kbnet.VideoCompleter`; frames need poses."""
    from kbnet.inference.video import VideoCompleter

    video = VideoCompleter(completer)
    return Method(f"{name} with past{' and prior' if prior else ''}", video, begin=video.reset)


def moved_image_methods(completer: Completer) -> list[Method]:
    """The network on images moved right, left, down and up by `MOVED_SHARE`; image and points that fit do not gain."""

    def moved(axis: int, sign: int) -> Completer:
        def predict(frame: Frame) -> FloatArray:
            pixels = max(1, round(MOVED_SHARE * frame.size[1]))
            return completer(replace(frame, image=np.roll(frame.image, sign * pixels, axis)))

        return predict

    ways = {"right": (1, 1), "left": (1, -1), "down": (0, 1), "up": (0, -1)}
    return [Method(f"{MOVED_IMAGE} {way}", moved(*by)) for way, by in ways.items()]


def baseline_methods(*, scaffold: bool = False) -> list[Method]:
    """Baselines ``nearest`` and ``linear``: interpolation of the sparse points.

    Args:
        scaffold: add the baseline ``scaffold``: linear interpolation after outlier rejection and extrapolation.
    """
    if not scaffold:
        return [NEAREST, LINEAR]
    return [NEAREST, LINEAR, Method("scaffold", _scaffold, needs_points=True)]


def _scaffold(frame: Frame) -> FloatArray:
    from kbnet.points.scaffold import scaffold_of_supported_points  # this import loads torch

    return scaffold_of_supported_points(frame.sparse_depth, frame.intrinsics)
