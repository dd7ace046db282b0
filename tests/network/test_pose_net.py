"""PoseNet: its encoders, their sizes, and that a fresh network sees almost no motion."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kbnet.network.pose_net import PoseNet

PUBLISHED_PARAMETERS = 4_063_104
UNREAD_PROJECTIONS = 32**2 + 64**2 + 128**2 + 256**2
"""Weights in a published checkpoint that nothing reads: projections of the blocks that keep their shape."""


def layer(wide_in: int, wide_out: int, kernel_size: int = 3) -> int:
    """Parameters of a normalised convolution."""
    return wide_in * wide_out * kernel_size**2 + 2 * wide_out


def parameters(network: PoseNet) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_resnet18_is_the_published_network_and_the_default() -> None:
    network = PoseNet()
    assert network.encoder_name == "resnet18"
    assert parameters(network) == PUBLISHED_PARAMETERS - UNREAD_PROJECTIONS
    assert [len(stage) for stage in network.stages] == [2, 2, 2, 2]


def test_resnet34_has_its_blocks_and_the_slim_channels() -> None:
    network = PoseNet("resnet34")
    assert [len(stage) for stage in network.stages] == [3, 4, 6, 3]
    more = sum(2 * blocks * layer(wide, wide) for blocks, wide in ((1, 32), (2, 64), (4, 128), (1, 256)))
    assert parameters(network) == parameters(PoseNet()) + more


def test_plain_is_the_seven_layer_network_of_voiced_and_fusionnet() -> None:
    network = PoseNet("plain")
    wide = (6, 16, 32, 64, 128, 256, 256, 256)
    kernel_sizes = (7, 5, 3, 3, 3, 3, 3)
    layers = sum(layer(*channels) for channels in zip(wide[:-1], wide[1:], kernel_sizes, strict=True))
    assert parameters(network) == layers + 256 * 6 == 1_587_776


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "plain"])
def test_a_fresh_network_sees_a_rigid_motion_near_none_and_learns(encoder: Any) -> None:
    torch.manual_seed(0)
    network = PoseNet(encoder)
    target, source = torch.rand(2, 2, 3, 45, 70)
    pose = network(target, source)
    assert pose.shape == (2, 4, 4)
    torch.testing.assert_close(pose, torch.eye(4).expand(2, 4, 4), rtol=0, atol=0.1)
    torch.testing.assert_close(pose[:, :3, :3] @ pose[:, :3, :3].mT, torch.eye(3).expand(2, 3, 3))
    pose.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "plain"])
def test_the_reduction_is_that_of_the_smallest_features(encoder: Any) -> None:
    network = PoseNet(encoder).eval()
    shapes: list[torch.Size] = []
    network.head.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    image = torch.rand(1, 3, network.reduction + 1, 2 * network.reduction)
    with torch.no_grad():
        network(image, image)
    assert shapes == [torch.Size([1, 6, 2, 2])]


def test_unknown_encoders_and_rotations_are_refused() -> None:
    with pytest.raises(ValueError, match="axis-angle, exponential, got 'euler'"):
        PoseNet("plain", rotation="euler")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resnet18, resnet34, plain, got 'vgg'"):
        PoseNet("vgg")  # type: ignore[arg-type]
