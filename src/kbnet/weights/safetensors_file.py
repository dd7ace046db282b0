"""Safetensors files of this package: tensors, and metadata that describes the network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError, safe_open

from kbnet.errors import KBNetError
from kbnet.files import atomic_path, parse_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

DEPTH_FORMAT = "kbnet-1"
POSE_FORMAT = "kbnet-pose-1"
NETWORKS = {DEPTH_FORMAT: "KBNet (depth)", POSE_FORMAT: "PoseNet (pose)"}
"""Description of the network of each format."""


class Header(NamedTuple):
    """Shapes and metadata of a file, read without its tensors."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype, metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; the file appears complete or not at all. Equal contents give equal bytes.

    Args:
        path: the ``.safetensors`` file.
        dtype: type of the stored floating-point tensors; integers are unchanged.
        metadata: text by name; ``format`` names the network.
    """
    from safetensors.torch import save as serialise

    stored = {
        # BatchNorm's step count is an integer, too large for float16.
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in tensors.items()
    }
    with atomic_path(path, durable=True) as temporary:
        temporary.write_bytes(_with_sorted_metadata(serialise(stored, dict(metadata))))


def _with_sorted_metadata(file: bytes) -> bytes:
    """Sort the metadata of a file; safetensors writes them in random order.

    Layout: size of the header (8 bytes, little endian), header (JSON, padded with spaces to a multiple of 8), tensors.
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = parse_json(file[8:end])
    tensors = {name: value for name, value in header.items() if name != "__metadata__"}
    ordered = {"__metadata__": dict(sorted(header.get("__metadata__", {}).items())), **tensors}
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[end:]


def read_header(path: Path, wanted: str) -> Header:
    """Read shapes and metadata of a file.

    Args:
        wanted: required format.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is damaged, or of another format.
    """
    with _opened(path, "numpy") as file:
        metadata = dict(file.metadata() or {})
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 -- not a dict
    found = metadata.get("format")
    if found in NETWORKS and found != wanted:
        raise KBNetError(f"expected weights of a {NETWORKS[wanted]}, but {path} holds those of a {NETWORKS[found]}")
    if found != wanted:
        raise KBNetError(
            f"expected weights that kbnet wrote, but {path} has no kbnet config inside (format '{found}'); "
            "was it written by kbnet train?"
        )
    return Header(shapes, metadata)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors by name to the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: the file is damaged, has numbers of a type that no network has, or holds NaN or infinity.
    """
    with _opened(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
    check_dense(tensors, str(path))
    check_finite(tensors, str(path))
    return tensors


def check_dense(tensors: Mapping[str, Any], origin: str) -> None:
    """Check that tensors are dense arrays of numbers of 16 to 64 bits; what is no tensor is not looked at.

    Raises:
        KBNetError: a tensor is sparse, quantised or without storage, or of another type; the message has its name.
    """
    import torch

    types = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int16, torch.int32, torch.int64)
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.dtype not in types or tensor.layout != torch.strided or tensor.is_nested or tensor.is_meta:
            raise KBNetError(
                f"expected dense tensors of 16 to 64 bits, but {origin} holds {name} as {tensor.dtype}, "
                f"{'nested' if tensor.is_nested else tensor.layout}, on {tensor.device}; save it as float32"
            )


def check_finite(tensors: Mapping[str, Tensor], origin: str) -> None:
    """Check tensors for NaN and infinity.

    Raises:
        KBNetError: a tensor holds NaN or infinity; the message has its name.
    """
    bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if bad:
        more = f" and {len(bad) - 3} others" if len(bad) > 3 else ""
        raise KBNetError(
            f"expected finite weights, but {origin} holds NaN or infinity in {', '.join(bad[:3])}{more}; "
            "fetch the file again, or train anew"
        )


def read_metadata(path: Path) -> dict[str, str]:
    """Read only the metadata; fast, and without torch."""
    with _opened(path, "numpy") as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:  # safetensors has no type annotations
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except SafetensorError as error:
        raise KBNetError(
            f"expected a safetensors file, but {path} is truncated or damaged ({error}); fetch it again"
        ) from error


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
