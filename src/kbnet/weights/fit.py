"""Whether stored tensors fit a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def misfit(expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Any]) -> str:
    """Every name that does not fit, in words; empty where all do.

    Args:
        expected: the shape of every tensor of the network, by name.
        tensors: what was stored, by name: tensors or their shapes.

    Example:
        >>> misfit({"a": (2,), "b": (3,)}, {"b": 5, "c": None})
        'it lacks a; it has c, which the network has not; of another shape is b (expected (3,), got int)'
    """
    shapes = {
        name: tuple(getattr(tensor, "shape", tensor))
        if hasattr(tensor, "shape") or isinstance(tensor, tuple)
        else type(tensor).__name__
        for name, tensor in tensors.items()
    }
    described = []
    if lacking := sorted(expected.keys() - shapes.keys()):
        described.append(f"it lacks {', '.join(lacking)}")
    if unknown := sorted(shapes.keys() - expected.keys()):
        described.append(f"it has {', '.join(unknown)}, which the network has not")
    if misshapen := sorted(name for name in expected.keys() & shapes.keys() if expected[name] != shapes[name]):
        named = (f"{name} (expected {expected[name]}, got {shapes[name]})" for name in misshapen)
        described.append(f"of another shape is {', '.join(named)}")
    return "; ".join(described)
