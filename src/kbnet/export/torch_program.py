"""Export to ``.pt2`` by ``torch.export``: a graph that torch runs without this package."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.errors import KBNetError
from kbnet.export.description import describe
from kbnet.export.onnx import example_inputs, inference_copy
from kbnet.export.parity import Parity, check_parity, measure_parity
from kbnet.export.sizes import FACTOR, Sizes
from kbnet.files import atomic_path
from kbnet.frame import Frame
from kbnet.network.decoder import Decoder, UpConvolution
from kbnet.network.depth_network import DepthNetwork

DESCRIPTION = "kbnet.json"
"""Name of the description inside the ``.pt2``, in ``extra_files`` of `torch.export.load`."""

SMALLEST: dict[Sizes, int] = {"any": FACTOR + 1, "multiples-of-32": 2 * FACTOR}
"""Smallest width and height, pixels, with two at the lowest level; one would need another graph."""

LARGEST = 2**15
"""Largest width and height, pixels."""

_TRACED: dict[Sizes, tuple[int, int]] = {"any": (101, 167), "multiples-of-32": (96, 160)}
"""Height and width of the recorded graph."""


def export_torch_program(
    network: DepthNetwork, path: Path, frames: list[Frame], *, origin: Mapping[str, str], sizes: Sizes = "any"
) -> Parity:
    """Export a network to a ``.pt2`` for the CPU, any batch, and check its depth.

    Args:
        path: a ``.pt2`` file; it appears complete and checked, or not at all.
        sizes: image sizes for which the graph must be exact, from ``SMALLEST`` on.

    Raises:
        KBNetError: the depth differs, a frame is too small, or this version of torch cannot export the network.
    """
    for frame in frames:
        if min(frame.size) < SMALLEST[sizes]:
            least, (height, width) = SMALLEST[sizes], frame.size
            raise KBNetError(
                f"expected frames of at least {least}x{least} pixels to check a torch program on, "
                f"got {width}x{height}; check on larger ones"
            )
    program = torch_program(network, sizes=sizes)
    with atomic_path(path) as temporary:
        described = json.dumps(describe(network.config, origin, sizes=sizes))
        content = io.BytesIO()  # torch ends the process when it cannot write to a file
        torch.export.save(program, content, extra_files={DESCRIPTION: described})
        temporary.write_bytes(content.getvalue())
        loaded = torch.export.load(temporary).module()
        parity = measure_parity(lambda inputs: loaded(*inputs.given()), inference_copy(network), frames, sizes=sizes)
        check_parity(parity)
    return parity


def torch_program(network: DepthNetwork, *, sizes: Sizes = "any") -> torch.export.ExportedProgram:
    """Record a network as a torch program.

    Args:
        network: network to record; its BatchNorms are folded in a copy.

    Returns:
        A program with the inputs and the output of `KBNet.forward`, batch, height and width free. Programs of siblings
        ignore the inputs that the network does not use.

    Raises:
        KBNetError: this version of torch cannot export the network.
    """
    ready = inference_copy(network)
    if sizes == "any":
        for module in (each for each in list(ready.modules()) if isinstance(each, Decoder)):
            module.levels = nn.ModuleList(_Resizing(level) for level in module.levels)
    for buffer in ready.buffers():
        buffer.data = buffer.contiguous()  # torch.export.save warns about views
    # Clones, because torch.export treats inputs with shared memory as one input.
    inputs = tuple(x.clone() for x in example_inputs(network.config, *_TRACED[sizes], batch=2))
    batch = torch.export.Dim("batch", min=1)
    height, width = _lengths(sizes)
    shapes = tuple({0: batch} if x.ndim == 3 else {0: batch, 2: height, 3: width} for x in inputs)
    try:
        with torch.no_grad():
            # Deferred: torch cannot prove that (n + 1) // 2 equals (n - 1) // 2 + 1.
            return torch.export.export(
                ready, inputs, dynamic_shapes=shapes, prefer_deferred_runtime_asserts_over_guards=True
            )
    except Exception as error:  # torch.export raises many types
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise KBNetError(
            f"torch {torch.__version__} cannot export the network ({reason}); use a newer one, or export onnx"
        ) from error


def _lengths(sizes: Sizes) -> tuple[torch.export.Dim, torch.export.Dim]:
    if sizes == "any":
        height, width = (torch.export.Dim(name, min=SMALLEST["any"], max=LARGEST) for name in ("height", "width"))
        return height, width
    rows, columns = (torch.export.Dim(name, min=2, max=LARGEST // FACTOR) for name in ("rows", "columns"))
    return FACTOR * rows, FACTOR * columns


class _Resizing(nn.Module):
    """Up-convolution that always resizes, because a graph cannot choose between two forms."""

    def __init__(self, level: nn.Module) -> None:
        assert isinstance(level, UpConvolution)
        super().__init__()
        self.up_convolution = level.up_convolution
        self.convolution = level.convolution

    def forward(self, x: Tensor, size: tuple[int, int], skip: Tensor | None) -> Tensor:
        """Same as `UpConvolution.forward`."""
        x = self.up_convolution(F.interpolate(x, size=tuple(size), mode="nearest"))
        joined: Tensor = self.convolution(x if skip is None else torch.cat([x, skip], dim=1))
        return joined
