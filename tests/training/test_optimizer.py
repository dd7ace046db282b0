"""The optimiser: what decays, what does not learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.training.config import TrainingConfig
from kbnet.training.optimizer import make_optimizer
from kbnet.training.step import TrainingStep

NETWORK = KBNetConfig(
    head="propagation",
    scaffold="continued",
    normalisation="batch",
    image_features="efficientnet-lite0",
    trunk_filters=(4,) * 4,
    feature_filters=(4,) * 3,
)


def make(**changes: Any) -> tuple[KBNet, torch.optim.AdamW]:
    config = TrainingConfig(network=NETWORK, losses=LossWeights(0, 0, 1, 0), **changes)
    network = KBNet(NETWORK)
    return network, make_optimizer(config, TrainingStep.of(config, network, None))


def test_weights_decay_and_biases_and_normalisation_do_not() -> None:
    network, optimizer = make(weight_decay=0.01)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decay = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decay["trunk.stem.weight"] == decay["head.prediction.weight"] == 0.01
    assert decay["head.prediction.bias"] == decay["trunk.stem.normalisation.weight"] == 0.0
    assert set(decay) == {name for name, _ in network.named_parameters() if not name.startswith("image_features")}


def test_frozen_features_stay_and_all_else_moves() -> None:
    network, optimizer = make(weight_decay=0.01)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    image, depth = torch.rand(2, 3, 32, 32), 1 + torch.rand(2, 1, 32, 32)
    network.train()
    network(
        image, depth, torch.ones_like(depth), torch.eye(3).expand(2, 3, 3), depth.flip(-1)
    ).square().sum().backward()
    optimizer.step()
    for name, tensor in network.state_dict().items():
        if name.startswith("image_features"):
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(network.trunk.stem.weight, before["trunk.stem.weight"])
    assert not torch.equal(network.head.prediction.weight, before["head.prediction.weight"])


@pytest.mark.parametrize(("decay", "betas"), [(0.999, (0.9, 0.999)), (0.99, (0.9, 0.99))])
def test_without_weight_decay_the_optimiser_is_adam(decay: float, betas: tuple[float, float]) -> None:
    torch.manual_seed(0)
    network, optimizer = make(second_moment_decay=decay)
    twin = KBNet(NETWORK)
    twin.load_state_dict(network.state_dict())
    adam = torch.optim.Adam(twin.parameters(), lr=optimizer.param_groups[0]["lr"], betas=betas)
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        if one.requires_grad:
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
    optimizer.step()
    adam.step()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name], rtol=0, atol=1e-8, msg=name)
