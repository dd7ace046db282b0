"""Calibrated backprojection: image features lifted into space by depth and the camera's intrinsics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.network.layers import Convolution


class CalibratedBackprojection(nn.Module):
    """One KB layer; halves the resolution (section 3.2).

    Args:
        image_channels: channels of the image features that come in.
        depth_channels: channels of the depth features that come in.
        fused_channels: channels of the fused features of the layer before; 0 for the first layer.
        image_filters: channels of image and fused features that go out.
        depth_filters: channels of the depth features that go out.
        last: nothing reads the image branch of the last layer, so it has none.
        normalise: put a BatchNorm into every convolution but the one that predicts z.
    """

    def __init__(
        self,
        image_channels: int,
        depth_channels: int,
        fused_channels: int,
        image_filters: int,
        depth_filters: int,
        *,
        last: bool = False,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        self.image_convolution = (
            None if last else Convolution(image_channels, image_filters, stride=2, normalise=normalise)
        )
        self.depth_convolution = Convolution(depth_channels + 3, depth_filters, stride=2, normalise=normalise)
        self.depth_projection = Convolution(depth_channels, 1, 1)
        self.fused_convolution = Convolution(image_channels + 3 + fused_channels, image_filters, 1, normalise=normalise)

    def forward(
        self, image: Tensor, depth: Tensor, rays: Tensor, fused: Tensor | None
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """Fuse image and depth features at half the resolution.

        Args:
            image: image features, (B, image_channels, H, W).
            depth: depth features, (B, depth_channels, H, W).
            rays: K⁻¹ [x, y, 1] at this resolution, (B, 3, H, W).
            fused: fused features of the layer before, (B, fused_channels, H, W); None at the first.

        Returns:
            Image features (None at the last layer), depth features and fused features at (⌈H/2⌉, ⌈W/2⌉).
        """
        image_out = None if self.image_convolution is None else self.image_convolution(image)
        depth_out = self.depth_convolution(torch.cat([depth, rays], dim=1))
        # A strided 1x1 convolution reads every second pixel only: take those first, exactly, at a quarter of the cost.
        every_second = (slice(None), slice(None), slice(None, None, 2), slice(None, None, 2))
        points = rays[every_second] * self.depth_projection(depth[every_second])
        joined = [image[every_second], points] if fused is None else [image[every_second], points, fused[every_second]]
        return image_out, depth_out, self.fused_convolution(torch.cat(joined, dim=1))
