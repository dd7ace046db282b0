"""The torch engine: what it keeps between frames, and on a GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from kbnet.inference.engine import TOLERANCE
from kbnet.inference.torch_engine import TorchEngine
from kbnet.network.encoder import Encoder
from kbnet.network.kbnet import KBNet

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_rays_are_computed_once_for_a_camera(
    network: KBNet, make_inputs: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_terms, cameras = Encoder.ray_terms, []
    monkeypatch.setattr(Encoder, "ray_terms", lambda *given: cameras.append(given[1:]) or ray_terms(*given))
    engine = TorchEngine(network, CPU, "float32")
    for seed in range(3):
        engine(*make_inputs(1, 32, 32, seed=seed))
    assert len(cameras) == 1
    engine(*make_inputs(1, 32, 32, focal_length=61))
    engine(*make_inputs(1, 32, 48, focal_length=61))
    engine(*make_inputs(2, 32, 48, focal_length=61))
    assert len(cameras) == 4


def test_a_camera_changed_in_place_is_noticed(network: KBNet, make_inputs: Callable[..., Any]) -> None:
    engine, inputs = TorchEngine(network, CPU, "float32"), make_inputs(1, 32, 32)
    before = engine(*inputs)
    inputs[3][:, 0, 0] *= 2
    assert not torch.equal(engine(*inputs), before)


def test_the_network_that_is_given_stays_as_it_is(network: KBNet, make_inputs: Callable[..., Any]) -> None:
    network = copy.deepcopy(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    TorchEngine(network.train(), CPU, "bfloat16")(*make_inputs(1, 32, 32))
    after = network.state_dict()
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.fixture
def exact_float32() -> Iterator[None]:
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.gpu
@pytest.mark.usefixtures("exact_float32")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@torch.no_grad()
def test_captured_graphs_follow_size_camera_and_batch(
    network: KBNet, make_inputs: Callable[..., Any], precision: str
) -> None:
    engine = TorchEngine(network, CUDA, precision)
    shapes = [(1, 64, 64), (1, 64, 64), (2, 45, 67), (1, 64, 96), (1, 96, 96), (1, 128, 96), (1, 64, 64)]
    for seed, shape in enumerate(shapes):
        inputs = make_inputs(*shape, seed=seed, focal_length=60 + seed)
        depth = engine(*(None if x is None else x.to(CUDA) for x in inputs))
        assert depth.device.type == "cuda"
        torch.testing.assert_close(depth.cpu(), network(*inputs), rtol=TOLERANCE[precision], atol=0)
        torch.testing.assert_close(engine(*inputs), depth.cpu())


@pytest.mark.gpu
def test_a_thousand_frames_take_no_gpu_memory_and_do_not_overwrite_each_other(
    network: KBNet, make_inputs: Callable[..., Any]
) -> None:
    engine, inputs = TorchEngine(network, CUDA, "bfloat16"), make_inputs(1, 64, 64)
    first = engine(*(None if x is None else x.to(CUDA) for x in inputs))
    kept, before = first.clone(), torch.cuda.memory_allocated()
    for seed in range(1000):
        engine(*(None if x is None else x.to(CUDA) for x in make_inputs(1, 64, 64, seed=seed % 3)))
    assert torch.equal(first, kept)
    assert torch.cuda.memory_allocated() <= before + 2**20
