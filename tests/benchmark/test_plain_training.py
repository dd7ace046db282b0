"""The yardstick's losses are the recorded ones, and its step has the loss of the package's."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kbnet.benchmark.plain_kbnet import plain_network
from kbnet.benchmark.plain_training import (
    PlainTrainingStep,
    colour_loss,
    smoothness_loss,
    sparse_depth_loss,
    structure_loss,
    warp,
)
from kbnet.losses.weights import LossWeights
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training.batch import TripletBatch
from kbnet.training.step import TrainingStep


@pytest.mark.parametrize("file", ["loss_void.npz", "loss_kitti_weights.npz"])
def test_plain_losses_equal_the_recording(shared: Path, file: str) -> None:
    recorded = np.load(shared / "golden" / file)

    def image(name: str) -> Tensor:
        return torch.from_numpy(recorded[name]).permute(2, 0, 1)[None].float() / 255

    depth, sparse_depth, validity = (
        torch.from_numpy(recorded[name]).float()[None, None]
        for name in ("depth", "filtered_sparse_depth", "filtered_validity")
    )
    K = torch.from_numpy(recorded["intrinsics"])[None]
    pairs = [("image_prev", "pose01"), ("image_next", "pose02")]
    warped = [warp(image(source), depth, K, torch.from_numpy(recorded[pose])[None]) for source, pose in pairs]
    terms = {
        "color": sum(float(colour_loss(image("image"), x)) for x in warped),
        "structure": sum(float(structure_loss(image("image"), x)) for x in warped),
        "sparse_depth": float(sparse_depth_loss(depth, sparse_depth, validity)),
        "smoothness": float(smoothness_loss(depth, image("image"))),
    }
    for name, value in terms.items():
        assert value == pytest.approx(float(recorded[f"loss_{name}"]), rel=1e-4), name


def test_plain_step_has_the_loss_and_gradient_of_the_packages() -> None:
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(2, 3, 64, 64, generator=generator) for _ in range(3)]
    points = (torch.rand(2, 1, 64, 64, generator=generator) < 0.05) * 2.0
    K = torch.tensor([[50.0, 0, 32], [0, 50, 32], [0, 0, 1]]).repeat(2, 1, 1)
    still = torch.eye(4).repeat(2, 1, 1)
    maps = [points, (points > 0).float()]
    batch = TripletBatch(
        *images, images[0], *maps, *maps, None, K, still, still, torch.zeros(2, dtype=torch.bool), points, ("a", "b")
    )
    network, pose_network = KBNet(KBNetConfig(weight_init="kaiming")), PoseNet()
    ours = TrainingStep(network, copy.deepcopy(pose_network), LossWeights()).train()
    plain = PlainTrainingStep(plain_network(network), pose_network, LossWeights()).train()
    total, expected = plain(batch), ours(batch).total
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=0)
    total.backward()
    expected.backward()
    gradients = plain.network.decoder.output.weight.grad, network.decoder.output.weight.grad
    torch.testing.assert_close(*gradients, rtol=1e-2, atol=1e-3)
