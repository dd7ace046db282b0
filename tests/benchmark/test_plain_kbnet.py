"""The yardstick is the published network, to the recorded digits, and the package's own is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kbnet.benchmark.plain_kbnet import PlainKBNet, is_published_architecture, pixel_rays, plain_network
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import load_network

PARAMETERS = 6_957_764
"""Of the published network with five pools, those that nothing reads included."""


def frame(height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator)
    measured = torch.rand(1, 1, height, width, generator=generator) < 0.02
    K = torch.tensor([[[50.0, 0, width / 2], [0, 55, height / 2], [0, 0, 1]]])
    return image, measured * (2 + image[:, :1]), measured.float(), K


@pytest.mark.parametrize("file", ["depth_void.npz", "depth_void_odd.npz"])
def test_plain_network_equals_the_recording(shared: Path, file: str) -> None:
    golden = shared / "golden"
    plain = plain_network(load_network(golden / "kbnet-void-seed1.pth", preset="void"))
    assert sum(parameter.numel() for parameter in plain.parameters()) == PARAMETERS
    recorded = np.load(golden / file)
    maps = [torch.from_numpy(recorded[name]).float()[None, None] for name in ("sparse_depth", "filtered_validity")]
    image = torch.from_numpy(recorded["image"]).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        depth = plain(image, *maps, torch.from_numpy(recorded["intrinsics"])[None])
    # One pixel of 81,920 differs by 1.13e-5 on a processor without AVX-512.
    np.testing.assert_allclose(depth[0, 0].numpy(), recorded["depth"], rtol=1.5e-5)


@pytest.mark.parametrize("scaling", ["exact", "published"])
@pytest.mark.parametrize(("preset", "size"), [("void", (64, 96)), ("kitti", (67, 49))])
def test_plain_network_equals_the_packages(preset: str, size: tuple[int, int], scaling: str) -> None:
    network = KBNet(KBNetConfig.preset(preset, intrinsics_scaling=scaling, weight_init="kaiming"))
    inputs = frame(*size)
    with torch.no_grad():
        torch.testing.assert_close(plain_network(network)(*inputs), network.eval()(*inputs), rtol=1e-4, atol=0)


def test_plain_rays_invert_a_skewed_camera() -> None:
    K = torch.tensor([[[50.0, 3, 20], [0, 55, 16], [0, 0, 1]]])
    x, y = torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="xy")
    back = torch.einsum("bij,bjhw->bihw", K, pixel_rays(K, 4, 5))
    torch.testing.assert_close(back[0], torch.stack([x, y, torch.ones_like(x)]), rtol=1e-5, atol=1e-4)


def test_plain_network_refuses_another_architecture() -> None:
    config = KBNetConfig(scaffold="linear")
    assert not is_published_architecture(config)
    with pytest.raises(ValueError, match="expected the published architecture"):
        PlainKBNet(config)
