"""Origin of the depth in a folder of results, so that depth of two networks is not mixed unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.files import file_sha256, write_json
from kbnet.frame import FloatArray, Frame
from kbnet.inference.weights_files import is_exported, weights_files

RECORD = "made_with.json"
"""File in the folder of results with the origin of its depth."""

Origin = dict[str, str | None]


def network_origin(weights: str | Path, *, preset: str | None, precision: str) -> Origin:
    """Record of a network. The engine is not included: float32 engines differ by less than a depth PNG resolves.

    Args:
        weights, preset, precision: as in `kbnet.load`.

    Raises:
        FileNotFoundError: there are no such weights.
    """
    own = "that of the file" if is_exported(weights) else "float32"
    same = ("auto", "float32", "int8") if is_exported(weights) else ("auto",)
    return {
        "weights": file_sha256(*weights_files(weights)),
        "preset": preset,
        "precision": own if precision in same else precision,
    }


def depth_origin(output: Path, frames: Mapping[str, Callable[[], Frame]], network: Origin) -> tuple[Origin, str]:
    """Origin of the depth of some frames, and its difference from the origin of existing depth.

    The sparse points of one frame represent those of all frames.

    Args:
        output: folder of results with depth maps in ``depth/``.
        frames: function that reads a frame, by name.
        network: result of :func:`network_origin`.

    Returns:
        The origin, and a description of the difference; empty without difference or without depth.

    Raises:
        FileNotFoundError, KBNetError: no frame can be read.
    """
    present = any((output / "depth").rglob("*.png"))
    recorded = recorded_origin(output) if present else {}
    frame, points = _first_points(frames, recorded.get("frame"))
    origin = network | {"frame": frame, "sparse points": hashlib.sha256(points.tobytes()).hexdigest()}
    if recorded.get("frame", frame) != frame:  # a frame of another source cannot be compared
        origin |= {key: recorded[key] for key in ("frame", "sparse points")}
    different = [key for key in origin if recorded.get(key) != origin[key]]
    if not present or not different:
        return origin, ""
    if not recorded:
        return origin, f"of unknown origin, without {RECORD}"
    return origin, f"made with other {' and '.join(different)}"


def _first_points(frames: Mapping[str, Callable[[], Frame]], preferred: str | None) -> tuple[str, FloatArray]:
    """First readable frame and its points; errors of unreadable frames are reported later."""
    failure: OSError | KBNetError | None = None
    for name in [*([preferred] if preferred in frames else []), *frames]:
        assert name is not None
        try:
            return name, frames[name]().sparse_depth
        except (OSError, KBNetError) as error:
            failure = failure or error
    assert failure is not None
    raise failure


def recorded_origin(output: Path) -> Origin:
    """Origin in a folder of results; empty if it is missing or unreadable."""
    try:
        recorded: Origin = json.loads((output / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return recorded if isinstance(recorded, dict) else {}


def record_origin(output: Path, origin: Origin) -> None:
    """Write the origin of the depth in a folder of results."""
    write_json(output / RECORD, origin)
