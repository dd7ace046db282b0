"""Exports of VOICED, ScaffNet, FusionNet: the network's depth in every runtime, with the inputs that each reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import kbnet
from kbnet.export.onnx import export_onnx
from kbnet.export.openvino import export_openvino
from kbnet.export.sizes import Sizes
from kbnet.frame import Frame
from kbnet.inference.completer import DepthCompleter
from kbnet.network.build import network_of
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.siblings.config import FusionNetConfig, ScaffNetConfig, VoicedConfig

CONFIGS = (VoicedConfig(), ScaffNetConfig(), FusionNetConfig())


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda config: config.system)
def network(request: pytest.FixtureRequest) -> DepthNetwork:
    """With initial weights; read only."""
    torch.manual_seed(0)
    return network_of(request.param).eval()


@pytest.mark.parametrize("sizes", ["any", "multiples-of-32"])
def test_onnx_file_reads_what_the_network_reads_and_gives_its_depth(
    sizes: Sizes, network: DepthNetwork, frame: Frame, tmp_path: Path
) -> None:
    path = tmp_path / "network.onnx"
    assert export_onnx(network, path, [frame], origin={}, sizes=sizes).largest < 1e-4
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == set(network.config.reads)


def test_openvino_file_completes_as_the_network_does(network: DepthNetwork, frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "network.xml"
    assert export_openvino(network, path, [frame], origin={}).largest < 1e-4
    given = (frame.image, frame.sparse_depth, frame.intrinsics)
    expected = DepthCompleter(network, engine="torch", device="cpu")(*given)
    np.testing.assert_allclose(kbnet.load(path)(*given), expected, rtol=1e-4)
