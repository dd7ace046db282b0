"""Ways to complete depth that are compared: the network, and interpolation of the sparse points alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kbnet.frame import FloatArray, Frame, ImageArray
from kbnet.points.interpolation import linear, nearest


class Completer(Protocol):
    """What completes depth: a `kbnet.DepthCompleter`, or anything that is called like one."""

    def __call__(self, image: ImageArray, sparse_depth: FloatArray, intrinsics: FloatArray) -> FloatArray:
        """(H, W, 3) uint8, (H, W) metres and K in; (H, W) float32 metres out."""
        ...


@dataclass(frozen=True)
class Method:
    """A way to complete depth, under the name it has in tables.

    Attributes:
        predict: from a frame to its dense depth, (H, W), float32 metres; returns when the depth is there.
        needs_points: whether frames without a sparse point are beyond it.
    """

    name: str
    predict: Callable[[Frame], FloatArray]
    needs_points: bool = False


NETWORK = "kbnet"
"""Name of the network among methods, unless there are several."""

NEAREST = Method("nearest", lambda frame: nearest(frame.sparse_depth), needs_points=True)
LINEAR = Method("linear", lambda frame: linear(frame.sparse_depth), needs_points=True)


def network_method(completer: Completer, name: str = NETWORK) -> Method:
    """The network; its depth is an array, so that whatever a GPU had to do is done when it is there."""
    return Method(name, lambda frame: completer(frame.image, frame.sparse_depth, frame.intrinsics))


def baseline_methods(*, scaffold: bool = False) -> list[Method]:
    """Interpolation of the sparse points alone, as ``nearest`` and ``linear``.

    Args:
        scaffold: add the baseline ``scaffold``: linear interpolation after outlier rejection and extrapolation.
    """
    if not scaffold:
        return [NEAREST, LINEAR]
    return [NEAREST, LINEAR, Method("scaffold", _scaffold, needs_points=True)]


def _scaffold(frame: Frame) -> FloatArray:
    from kbnet.points.scaffold import scaffold_of_supported_points  # imports torch

    return scaffold_of_supported_points(frame.sparse_depth, frame.intrinsics)
