"""Check that stored tensors fit a network, and loading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kbnet.errors import KBNetError
from kbnet.weights.safetensors_file import read_header, read_tensors

if TYPE_CHECKING:
    from torch import nn


def misfit(expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Any]) -> str:
    """Description of all tensors that do not fit; empty if all fit.

    Args:
        expected: shape of every tensor of the network, by name.
        tensors: stored tensors or their shapes, by name.

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


def fill_from_file(network: nn.Module, path: Path, wanted: str, described_by: str) -> None:
    """Load the tensors of a kbnet file into a network, converted to its precision.

    Args:
        network: network to fill, in place.
        path: the ``.safetensors`` file.
        wanted: required format.
        described_by: name of what describes the network in the file, for the message: config or encoder.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is damaged, or does not fit the network.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if described := misfit(expected, read_header(path, wanted).shapes):
        raise KBNetError(f"{path} does not fit the network of its {described_by}: {described}; fetch it again")
    network.load_state_dict(read_tensors(path))
