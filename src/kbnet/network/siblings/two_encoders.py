"""Image and depth encoders of VOICED and FusionNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.network.siblings.vgg_encoder import DEPTH_FILTERS, IMAGE_FILTERS, VGGEncoder

SKIP_CHANNELS = [image + depth for image, depth in zip(IMAGE_FILTERS[:-1], DEPTH_FILTERS[:-1], strict=True)]
"""Channels of the joined skips, highest resolution first."""
LATENT_CHANNELS = IMAGE_FILTERS[-1] + DEPTH_FILTERS[-1]


class TwoEncoders(nn.Module):
    """Encoders of the image and of two depth channels. Latent and skips are joined as ``[image, depth]``."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.image = VGGEncoder(3, IMAGE_FILTERS, layers=layers)
        self.depth = VGGEncoder(2, DEPTH_FILTERS, layers=layers)

    def forward(self, image: Tensor, depth: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode image and depth.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            depth: (B, 2, H, W).

        Returns:
            The latent at 1/32, (B, 512, h, w), and the skips at 1/2, 1/4, 1/8, 1/16.
        """
        (image_latent, image_skips), (depth_latent, depth_skips) = self.image(image), self.depth(depth)
        skips = [torch.cat(pair, dim=1) for pair in zip(image_skips, depth_skips, strict=True)]
        return torch.cat([image_latent, depth_latent], dim=1), skips
