"""ONNX: any size and batch, intrinsics an input, standard operators only.

Written by torch's exporter of TorchScript graphs. The newer one, by ``torch.export``, gives the same numbers here and
takes thirty times as long (0.9 s and 30 s for a full-size network), which every start of an engine would pay; it also
needs onnxscript.
"""

from __future__ import annotations

import copy
import io
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kbnet.export.description import OUTPUT, describe
from kbnet.export.parity import Parity, Run, check_parity, measure_parity
from kbnet.export.sizes import Sizes
from kbnet.files import atomic_path
from kbnet.frame import Frame
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs
from kbnet.network.siblings.config import NetworkConfig

OPSET = 17
"""Read by ONNX Runtime from 1.13 and TensorRT from 8.5 on."""

_TRACED: dict[Sizes, tuple[int, int]] = {"any": (33, 65), "multiples-of-32": (64, 96)}
"""Height and width of the recorded graph: odd at every level, or even at every level."""

_EXPORTING = threading.Lock()
"""Held during torch's export and `warnings.catch_warnings`, which change the state of the whole process."""


def onnx_model(network: DepthNetwork, *, sizes: Sizes = "any") -> bytes:
    """Convert a network to ONNX.

    Args:
        network: network to convert; its BatchNorms are folded in a copy.
        sizes: image sizes for which the graph must be exact.

    Returns:
        A serialised ONNX model. Inputs are those of `KBNet.forward` by name, float32, dimensions ``batch``, ``height``
        and ``width`` free; the output is ``depth``, (batch, 1, height, width), metres.
    """
    ready = inference_copy(network)
    examples = example_inputs(network.config, *_TRACED[sizes])
    names = NetworkInputs._fields[: len(examples)]  # the exporter drops unused inputs
    image = {0: "batch", 2: "height", 3: "width"}
    axes = {name: {0: "batch"} if name == "intrinsics" else image for name in [*names, OUTPUT]}
    model = io.BytesIO()
    with _EXPORTING, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about traced sizes, and about a newer exporter
        torch.onnx.export(
            ready,
            examples,
            model,  # type: ignore[arg-type, unused-ignore]  # any binary file will do
            dynamo=False,
            opset_version=OPSET,
            input_names=list(names),
            output_names=[OUTPUT],
            dynamic_axes=axes,
        )
    return model.getvalue()


def export_onnx(
    network: DepthNetwork, path: Path, frames: list[Frame], *, origin: Mapping[str, str], sizes: Sizes = "any"
) -> Parity:
    """Export a network to ONNX and check its depth with ONNX Runtime.

    Args:
        path: an ``.onnx`` file; it appears complete and checked, or not at all.

    Raises:
        KBNetError: the depth differs.
        ModuleNotFoundError: onnx or onnxruntime is not installed.
    """
    import onnx

    model = onnx.load_from_string(onnx_model(network, sizes=sizes))
    model.producer_name = "kbnet"
    onnx.helper.set_model_props(model, describe(network.config, origin, sizes=sizes))
    onnx.checker.check_model(model, full_check=True)
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))
        parity = measure_parity(_run_file(temporary), inference_copy(network), frames, sizes=sizes)
        check_parity(parity)
    return parity


def example_inputs(config: NetworkConfig, height: int, width: int, batch: int = 1) -> tuple[Tensor, ...]:
    """Example inputs of a network, with a depth of 1 m everywhere."""
    depth = torch.ones(batch, 1, height, width)
    K = torch.tensor([[width, 0.0, width / 2], [0.0, width, height / 2], [0.0, 0.0, 1.0]]).expand(batch, 3, 3)
    known = (depth.expand(-1, 3, -1, -1) / 2, depth, depth, K.contiguous())
    return known if config.scaffold == "none" else (*known, depth)


def inference_copy(network: DepthNetwork) -> DepthNetwork:
    """Copy of a network in float32 on the CPU, in evaluation mode, folded."""
    return copy.deepcopy(network).to("cpu", torch.float32).eval().fold()


def _run_file(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: NetworkInputs) -> Tensor:
        feeds: dict[str, Any] = {name: getattr(inputs, name).numpy() for name in names}
        return torch.from_numpy(session.run(None, feeds)[0])

    return run
