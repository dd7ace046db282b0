"""VGG encoders of the sibling systems: five levels, each of which halves the resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kbnet.network.layers import Convolution

IMAGE_FILTERS = (48, 96, 192, 384, 384)
"""Channels of the image encoder of VOICED and FusionNet by level."""
DEPTH_FILTERS = (16, 32, 64, 128, 128)
"""Channels of the depth encoder of VOICED and FusionNet by level."""
SKIP_CHANNELS = [image + depth for image, depth in zip(IMAGE_FILTERS[:-1], DEPTH_FILTERS[:-1], strict=True)]
"""Channels of the joined skips, highest resolution first."""
LATENT_CHANNELS = IMAGE_FILTERS[-1] + DEPTH_FILTERS[-1]
LAYERS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2)}
"""Convolutions of each level by the number in the encoder's published name, which is higher by three."""


class VGGEncoder(nn.Module):
    """VGG encoder. Level 1: 5x5 with stride 2. Levels 2 to 5: one or two 3x3, the last with stride 2.

    Args:
        layers: 8 or 11, see :data:`LAYERS`.
    """

    def __init__(self, in_channels: int, filters: Sequence[int], *, layers: int = 8, normalise: bool = False) -> None:
        super().__init__()
        levels, inputs = [], in_channels
        for level, (outputs, count) in enumerate(zip(filters, LAYERS[layers], strict=True)):
            kernel_size = 5 if level == 0 else 3
            convolutions = [
                Convolution(inputs if i == 0 else outputs, outputs, kernel_size, stride, normalise=normalise)
                for i, stride in enumerate([1] * (count - 1) + [2])
            ]
            levels.append(nn.Sequential(*convolutions))
            inputs = outputs
        self.levels = nn.ModuleList(levels)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, in_channels, H, W) to the latent at 1/32, and the skips at 1/2, 1/4, 1/8, 1/16, sizes rounded up."""
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features[-1], features[:-1]


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
