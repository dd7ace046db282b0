"""The optimiser: what decays, what learns at which rate, what does not learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kbnet.errors import KBNetError
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.training.checkpoint import restore_optimizer
from kbnet.training.config import TrainingConfig
from kbnet.training.optimizer import make_optimizer
from kbnet.training.step import TrainingStep

NETWORK = KBNetConfig(
    head="propagation",
    trunk="plain",
    scaffold="continued",
    normalisation="batch",
    image_features="efficientnet-lite0",
    trunk_filters=(4,) * 4,
    feature_filters=(4,) * 3,
)


def make(**changes: Any) -> tuple[KBNet, torch.optim.AdamW]:
    config = TrainingConfig(network=NETWORK, losses=LossWeights(0, 0, 1, 0), **changes)
    network = KBNet(NETWORK)
    assert network.image_features is not None
    network.image_features.requires_grad_(config.image_features_rate > 0)
    return network, make_optimizer(config, TrainingStep.of(config, network, None))


def groups_of(network: KBNet, optimizer: torch.optim.AdamW) -> dict[str, tuple[float, float]]:
    """Decay and share of the learning rate of every parameter that learns, by name."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: (group["weight_decay"], group["rate_share"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_weights_decay_and_biases_and_normalisation_do_not() -> None:
    network, optimizer = make(weight_decay=0.01)
    groups = groups_of(network, optimizer)
    assert groups["trunk.stem.weight"] == (0.01, 1.0)
    assert groups["head.prediction.weight"] == (0.01, 1.0)
    assert groups["head.prediction.bias"] == (0.0, 1.0)
    assert groups["trunk.stem.normalisation.weight"] == (0.0, 1.0)
    assert set(groups) == {name for name, _ in network.named_parameters() if not name.startswith("image_features")}


def test_pretrained_features_learn_at_their_share_of_the_rate() -> None:
    network, optimizer = make(image_features_rate=0.1, weight_decay=0.01)
    groups = groups_of(network, optimizer)
    assert set(groups) == {name for name, _ in network.named_parameters()}
    assert groups["image_features.stem.convolution.weight"] == (0.01, 0.1)
    assert groups["image_features.stem.normalisation.bias"] == (0.0, 0.1)


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


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.1), (0.1, 0.0), (0.1, 0.2)])
def test_a_run_resumed_with_another_rate_of_image_features_is_one_line(
    tmp_path: Path, before: float, after: float
) -> None:
    saved = make(image_features_rate=before)[1].state_dict()
    with pytest.raises(KBNetError, match="image_features_rate") as caught:
        restore_optimizer(make(image_features_rate=after)[1], saved, tmp_path)
    assert "\n" not in str(caught.value)
    restore_optimizer(make(image_features_rate=before)[1], saved, tmp_path)
