"""Encoder: image and depth branches joined by four calibrated backprojection layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from kbnet.geometry.camera import scale_intrinsics, viewing_rays
from kbnet.network.backprojection import CalibratedBackprojection
from kbnet.network.config import KBNetConfig
from kbnet.network.layers import Convolution

RayTerms: TypeAlias = "list[tuple[Tensor, Tensor]]"


class Encoder(nn.Module):
    """Encoder from image and sparse-to-dense features to latent and skip connections (section 3.2)."""

    def __init__(self, config: KBNetConfig, depth_channels: int = 8) -> None:
        super().__init__()
        self.intrinsics_scaling = config.intrinsics_scaling
        image, depth = config.image_filters, config.depth_filters
        normalise = config.normalisation == "batch"
        self.image_stem = Convolution(3, image[0], normalise=normalise)
        self.depth_stem = Convolution(depth_channels, depth[0], normalise=normalise)
        levels = len(image) - 2
        layers = [
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
        ]
        self.backprojections = nn.ModuleList(layers)
        self.image_latent = Convolution(image[-2], image[-1], stride=2, normalise=normalise)
        self.depth_latent = Convolution(depth[-2], depth[-1], stride=2, normalise=normalise)

    def ray_terms(self, intrinsics: Tensor, size: Sequence[int]) -> RayTerms:
        """:meth:`CalibratedBackprojection.ray_terms` of every level, for K, (B, 3, 3), pixels, and (H, W)."""
        terms, (height, width) = [], size
        for level, backprojection in enumerate(self.backprojections):
            assert isinstance(backprojection, CalibratedBackprojection)
            rays = viewing_rays(self._intrinsics_at(level, intrinsics, size), height, width)
            terms.append(backprojection.ray_terms(rays.to(self.depth_stem.weight.dtype)))
            height, width = (height + 1) // 2, (width + 1) // 2
        return terms

    def forward(
        self, image: Tensor, depth_features: Tensor, intrinsics: Tensor, ray_terms: RayTerms | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Encode image and depth features.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            depth_features: from :class:`SparseToDensePool`, (B, 8, H, W).
            intrinsics: K, (B, 3, 3), pixels.

        Returns:
            The latent at 1/32 of the size, and the skips at 1/2, 1/4, 1/8, 1/16, highest resolution first.
        """
        if ray_terms is None:
            ray_terms = self.ray_terms(intrinsics, image.shape[-2:])
        image, depth, fused = self.image_stem(image), self.depth_stem(depth_features), None
        skips: list[Tensor] = []
        for backprojection, terms in zip(self.backprojections, ray_terms, strict=True):
            image, depth, fused = backprojection(image, depth, terms, fused)
            skips.append(torch.cat([fused, depth], dim=1))
        return torch.cat([self.image_latent(fused), self.depth_latent(depth)], dim=1), skips

    def _intrinsics_at(self, level: int, intrinsics: Tensor, size: Sequence[int]) -> Tensor:
        """Intrinsics K at a level; its pixel i is input pixel 2^level · i.

        The released weights were trained with the ratio of the first halving at every lower level.
        """
        if level == 0:
            return intrinsics
        if self.intrinsics_scaling == "exact":
            return scale_intrinsics(intrinsics, 0.5**level, 0.5**level)
        height, width = size
        return scale_intrinsics(intrinsics, (width + 1) // 2 / width, (height + 1) // 2 / height)
