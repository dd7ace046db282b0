"""Calibrated backprojection layer: image features lifted into 3-D by depth and intrinsics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.network.layers import Convolution

EVERY_SECOND = (slice(None), slice(None), slice(None, None, 2), slice(None, None, 2))


class CalibratedBackprojection(nn.Module):
    """Calibrated backprojection (KB) layer; halves the resolution (section 3.2).

    Args:
        fused_channels: channels of the fused features of the previous layer; 0 for the first layer.
        image_filters: channels of the output image and fused features.
        depth_filters: channels of the output depth features.
        last: no image branch, because nothing reads it in the last layer.
        normalise: add a BatchNorm to every convolution except the one that predicts z.
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

    def ray_terms(self, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Part of the layer that depends on the camera only; constant for a fixed camera.

        Args:
            rays: K⁻¹ [x, y, 1] at this resolution, (B, 3, H, W).

        Returns:
            Rays of every second pixel, (B, 3, ⌈H/2⌉, ⌈W/2⌉), and their contribution to the depth branch before its
            activation, (B, depth_filters, ⌈H/2⌉, ⌈W/2⌉).
        """
        return rays[EVERY_SECOND], self.depth_convolution.linear(rays)

    def forward(
        self, image: Tensor, depth: Tensor, ray_terms: tuple[Tensor, Tensor], fused: Tensor | None
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """Fuse image and depth features at half the resolution.

        Args:
            image: image features, (B, image_channels, H, W).
            depth: depth features, (B, depth_channels, H, W).
            fused: fused features of the previous layer, (B, fused_channels, H, W); None at the first.

        Returns:
            Image features (None at the last layer), depth features and fused features at (⌈H/2⌉, ⌈W/2⌉).
        """
        image_out = None if self.image_convolution is None else self.image_convolution(image)
        rays, added_by_rays = ray_terms
        depth_out = self.depth_convolution(depth, added_by_rays)
        # A strided 1x1 convolution reads every second pixel only. Selecting them first is exact and costs a quarter.
        z = self.depth_projection(depth[EVERY_SECOND])
        points = rays.to(z.dtype) * z
        joined = [image[EVERY_SECOND], points] if fused is None else [image[EVERY_SECOND], points, fused[EVERY_SECOND]]
        return image_out, depth_out, self.fused_convolution(torch.cat(joined, dim=1))
