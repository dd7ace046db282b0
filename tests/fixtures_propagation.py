"""Tiny networks with the propagation head, and inputs for them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

MakeNetwork = Callable[..., Any]
MakeInputs = Callable[..., Any]


@pytest.fixture(scope="session")
def propagation_config() -> Callable[..., Any]:
    """A config with four channels everywhere, by changes."""
    from kbnet.network.config import KBNetConfig

    filters: dict[str, Any] = {
        "image_filters": (4,) * 6,
        "depth_filters": (4,) * 6,
        "decoder_filters": (4,) * 5,
        "trunk_filters": (4,) * 4,
        "feature_filters": (4,) * 3,
    }
    kind: dict[str, Any] = {
        "head": "propagation",
        "scaffold": "continued",
        "normalisation": "batch",
        "weight_init": "kaiming",
        "max_depth": 100.0,
    }

    def make(**changes: Any) -> KBNetConfig:
        return KBNetConfig(**{**filters, **kind, **changes})

    return make


@pytest.fixture(scope="session")
def propagation_inputs() -> MakeInputs:
    """Image, points at one pixel of fifty, validity (one point of ten is dropped), K and scaffold of a smooth scene."""
    import torch
    import torch.nn.functional as F

    def make(batch: int, height: int, width: int, *, seed: int = 0) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        scene = 2 + 2 * torch.rand(batch, 1, 4, 4, generator=generator)
        scaffold = F.interpolate(scene, size=(height, width), mode="bilinear")
        chance = torch.rand(batch, 1, height, width, generator=generator)
        depth = torch.where(chance < 0.02, scaffold * (1 + 2 * chance), 0.0)
        K = torch.tensor([[60.0, 0, width / 2], [0, 60, height / 2], [0, 0, 1]]).repeat(batch, 1, 1)
        image = torch.rand(batch, 3, height, width, generator=generator)
        return image, depth, ((depth > 0) & (chance > 0.002)).float(), K, scaffold

    return make


@pytest.fixture(scope="session")
def propagation_network(propagation_config: Callable[..., Any], propagation_inputs: MakeInputs) -> MakeNetwork:
    """An untrained network in evaluation mode whose offsets, weights and residual differ from pixel to pixel."""
    import torch

    from kbnet.network.kbnet import KBNet

    made: dict[str, KBNet] = {}

    def make(*, seed: int = 0, **changes: Any) -> KBNet:
        key = f"{seed} {sorted(changes.items())}"
        if key not in made:
            made[key] = make_anew(seed, **changes)
        return copy.deepcopy(made[key])

    def make_anew(seed: int, **changes: Any) -> KBNet:
        torch.manual_seed(seed)
        network = KBNet(propagation_config(**changes))
        for layer in (network.head.prediction, network.head.upsampling[1]):
            torch.nn.init.normal_(layer.weight, std=0.2)
        network.train()
        with torch.no_grad():
            for batch in range(3):  # for the statistics of BatchNorm
                network(*propagation_inputs(2, 64, 96, seed=batch))
        return network.eval()

    return make
