from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kbnet.export.onnx import example_inputs, onnx_model
from kbnet.inference import onnxruntime_engine
from kbnet.inference.onnxruntime_engine import OnnxRuntimeEngine
from kbnet.network.config import KBNetConfig
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs
from kbnet.network.kbnet import KBNet

CPU = torch.device("cpu")


def small_network() -> KBNet:
    torch.manual_seed(0)
    return KBNet(KBNetConfig(image_filters=(8,) * 6, depth_filters=(8,) * 6, decoder_filters=(8,) * 5)).eval()


def test_engine_gives_the_networks_depth_on_a_real_frame(
    real_frame: tuple[DepthNetwork, NetworkInputs, Tensor],
) -> None:
    network, inputs, expected = real_frame
    torch.testing.assert_close(OnnxRuntimeEngine(network, CPU)(*inputs), expected, rtol=1e-4, atol=0)


def test_engine_takes_changing_sizes_and_batches() -> None:
    network = small_network()
    engine = OnnxRuntimeEngine(network, CPU)
    for height, width, batch in [(64, 96, 1), (40, 33, 2), (64, 96, 2), (64, 96, 1)]:
        inputs = example_inputs(network.config, height, width, batch)
        with torch.no_grad():
            torch.testing.assert_close(engine(*inputs), network(*inputs), rtol=1e-4, atol=0)


def test_engine_refuses_a_device_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="install onnxruntime-gpu, or choose engine='torch'"):
        OnnxRuntimeEngine(small_network(), torch.device("meta"))


def test_engine_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime_engine, "available", lambda: False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kbnet\[export\]'"):
        OnnxRuntimeEngine(small_network(), CPU)


def test_operator_that_is_lacking_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("NOT_IMPLEMENTED : Resize(17)\nmore")

    engine = OnnxRuntimeEngine(small_network(), CPU)
    monkeypatch.setattr(sys.modules[onnxruntime.__name__], "InferenceSession", refuse)
    with pytest.raises(ValueError, match=r"for 48x40 \(NOT_IMPLEMENTED : Resize\(17\)\); choose engine='torch'"):
        engine(*example_inputs(KBNetConfig(), 40, 48))


def test_engine_wants_the_scaffold_if_and_only_if_the_network_has_one() -> None:
    engine = OnnxRuntimeEngine(small_network(), CPU)
    inputs = example_inputs(KBNetConfig(), 40, 48)
    with pytest.raises(ValueError, match="expected the inputs image, sparse_depth, validity, intrinsics, got 5"):
        engine(*inputs, inputs[1])


def test_file_that_is_missing_damaged_or_not_kbnets_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    with pytest.raises(FileNotFoundError, match=r"there is no .*network\.onnx; check the path"):
        OnnxRuntimeEngine(path, CPU)
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"cannot be read \(.*\); export it again") as caught:
        OnnxRuntimeEngine(path, CPU)
    assert "\n" not in str(caught.value)
    path.write_bytes(onnx_model(small_network()))
    with pytest.raises(ValueError, match="make it with kbnet export"):
        OnnxRuntimeEngine(path, CPU)
