"""Exports of networks with the propagation head: the same depth in every runtime, int8 near it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from kbnet.export import openvino as kbnet_openvino
from kbnet.export.openvino import QUANTISED, export_openvino, openvino_model, signal_stack_kept
from kbnet.export.parity import INT8_TOLERANCE
from kbnet.export.torch_program import torch_program
from kbnet.frame import Frame
from kbnet.frames.sequence import Sequence
from kbnet.inference.openvino_engine import OpenVinoEngine
from kbnet.inference.torch_engine import TorchEngine
from kbnet.network.inputs import frame_inputs
from kbnet.network.kbnet import KBNet

MakeNetwork = Callable[..., KBNet]
MakeInputs = Callable[..., tuple[Tensor, ...]]

KINDS: dict[str, dict[str, Any]] = {
    "error": {"resolution": "half", "error": "predicted"},
    "full": {},
    "features": {"resolution": "half", "image_features": "efficientnet-lite0"},
}
SIZES = [("any", 33, 47), ("any", 75, 102), ("multiples-of-32", 64, 96)]


@pytest.fixture(scope="module")
def network_of(propagation_network: MakeNetwork) -> Callable[[str], KBNet]:
    """The network of a kind, made once; read only."""
    return cache(lambda kind: propagation_network(**KINDS[kind]))


@pytest.fixture(autouse=True)
def converted_once(converted: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The way through ONNX is not gone again for a network of this module."""
    monkeypatch.setattr(kbnet_openvino, "onnx_model", converted)


def depth_of(network: KBNet, inputs: tuple[Tensor, ...]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        return network(*inputs).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_gives_the_networks_depth(
    kind: str, network_of: Callable[[str], KBNet], converted: Callable[..., bytes], propagation_inputs: MakeInputs
) -> None:
    network = network_of(kind)
    sessions = {
        sizes: onnxruntime.InferenceSession(converted(network, sizes=sizes)) for sizes in dict(s[:2] for s in SIZES)
    }
    for sizes, height, width in SIZES:
        inputs = propagation_inputs(2, height, width)
        names = [each.name for each in sessions[sizes].get_inputs()]
        (depth,) = sessions[sizes].run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})
        np.testing.assert_allclose(depth, depth_of(network, inputs), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_openvino_gives_the_networks_depth(
    kind: str, network_of: Callable[[str], KBNet], propagation_inputs: MakeInputs
) -> None:
    import openvino

    network = network_of(kind)
    for sizes, height, width in SIZES[1:]:
        with signal_stack_kept():
            model = openvino.Core().compile_model(
                openvino_model(network, sizes=sizes), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
            )
        inputs = propagation_inputs(2, height, width)
        depth = model([x.numpy() for x in inputs])[0]
        np.testing.assert_allclose(depth, depth_of(network, inputs), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["error", "full"])
def test_torch_program_gives_the_networks_depth(
    kind: str, propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    """With one propagation step: torch takes long to prove a graph for any size. test_torch_program.py has files."""
    network = propagation_network(**KINDS[kind], propagation_steps=1)
    program = torch_program(network).module()
    for height, width in ((75, 102), (64, 96), (47, 33)):
        inputs = propagation_inputs(3, height, width)
        with torch.no_grad():
            np.testing.assert_allclose(program(*inputs).numpy(), depth_of(network, inputs), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_near_the_networks_depth(
    kind: str, network_of: Callable[[str], KBNet], propagation_inputs: MakeInputs
) -> None:
    network, inputs = network_of(kind), propagation_inputs(1, 64, 96)
    image, points, validity, K, scaffold = inputs
    rough = TorchEngine(network, torch.device("cpu"), "bfloat16")(image, points, validity, K, scaffold)[:, :1]
    difference = np.abs(rough.numpy() / depth_of(network, inputs)[:, :1] - 1)
    assert np.isfinite(difference).all()
    assert difference.mean() < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_int8_names_the_convolutions_of_the_trunk_and_leaves_depth_in_float(
    kind: str, network_of: Callable[[str], KBNet], converted: Callable[..., bytes]
) -> None:
    graph = onnx.load_from_string(converted(network_of(kind))).graph
    convolutions = [node.name for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    in_float = [name for name in convolutions if not re.match(QUANTISED, name)]
    expected = ("/trunk/stem/", "/head/prediction/", "/head/upsampling/upsampling.1/", "/error_head/")
    assert not {name for name in in_float if not name.startswith(expected)}
    assert len(in_float) < len(convolutions) / 2
    others = {node.name for node in graph.node if node.op_type in ("GridSample", "Softmax", "Exp", "Log", "Tanh")}
    assert others
    assert not any(re.match(QUANTISED, name) for name in others)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "features"])
def test_int8_is_near_the_networks_depth(
    kind: str, network_of: Callable[[str], KBNet], sequence: Path, frame: Frame, tmp_path: Path
) -> None:
    network, frames = network_of(kind), Sequence(sequence)
    calibration = (frames.frame(index) for index in range(len(frames)))
    path = tmp_path / "int8.xml"
    parity = export_openvino(network, path, [frame], origin={}, calibration=calibration)
    assert 1e-5 < parity.mean < INT8_TOLERANCE  # 0.065 for random weights on random image features
    engine = OpenVinoEngine(path)
    assert engine.precision == "int8"
    assert engine(*frame_inputs(frame, network.config)).shape[-2:] == (44, 70)
