"""kbnet: an image, a few measured depths and a camera matrix in; dense metric depth out.

The two flows, each word a module (``kbnet.<module>``):

    complete   any recording ─► frames.open ─► network.inputs (points.outlier_rejection, points.scaffold)
               ─► network.kbnet ─► inference.completer ─► depth ─► evaluation · report
    train      triplet ─► training.step: depth (network.kbnet) + pose (network.pose_net, or known)
               ─► geometry.warp ─► losses ─► training.loop ─► weights.depth_network

    frame.py   Frame and Triplet: what goes in, checked     inference/      arrays in, depth out; output files
    frames/    a path to frames; the sequence folder        evaluation/     how good depth is
    sources/   one module a kind of recording               report/         pictures, page, point cloud, fusion, viewer
    datasets/  published data sets                          cli/            the commands; imports everything

Start with ``completer = kbnet.load("indoor")`` and ``depth = completer(image, sparse_depth, intrinsics)``. The names
below are imported when first used, so that ``import kbnet`` costs nothing. Units and axes: ``kbnet.geometry``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbnet.errors import KBNetError
    from kbnet.evaluation.ground_truth import evaluate_completer as evaluate
    from kbnet.evaluation.held_out_points import check_completer as check
    from kbnet.frame import Frame, Prior, Triplet
    from kbnet.frames.open import open_frames
    from kbnet.inference.completer import DepthCompleter, load
    from kbnet.inference.video import VideoCompleter
    from kbnet.training.adaptation import adapt
    from kbnet.training.loop import train

    __version__: str

__all__ = [
    "DepthCompleter",
    "Frame",
    "KBNetError",
    "Prior",
    "Triplet",
    "VideoCompleter",
    "__version__",
    "adapt",
    "check",
    "evaluate",
    "load",
    "open_frames",
    "train",
]

_OWNERS = {
    "DepthCompleter": "kbnet.inference.completer:DepthCompleter",
    "Frame": "kbnet.frame:Frame",
    "KBNetError": "kbnet.errors:KBNetError",
    "Prior": "kbnet.frame:Prior",
    "Triplet": "kbnet.frame:Triplet",
    "VideoCompleter": "kbnet.inference.video:VideoCompleter",
    "adapt": "kbnet.training.adaptation:adapt",
    "check": "kbnet.evaluation.held_out_points:check_completer",
    "evaluate": "kbnet.evaluation.ground_truth:evaluate_completer",
    "load": "kbnet.inference.completer:load",
    "open_frames": "kbnet.frames.open:open_frames",
    "train": "kbnet.training.loop:train",
}


def _find(name: str) -> Any:
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _OWNERS:
        module, _, attribute = _OWNERS[name].partition(":")
        value = getattr(importlib.import_module(module), attribute)
    else:
        raise AttributeError(f"module 'kbnet' has no attribute '{name}'")
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # else mypy would accept any name
    __getattr__ = _find


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kbnet")
    except PackageNotFoundError:
        return "0+not.installed"
