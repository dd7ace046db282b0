"""Networks with the propagation head: sizes, units, batches, degenerate points, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kbnet.network.guided_upsampling import guided_upsampling
from kbnet.network.inputs import NetworkInputs, prepare_inputs
from kbnet.network.kbnet import KBNet
from kbnet.network.reduced_resolution import halved_inputs, padded_inputs
from kbnet.network.trunk import Trunk
from kbnet.weights.depth_network import load_network, save_network

MakeNetwork = Callable[..., KBNet]
MakeInputs = Callable[..., tuple[Tensor, ...]]

KINDS = [
    pytest.param({}, id="alone"),
    pytest.param({"resolution": "half", "image_features": "efficientnet-lite0"}, id="features"),
]


def test_trunk_gives_features_at_half_the_resolution(
    propagation_config: Callable[..., Any], propagation_inputs: MakeInputs
) -> None:
    trunk = Trunk(propagation_config(feature_filters=(4, 4, 6))).eval()
    seen = NetworkInputs(*propagation_inputs(2, 32, 48))
    assert seen.scaffold is not None
    features = trunk(seen, seen.scaffold.log(), [])
    assert trunk.channels == 6
    assert features.shape == (2, 6, 16, 24)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(33, 47), (64, 32), (75, 102)])
@torch.no_grad()
def test_depth_has_the_size_of_the_image_whatever_it_is(
    kind: dict[str, Any],
    height: int,
    width: int,
    propagation_network: MakeNetwork,
    propagation_inputs: MakeInputs,
) -> None:
    depth = propagation_network(**kind)(*propagation_inputs(1, height, width))
    assert depth.shape == (1, 1, height, width)
    assert bool(torch.isfinite(depth).all())


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_depth_times_seven_gives_depth_times_seven(
    kind: dict[str, Any], propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network = propagation_network(min_depth=1e-3, max_depth=1e4, **kind)
    image, points, validity, K, scaffold = propagation_inputs(1, 47, 61)
    depth = network(image, points, validity, K, scaffold)
    large = network(image, 7 * points, validity, K, 7 * scaffold)
    torch.testing.assert_close(large, 7 * depth, rtol=2e-4, atol=0)
    assert float((depth / scaffold - 1).abs().mean()) > 0.01


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_frame_alone_is_completed_as_in_a_batch(
    kind: dict[str, Any], propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network, inputs = propagation_network(**kind), propagation_inputs(3, 33, 47)
    alone = torch.cat([network(*(x[i : i + 1] for x in inputs)) for i in range(3)])
    torch.testing.assert_close(network(*inputs), alone, rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_folded_network_gives_the_same_depth(
    kind: dict[str, Any], propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network, inputs = propagation_network(**kind), propagation_inputs(1, 33, 47)
    expected = network(*inputs)
    torch.testing.assert_close(network.fold()(*inputs), expected, rtol=1e-4, atol=0)


@torch.no_grad()
def test_reduced_inputs_give_the_depth_that_is_enlarged_otherwise(
    propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network, inputs = propagation_network(resolution="half"), propagation_inputs(1, 32, 64)
    halved = halved_inputs(NetworkInputs(*inputs))
    reduced = network(*halved, reduced=True)
    assert reduced.shape == (1, 1, 16, 32)
    large = guided_upsampling(reduced.log(), halved.image, inputs[0], 2).exp()
    torch.testing.assert_close(large, network(*inputs), rtol=1e-4, atol=0)


@torch.no_grad()
def test_depth_follows_the_camera_and_the_image(
    propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network = propagation_network()
    image, points, validity, K, scaffold = propagation_inputs(1, 48, 64)
    depth = network(image, points, validity, K, scaffold)
    wide = K * torch.tensor([[0.4], [0.4], [1.0]])
    for other in ((image.flip(1), points, validity, K, scaffold), (image, points, validity, wide, scaffold)):
        assert float((network(*other) / depth - 1).abs().max()) > 1e-3


def degenerate_points() -> dict[str, Tensor]:
    depth = {name: torch.zeros(1, 1, 48, 64) for name in ("none", "one", "collinear", "equal", "outliers")}
    depth["one"][..., 20, 30] = 2.0
    depth["collinear"][..., 20, ::8] = torch.linspace(1, 4, 8)
    depth["equal"][..., ::6, ::6] = 2.0
    outliers = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    depth["outliers"] = torch.where(outliers < 0.02, 0.2 + 4e3 * outliers, 0.0)
    return depth


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", degenerate_points())
@torch.no_grad()
def test_degenerate_points_give_finite_positive_depth(
    kind: dict[str, Any], name: str, propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network = propagation_network(outlier_rule="support", **kind)
    points = degenerate_points()[name]
    image, _, _, K, _ = propagation_inputs(1, 48, 64)
    depth = network(*prepare_inputs(image, points, K, network.config))
    assert bool((torch.isfinite(depth) & (depth > 0)).all())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_and_reach_every_weight_that_learns(
    kind: dict[str, Any], propagation_network: MakeNetwork, propagation_inputs: MakeInputs
) -> None:
    network = propagation_network(**kind).train()
    network(*propagation_inputs(2, 64, 96)).log().square().sum().backward()
    for name, parameter in network.named_parameters():
        if name.startswith("image_features"):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert bool(torch.isfinite(parameter.grad).all()), name


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_weights_survive_a_file_in_float16(
    kind: dict[str, Any], propagation_network: MakeNetwork, propagation_inputs: MakeInputs, tmp_path: Path
) -> None:
    network, inputs = propagation_network(**kind), propagation_inputs(1, 48, 64)
    for dtype, tolerance in ((torch.float32, 0.0), (torch.float16, 0.02)):
        save_network(network, tmp_path / "weights.safetensors", dtype=dtype)
        loaded = load_network(tmp_path / "weights.safetensors")
        assert loaded.config == network.config
        assert loaded.state_dict().keys() == network.state_dict().keys()
        torch.testing.assert_close(loaded(*inputs), network(*inputs), rtol=tolerance, atol=0)


def test_padding_repeats_the_last_row_and_column() -> None:
    x = torch.arange(6.0).view(1, 1, 2, 3)
    padded = padded_inputs(NetworkInputs(x.expand(-1, 3, -1, -1), x, x, torch.eye(3)[None], x), 4)
    expected = torch.tensor([[0.0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]])
    assert torch.equal(padded.sparse_depth[0, 0], expected)
    assert padded.image.shape == (1, 3, 4, 4)
    whole = NetworkInputs(*(torch.ones(1, 1, 4, 8) for _ in range(5)))
    assert all(torch.equal(a, b) for a, b in zip(padded_inputs(whole, 4), whole, strict=True))
