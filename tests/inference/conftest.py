"""Small networks and inputs that every engine is tried on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kbnet.frames.sequence import Sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs, frame_inputs
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import load_network


@pytest.fixture(scope="module", params=["published", "scaffold"])
def network(request: pytest.FixtureRequest) -> KBNet:
    """Of eight channels everywhere, with weights that let the image reach the depth; read only."""
    torch.manual_seed(0)
    tiny = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    ours = {"scaffold": "linear", "residual": "spread", "normalisation": "batch"}
    config = KBNetConfig.from_dict({"weight_init": "kaiming", **tiny, **(ours if request.param == "scaffold" else {})})
    network = KBNet(config)
    torch.nn.init.normal_(network.decoder.output.weight, std=0.03)
    return network.eval()


@pytest.fixture
def make_inputs(network: KBNet) -> Callable[..., NetworkInputs]:
    """Inputs of the network by (batch, height, width) and seed."""

    def make(batch: int, height: int, width: int, *, seed: int = 0, focal_length: float = 60.0) -> NetworkInputs:
        generator = torch.Generator().manual_seed(seed)
        image = torch.rand(batch, 3, height, width, generator=generator)
        depth = 1 + 3 * torch.rand(batch, 1, height, width, generator=generator)
        validity = (torch.rand(depth.shape, generator=generator) < 0.05).float()
        K = torch.tensor([[focal_length, 0, width / 2], [0, focal_length, height / 2], [0, 0, 1]])
        scaffold = None if network.config.scaffold == "none" else depth
        return NetworkInputs(image, depth * validity, validity, K.repeat(batch, 1, 1), scaffold)

    return make


@pytest.fixture(scope="session")
def real_frame(shared: Path) -> tuple[DepthNetwork, NetworkInputs, Tensor]:
    """The bundled network ``indoor``, its inputs of a recorded frame and its depth of them; read only."""
    network = load_network("indoor")
    frame = Sequence(shared / "data/test/hololens", sparse_depth="sparse_depth_500").frame(7)
    inputs = frame_inputs(frame, network.config)
    with torch.no_grad():
        return network, inputs, network(*inputs)
