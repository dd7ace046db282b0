"""The whole network: sizes, depth range, scaffold, gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.network.sparse_to_dense import local_range
from kbnet.points.outlier_rejection import unoccluded_points
from kbnet.points.scaffold import scaffold_from_points

TINY: dict[str, Any] = {
    "image_filters": (8, 8, 8, 8, 8, 8),
    "depth_filters": (8, 8, 8, 8, 8, 8),
    "decoder_filters": (8, 8, 8, 8, 8),
}


def frame(height: int, width: int, *, points: float = 0.05, batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image, sparse depth (two points beyond 8 m), validity and K."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, height, width, generator=generator)
    depth = 1 + 3 * torch.rand(batch, 1, height, width, generator=generator)
    depth = depth * (torch.rand(depth.shape, generator=generator) < points)
    if points:
        depth[:, :, 3, 3] = 20.0
    K = torch.tensor([[[40.0, 0, width / 2], [0, 40, height / 2], [0, 0, 1]]]).expand(batch, 3, 3)
    return image, depth, unoccluded_points(depth), K


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40), (35, 129)])
def test_depth_has_the_size_of_the_image_and_lies_in_the_range(size: tuple[int, int]) -> None:
    network = KBNet(KBNetConfig(**TINY))
    depth = network(*frame(*size))
    assert depth.shape == (2, 1, *size)
    assert depth.dtype == torch.float32
    # min / (sigmoid + min / max) reaches up to max, and down to just under min.
    assert depth.min() >= 0.1 / (1 + 0.1 / 8)
    assert depth.max() <= 8.0


@pytest.mark.parametrize("normalisation", ["none", "batch"])
@pytest.mark.parametrize("scaffold", ["none", "linear"])
def test_every_weight_gets_a_finite_gradient(normalisation: Any, scaffold: Any) -> None:
    torch.manual_seed(0)
    network = KBNet(KBNetConfig(scaffold=scaffold, normalisation=normalisation, **TINY))
    if scaffold == "linear":
        torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    image, points, validity, K = frame(64, 64)
    depth = network(image, points, validity, K, scaffold_from_points(points * validity, scaffold))
    (depth - 2).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("normalisation", ["none", "batch"])
@pytest.mark.parametrize("residual", ["plain", "affine"])
@pytest.mark.parametrize("resolution", ["full", "half"])
def test_a_fresh_scaffold_network_is_the_interpolation(normalisation: Any, residual: Any, resolution: Any) -> None:
    kind = {"normalisation": normalisation, "residual": residual, "resolution": resolution}
    network = KBNet(KBNetConfig(scaffold="linear", **kind, **TINY))
    image, points, validity, K = frame(77, 131)
    scaffold = scaffold_from_points(points * validity, "linear")
    assert scaffold is not None
    assert torch.equal(network(image, points, validity, K, scaffold), scaffold.clamp(0.1, 8.0))


def test_local_range_equals_loops() -> None:
    x = torch.rand(1, 1, 40, 45, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros_like(x)
    for row in range(40):
        for column in range(45):
            window = x[..., max(0, row - 15) : row + 16, max(0, column - 15) : column + 16]
            expected[0, 0, row, column] = window.max() - window.min()
    torch.testing.assert_close(local_range(x, 31), expected)


def test_an_affine_residual_scales_by_a_quarter_to_four_and_shifts() -> None:
    network = KBNet(KBNetConfig(scaffold="linear", residual="affine", **TINY))
    output = torch.zeros(1, 2, 1, 5)
    output[0, 0, 0, :3] = torch.tensor([-50.0, 50.0, math.atanh(0.5)])
    output[0, 1, 0, 2:] = torch.tensor([0.0, 0.5, -9.0])
    depth = network.depth_from_output(output, torch.full((1, 1, 1, 5), 1.6))
    assert depth.flatten().tolist() == pytest.approx([0.4, 6.4, 3.2, 2.1, 0.1], rel=1e-5)
    assert network.config.residual == KBNetConfig.from_dict(network.config.to_dict()).residual == "affine"


def test_without_a_scaffold_there_is_one_output_channel() -> None:
    assert KBNet(KBNetConfig(residual="affine", **TINY)).decoder.output.weight.shape[0] == 1


def test_a_scaffold_without_points_stands_for_the_middle_of_the_depth_range() -> None:
    network = KBNet(KBNetConfig(scaffold="linear", **TINY))
    image, points, validity, K = frame(32, 32, points=0.0)
    depth = network(image, points, validity, K, torch.zeros_like(points))
    torch.testing.assert_close(depth, torch.full_like(depth, math.sqrt(0.1 * 8.0)))


def test_scaffold_must_fit_the_config() -> None:
    image, points, validity, K = frame(32, 32)
    with pytest.raises(ValueError, match="with scaffold 'linear' was given no scaffold"):
        KBNet(KBNetConfig(scaffold="linear", **TINY))(image, points, validity, K)
    with pytest.raises(ValueError, match="with scaffold 'none' was given a scaffold"):
        KBNet(KBNetConfig(**TINY))(image, points, validity, K, points)


def test_samples_of_a_batch_do_not_touch_each_other() -> None:
    network = KBNet(KBNetConfig(**TINY)).eval()
    both = frame(40, 48)
    with torch.no_grad():
        joint = network(*both)
        alone = torch.cat([network(*(tensor[index : index + 1] for tensor in both)) for index in range(2)])
    torch.testing.assert_close(joint, alone)


def test_kaiming_weights_keep_features_alive_where_xavier_lets_them_fade() -> None:
    """The reason for ``weight_init``: at the latent, features of a fresh network."""
    image, points, validity, K = frame(64, 64)
    spread = {}
    for distribution in ("xavier", "kaiming"):
        torch.manual_seed(0)
        network = KBNet(KBNetConfig(weight_init=distribution))
        with torch.no_grad():
            spread[distribution] = float(network.encoder(image, network.pool(points, validity), K)[0].std())
    assert spread["kaiming"] > 5 * spread["xavier"]


def test_a_fresh_pose_network_predicts_almost_no_motion() -> None:
    torch.manual_seed(0)
    network = PoseNet()
    target, source = torch.rand(2, 2, 3, 64, 96)
    pose = network(target, source)
    assert pose.shape == (2, 4, 4)
    torch.testing.assert_close(pose, torch.eye(4).expand(2, 4, 4), rtol=0, atol=0.1)
