"""A ``.pt2`` package: the network compiled to machine code by AOTInductor, run by torch alone, in Python or C++."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kbnet.atomic import atomic_path
from kbnet.export.description import describe
from kbnet.export.onnx import example_inputs, inference_copy
from kbnet.export.parity import Parity, check_parity, measure_parity
from kbnet.frame import Frame
from kbnet.network.kbnet import KBNet


def export_torch_package(network: KBNet, path: Path, frames: list[Frame], *, origin: Mapping[str, str]) -> Parity:
    """Write ``path``, after it gave the network's depth; for the CPU, any size and batch. Compiling takes minutes.

    Args:
        network: what to export.
        path: a ``.pt2`` file, which appears whole and checked or not at all.
        frames: what to compare on.
        origin: of the weights, by any keys.

    Raises:
        ValueError: the depth differs, or torch cannot compile here: a C++ compiler is needed.
    """
    ready = inference_copy(network)
    with atomic_path(path) as temporary:
        _compile(ready, temporary, describe(network.config, origin))
        package: Any = torch._inductor.aoti_load_package(str(temporary))

        def run(inputs: tuple[Tensor, ...]) -> Tensor:
            depth: Tensor = package(*inputs)
            return depth

        parity = measure_parity(run, ready, frames)
        check_parity(parity)
    return parity


def _compile(network: KBNet, path: Path, metadata: dict[str, str]) -> None:
    inputs = example_inputs(network.config, 96, 160, batch=2)
    any_length = torch.export.Dim.DYNAMIC  # type: ignore[attr-defined, unused-ignore]
    shapes = [{0: any_length} if x.ndim == 3 else {0: any_length, 2: any_length, 3: any_length} for x in inputs]
    settings = {"aot_inductor.metadata": metadata}
    try:
        with torch.no_grad():
            program = torch.export.export(network, inputs, dynamic_shapes=tuple(shapes))
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
    except Exception as error:  # compilers fail in many ways
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(
            f"torch {torch.__version__} could not compile the network ({reason}); it needs a C++ compiler such as g++; "
            "or export onnx"
        ) from error
