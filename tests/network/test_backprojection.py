"""The backprojection layer's sub-sampling before 1x1 convolutions, against strided convolutions of everything."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from kbnet.geometry.camera import viewing_rays
from kbnet.network.backprojection import CalibratedBackprojection

INTRINSICS = torch.tensor([[[20.0, 0, 7], [0, 22, 5], [0, 0, 1]]])


@pytest.mark.parametrize("size", [(10, 14), (11, 15)])
@pytest.mark.parametrize("fused_channels", [0, 5])
def test_layer_equals_strided_convolutions(size: tuple[int, int], fused_channels: int) -> None:
    torch.manual_seed(0)
    layer = CalibratedBackprojection(4, 3, fused_channels, 6, 7).double()
    image, depth = torch.randn(1, 4, *size).double(), torch.randn(1, 3, *size).double()
    fused = torch.randn(1, fused_channels, *size).double() if fused_channels else None
    rays = viewing_rays(INTRINSICS.double(), *size)

    z = F.leaky_relu(F.conv2d(depth, layer.depth_projection.weight), 0.2)
    joined = torch.cat([image, rays * z, *([] if fused is None else [fused])], dim=1)
    assert layer.image_convolution is not None
    expected = (
        F.conv2d(image, layer.image_convolution.weight, stride=2, padding=1),
        F.conv2d(torch.cat([depth, rays], dim=1), layer.depth_convolution.weight, stride=2, padding=1),
        F.conv2d(joined, layer.fused_convolution.weight, stride=2),
    )
    for value, linear in zip(layer(image, depth, layer.ray_terms(rays), fused), expected, strict=True):
        torch.testing.assert_close(value, F.leaky_relu(linear, 0.2))


def test_last_layer_has_no_image_branch() -> None:
    layer = CalibratedBackprojection(4, 3, 5, 6, 7, last=True)
    names = [name for name, _ in layer.named_parameters()]
    assert not any(name.startswith("image_convolution") for name in names)
    image, depth, fused = (torch.zeros(1, channels, 8, 8) for channels in (4, 3, 5))
    assert layer(image, depth, layer.ray_terms(viewing_rays(INTRINSICS, 8, 8)), fused)[0] is None
