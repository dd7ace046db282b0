"""The encoder: image and depth branches joined by four calibrated backprojection layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.geometry.camera import scale_intrinsics, viewing_rays
from kbnet.network.backprojection import CalibratedBackprojection
from kbnet.network.config import KBNetConfig
from kbnet.network.layers import Convolution


class Encoder(nn.Module):
    """Image and sparse-to-dense features in, latent and skip connections out (section 3.2)."""

    def __init__(self, config: KBNetConfig, depth_channels: int = 8) -> None:
        super().__init__()
        self.intrinsics_scaling = config.intrinsics_scaling
        image, depth = config.image_filters, config.depth_filters
        normalise = config.normalisation == "batch"
        self.image_stem = Convolution(3, image[0], normalise=normalise)
        self.depth_stem = Convolution(depth_channels, depth[0], normalise=normalise)
        levels = len(image) - 2
        self.backprojections = nn.ModuleList(
            CalibratedBackprojection(
                image[level],
                depth[level],
                image[level] if level > 0 else 0,
                image[level + 1],
                depth[level + 1],
                last=level == levels - 1,
                normalise=normalise,
            )
            for level in range(levels)
        )
        self.image_latent = Convolution(image[-2], image[-1], stride=2, normalise=normalise)
        self.depth_latent = Convolution(depth[-2], depth[-1], stride=2, normalise=normalise)

    def forward(self, image: Tensor, depth_features: Tensor, intrinsics: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            depth_features: from :class:`SparseToDensePool`, (B, 8, H, W).
            intrinsics: K, (B, 3, 3), pixels.

        Returns:
            The latent at 1/32 of the size, and the skips at 1/2, 1/4, 1/8, 1/16, highest resolution first.
        """
        size = image.shape[-2:]
        image, depth, fused = self.image_stem(image), self.depth_stem(depth_features), None
        skips: list[Tensor] = []
        for level, backprojection in enumerate(self.backprojections):
            level_intrinsics = self._intrinsics_at(level, intrinsics, size)
            rays = viewing_rays(level_intrinsics, *depth.shape[-2:]).to(depth.dtype)
            image, depth, fused = backprojection(image, depth, rays, fused)
            skips.append(torch.cat([fused, depth], dim=1))
        return torch.cat([self.image_latent(fused), self.depth_latent(depth)], dim=1), skips

    def _intrinsics_at(self, level: int, intrinsics: Tensor, size: torch.Size) -> Tensor:
        """K at a level; pixel i there is input pixel 2^level · i.

        The released weights were trained with the ratio of the first halving at every lower level.
        """
        if level == 0:
            return intrinsics
        if self.intrinsics_scaling == "exact":
            return scale_intrinsics(intrinsics, 0.5**level, 0.5**level)
        height, width = size
        return scale_intrinsics(intrinsics, (width + 1) // 2 / width, (height + 1) // 2 / height)
