from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from kbnet.export import onnx as kbnet_onnx
from kbnet.export.onnx import example_inputs, export_onnx
from kbnet.frame import Frame
from kbnet.inference.onnxruntime_engine import OnnxRuntimeEngine
from kbnet.network.config import KBNetConfig
from kbnet.network.inputs import frame_inputs
from kbnet.network.kbnet import KBNet


def run(model: bytes, inputs: tuple[torch.Tensor, ...]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0]


def inputs_of(config: KBNetConfig, height: int, width: int, batch: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    image, depth, _, K, *scaffold = example_inputs(config, height, width, batch)
    validity = (torch.rand(depth.shape, generator=generator) < 0.05).float()
    depth = 0.5 + 4 * torch.rand(depth.shape, generator=generator)
    image = torch.rand(image.shape, generator=generator)
    return (image, depth * validity, validity, K, *(depth for _ in scaffold))


@pytest.mark.parametrize(("height", "width", "batch"), [(64, 96, 1), (33, 47, 3), (75, 101, 2), (48, 36, 1)])
def test_model_gives_the_networks_depth_at_any_size_and_batch(
    network: KBNet, converted: Callable[..., bytes], height: int, width: int, batch: int
) -> None:
    inputs = inputs_of(network.config, height, width, batch)
    with torch.no_grad():
        expected = network(*inputs).numpy()
    np.testing.assert_allclose(run(converted(network), inputs), expected, rtol=1e-4)
    if height % 32 == width % 32 == 0:
        np.testing.assert_allclose(run(converted(network, sizes="multiples-of-32"), inputs), expected, rtol=1e-4)


VARIANTS: list[dict[str, Any]] = [
    {"residual": "affine"},
    {"residual": "plain", "resolution": "half"},
]


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda kind: "-".join(kind.values()))
def variant(request: pytest.FixtureRequest) -> KBNet:
    """A network with another residual or resolution; read only."""
    torch.manual_seed(0)
    filters: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    network = KBNet(KBNetConfig(scaffold="linear", weight_init="kaiming", **request.param, **filters)).eval()
    torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    return network


@pytest.mark.parametrize(("height", "width"), [(33, 47), (75, 102), (96, 64), (128, 160)])
def test_model_of_a_variant_gives_the_networks_depth(
    variant: KBNet, converted: Callable[..., bytes], height: int, width: int
) -> None:
    inputs = inputs_of(variant.config, height, width, 2)
    with torch.no_grad():
        expected = variant(*inputs).numpy()
    np.testing.assert_allclose(run(converted(variant), inputs), expected, rtol=1e-4)
    if height % 32 == width % 32 == 0:
        np.testing.assert_allclose(run(converted(variant, sizes="multiples-of-32"), inputs), expected, rtol=1e-4)


def test_model_follows_the_intrinsics(network: KBNet, converted: Callable[..., bytes]) -> None:
    inputs = list(inputs_of(network.config, 40, 56, 1))
    inputs[3] = inputs[3] * torch.tensor([[1.5], [0.7], [1.0]])
    with torch.no_grad():
        expected = network(*inputs).numpy()
    np.testing.assert_allclose(run(converted(network), tuple(inputs)), expected, rtol=1e-4)


def test_model_has_standard_operators_and_no_constant_that_half_precision_cannot_hold(
    network: KBNet, converted: Callable[..., bytes]
) -> None:
    model = onnx.load_from_string(converted(network))
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert {node.domain for node in model.graph.node} == {""}
    stored = [onnx.numpy_helper.to_array(each) for each in model.graph.initializer]
    stored += [
        onnx.numpy_helper.to_array(attribute.t)
        for node in model.graph.node
        for attribute in node.attribute
        if node.op_type == "Constant"
    ]
    floats = [array for array in stored if array.dtype == np.float32 and array.size]
    assert floats
    assert all(np.abs(array).max() <= np.finfo(np.float16).max for array in floats)


def test_half_precision_model_is_finite_and_near() -> None:
    torch.manual_seed(0)
    small = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    network = KBNet(KBNetConfig(**small)).eval()
    inputs = inputs_of(network.config, 64, 96, 1)
    with torch.no_grad():
        expected = network(*inputs)
        half = network.half()(*inputs)
    assert torch.isfinite(half).all()
    torch.testing.assert_close(half, expected, rtol=0.05, atol=0)


def test_file_says_what_it_is(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "new" / "network.onnx"
    parity = export_onnx(network, path, [frame], origin={"weights": "small"})
    assert parity.sizes == ("70x44", "47x33")
    assert parity.largest < 1e-4
    assert [file.name for file in path.parent.iterdir()] == ["network.onnx"]
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert KBNetConfig.from_dict(json.loads(metadata["config"])) == network.config
    assert json.loads(metadata["origin"]) == {"weights": "small"}
    preprocessing = json.loads(metadata["preprocessing"])
    assert preprocessing["outlier_rule"] == network.config.outlier_rule
    assert preprocessing["scaffold"] == network.config.scaffold
    assert preprocessing["sizes"] == "any"
    assert (preprocessing["depth_unit"], preprocessing["unmeasured"]) == ("metre", 0)


def test_file_for_multiples_of_32_is_checked_at_such_sizes_and_refuses_others(
    network: KBNet, frame: Frame, tmp_path: Path
) -> None:
    path = tmp_path / "network.onnx"
    parity = export_onnx(network, path, [frame], origin={}, sizes="multiples-of-32")
    assert parity.sizes == ("64x32",)
    assert parity.largest < 1e-4
    engine = OnnxRuntimeEngine(path, torch.device("cpu"))
    inputs = inputs_of(network.config, 96, 64, 2)
    with torch.no_grad():
        torch.testing.assert_close(engine(*inputs), network(*inputs), rtol=1e-4, atol=0)
    with pytest.raises(ValueError, match=r"network\.onnx was exported for .* multiples of 32, got 70x44; crop"):
        engine(*frame_inputs(frame, network.config))


def test_export_that_differs_leaves_no_file(
    network: KBNet, converted: Callable[..., bytes], frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, changed = converted(network), copy.deepcopy(network)
    monkeypatch.setattr(kbnet_onnx, "onnx_model", lambda network, **_: model)
    with torch.no_grad():
        changed.decoder.output.weight.mul_(3)
    path = tmp_path / "network.onnx"
    path.write_text("older")
    with pytest.raises(ValueError, match=r"at most 0\.0001 of the depth, got .* nothing was written"):
        export_onnx(changed, path, [frame], origin={})
    assert [file.read_text() for file in tmp_path.iterdir()] == ["older"]
