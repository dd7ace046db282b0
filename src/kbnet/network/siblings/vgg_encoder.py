"""VGG encoder of the sibling systems: five levels, each of which halves the resolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kbnet.network.layers import Convolution

IMAGE_FILTERS = (48, 96, 192, 384, 384)
"""Channels of the image encoder of VOICED and FusionNet by level."""
DEPTH_FILTERS = (16, 32, 64, 128, 128)
"""Channels of the depth encoder of VOICED and FusionNet by level."""
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
