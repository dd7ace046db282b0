"""What a CUDA device must not change: depth, losses, and where tensors are. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from kbnet.frame import Frame, Triplet
from kbnet.inference.completer import DepthCompleter
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.augmentation import AugmentedTriplet
from kbnet.training.batch import TripletBatch, join_samples, make_sample
from kbnet.training.step import StepOptions, TrainingStep

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
HEIGHT, WIDTH = 96, 128
BFLOAT16_MEAN, BFLOAT16_LARGEST = 0.01, 0.06
"""Relative errors of depth that bfloat16 may make: three times what it makes on a CPU with these networks."""


@pytest.fixture(autouse=True)
def exact_float32() -> Iterator[None]:
    """Let float32 be float32: by default torch keeps 10 bits of the inputs of convolutions on a CUDA device (TF32)."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture(params=["published", "scaffold"])
def network(request: pytest.FixtureRequest) -> KBNet:
    """Both kinds of network, as large as published, with weights that let the image reach the depth."""
    torch.manual_seed(0)
    ours: dict[str, Any] = {"scaffold": "linear", "outlier_rule": "support", "normalisation": "batch"}
    network = KBNet(KBNetConfig(weight_init="kaiming", **(ours if request.param == "scaffold" else {})))
    torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    return network.eval()


def frame(seed: int = 0) -> Frame:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth = np.linspace(4, 1.5, HEIGHT, dtype=np.float32)[:, None] * np.ones(WIDTH, np.float32)
    points = np.where(generator.random(depth.shape) < 0.02, depth, np.float32(0))
    K = np.array([[100, 0, WIDTH / 2], [0, 100, HEIGHT / 2], [0, 0, 1]], np.float32)
    return Frame(image, points, K, ground_truth=depth)


def tensors() -> tuple[Tensor, Tensor, Tensor]:
    one = frame()
    return (
        torch.from_numpy(one.image).permute(2, 0, 1)[None],
        torch.from_numpy(one.sparse_depth)[None, None],
        torch.from_numpy(one.intrinsics)[None],
    )


def complete(
    network: KBNet, device: str, precision: Literal["float32", "bfloat16"] = "float32"
) -> np.ndarray[Any, np.dtype[np.float32]]:
    one = frame()
    return DepthCompleter(network, device=device, precision=precision)(one.image, one.sparse_depth, one.intrinsics)


def batch(config: KBNetConfig) -> TripletBatch:
    samples = []
    for seed in range(2):
        one, previous, following = (frame(seed=3 * seed + i) for i in range(3))
        triplet = Triplet(one, previous.image, following.image)
        samples.append(make_sample(AugmentedTriplet(triplet, one.image, one.sparse_depth), config, f"made/{seed}"))
    return join_samples(samples)


def test_image_has_a_say_in_the_depth_that_is_compared(network: KBNet) -> None:
    image, points, K = tensors()
    completer = DepthCompleter(network, device=DEVICE)
    change = completer(255 - image, points, K) / completer(image, points, K) - 1
    assert change.abs().mean() > 0.02


def test_depth_on_the_gpu_equals_that_on_the_cpu(network: KBNet) -> None:
    expected = complete(network, "cpu")
    np.testing.assert_allclose(complete(network, DEVICE), expected, rtol=1e-4)


def test_bfloat16_on_the_gpu_stays_near_float32(network: KBNet) -> None:
    expected = complete(network, "cpu")
    error = np.abs(complete(network, DEVICE, "bfloat16") / expected - 1)
    assert error.mean() < BFLOAT16_MEAN
    assert error.max() < BFLOAT16_LARGEST


def test_depth_comes_back_to_the_device_of_the_input(network: KBNet) -> None:
    completer = DepthCompleter(network, device=DEVICE)
    there = completer(*(tensor.to(DEVICE) for tensor in tensors()))
    here = completer(*tensors())
    assert (there.device.type, here.device.type) == (DEVICE, "cpu")
    torch.testing.assert_close(there.cpu(), here)
    assert next(network.parameters()).device.type == "cpu", "the network that was handed over stays where it was"


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_training_step_on_the_gpu_is_finite_and_changes_every_part(network: KBNet, bfloat16: bool) -> None:
    step = TrainingStep(network.train(), PoseNet(), LossWeights(supervised=1.0), StepOptions(bfloat16=bfloat16)).to(
        DEVICE
    )
    optimizer = torch.optim.Adam(step.parameters(), lr=1e-4)
    on_device = batch(network.config).to(torch.device(DEVICE))
    held = {field.name: getattr(on_device, field.name) for field in fields(on_device)}
    assert {tensor.device.type for tensor in held.values() if isinstance(tensor, Tensor)} == {DEVICE}

    before = {name: value.detach().clone() for name, value in step.named_parameters()}
    result = step(on_device)
    result.total.backward()
    optimizer.step()

    assert {tensor.device.type for tensor in (result.total, result.depth, *result.reconstructions)} == {DEVICE}
    assert all(torch.isfinite(term).all() for term in (result.total, result.depth, *result.terms.values()))
    after = dict(step.named_parameters())
    assert all(torch.isfinite(value).all() for value in after.values())
    for part in ("network.pool", "network.encoder", "network.decoder", "pose_network"):
        assert any(not torch.equal(before[name], after[name]) for name in after if name.startswith(part)), part


@pytest.mark.parametrize("adaptive_weighting", [False, True])
def test_losses_on_the_gpu_equal_those_on_the_cpu(network: KBNet, adaptive_weighting: bool) -> None:
    weights = LossWeights(supervised=1.0, prior=float(network.config.scaffold != "none"))
    step = TrainingStep(network, PoseNet().eval(), weights, StepOptions(adaptive_weighting=adaptive_weighting))
    made = batch(network.config)
    with torch.no_grad():
        expected = {name: float(term) for name, term in step(made).terms.items()}
        found = {name: float(term) for name, term in step.to(DEVICE)(made.to(torch.device(DEVICE))).terms.items()}
    assert found == pytest.approx(expected, rel=1e-3)
