"""Safetensors files of this package: tensors, and beside them text that says what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from kbnet.atomic import atomic_path

if TYPE_CHECKING:  # torch takes seconds to import, and the text alone is read without it
    import torch
    from torch import Tensor

DEPTH_FORMAT = "kbnet-1"
POSE_FORMAT = "kbnet-pose-1"
NETWORKS = {DEPTH_FORMAT: "KBNet (depth)", POSE_FORMAT: "PoseNet (pose)"}
"""Which network a format holds, in words."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype, metadata: Mapping[str, str]) -> None:
    """Write tensors and text; the file appears whole or not at all.

    Args:
        path: the ``.safetensors`` file.
        tensors: by name.
        dtype: of the stored floating-point tensors; whole numbers stay as they are.
        metadata: text by name; ``format`` says which network it is.
    """
    from safetensors.torch import save as serialise

    stored = {
        # BatchNorm counts its steps in whole numbers, which float16 could not hold.
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in tensors.items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(serialise(stored, dict(metadata)))


def read_tensors(path: Path, wanted: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and text of one format.

    Args:
        path: the file.
        wanted: the format it must have.

    Returns:
        The tensors by name, on the CPU, and the text by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or of another format.
    """
    metadata = read_metadata(path)
    found = metadata.get("format")
    if found in NETWORKS and found != wanted:
        raise ValueError(f"expected weights of a {NETWORKS[wanted]}, but {path} holds those of a {NETWORKS[found]}")
    if found != wanted:
        raise ValueError(
            f"expected weights that kbnet wrote, but {path} has no kbnet config inside (format '{found}'); "
            "was it written by kbnet train?"
        )
    with _opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 -- not a dict


def read_metadata(path: Path) -> dict[str, str]:
    """Read the text alone, which takes no time and no torch.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged.
    """
    with _opened(path, "numpy") as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:  # safetensors annotates nothing
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except SafetensorError as error:
        raise ValueError(
            f"expected a safetensors file, but {path} is truncated or damaged ({error}); fetch it again"
        ) from error
