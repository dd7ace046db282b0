"""FusionNet: correction of ScaffNet's depth by image and sparse points (Wong, Cicek & Soatto, RA-L 2021)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kbnet.network.decoder import Decoder
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.encoder import RayTerms
from kbnet.network.layers import initialise_weights
from kbnet.network.siblings.config import FusionNetConfig
from kbnet.network.siblings.scaffnet import ScaffNet
from kbnet.network.siblings.vgg_encoder import LATENT_CHANNELS, SKIP_CHANNELS, TwoEncoders
from kbnet.network.sparse_to_dense import nested_max_pools

SCALING_WINDOW = 5
"""Window in which the ratio of a point to the scaffold applies, odd, pixels."""
LARGEST_RATIO = 2.0
"""Points with a larger ratio to the scaffold are ignored in the scaling."""
SMALLEST_SCALE, LARGEST_SCALE = 0.25, 4.0
LARGEST_OFFSET = 1000.0
"""Limit of beta, metres."""


class Correction(NamedTuple):
    """Affine correction: depth = alpha · scaled scaffold + beta before clamping; each (B, 1, H, W).

    Attributes:
        alpha: scale, 0.25..4.
        beta: offset, metres.
        scaled_scaffold: metres.
    """

    alpha: Tensor
    beta: Tensor
    scaled_scaffold: Tensor


class FusionNet(DepthNetwork):
    """FusionNet with 6,751,088 parameters, plus a frozen ScaffNet that stays in evaluation mode."""

    config: FusionNetConfig

    def __init__(self, config: FusionNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or FusionNetConfig()
        self.encoder = TwoEncoders(8)
        self.decoder = Decoder(LATENT_CHANNELS, SKIP_CHANNELS, (256, 128, 128, 64, 32), outputs=2)
        initialise_weights(self, "xavier")
        self.scaffnet = ScaffNet(self.config.scaffnet).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FusionNet:
        """Set the training mode of all parts except the inner ScaffNet."""
        super().train(mode)
        self.scaffnet.eval()
        return self

    def forward(
        self,
        image: Tensor,
        sparse_depth: Tensor,
        validity: Tensor,
        intrinsics: Tensor | None = None,
        scaffold: Tensor | None = None,
        ray_terms: RayTerms | None = None,
    ) -> Tensor:
        """Complete depth. ``scaffold`` is the result of :meth:`scaffold`; None: it is computed."""
        return self.refine(
            image, self.scaffold(sparse_depth) if scaffold is None else scaffold, sparse_depth * validity
        )

    @torch.no_grad()
    def scaffold(self, sparse_depth: Tensor) -> Tensor:
        """Depth of the inner ScaffNet from unfiltered sparse depth, (B, 1, H, W), metres, without gradient."""
        return self.scaffnet.complete(sparse_depth)

    def refine(self, image: Tensor, scaffold: Tensor, points: Tensor) -> Tensor:
        """Depth from a scaffold, (B, 1, H, W), metres; arguments as in :meth:`correction`."""
        alpha, beta, scaled = self.correction(image, scaffold, points)
        return (alpha * scaled + beta).clamp(self.config.min_depth, self.config.max_depth)

    def correction(self, image: Tensor, scaffold: Tensor, points: Tensor) -> Correction:
        """Scale and offset of the locally scaled scaffold.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            scaffold: (B, 1, H, W), metres.
            points: sparse depth after outlier rejection, (B, 1, H, W), metres; 0 = unmeasured.
        """
        dtype = self.decoder.output.weight.dtype
        points = points.clamp_max(self.config.max_depth)
        scaled = locally_scaled(scaffold, points)
        latent, skips = self.encoder(image.to(dtype), torch.cat([scaled, points], dim=1).to(dtype))
        scale, offset = self.decoder(latent, skips, image.shape[-2:]).float().split(1, dim=1)
        alpha = SMALLEST_SCALE + (LARGEST_SCALE - SMALLEST_SCALE) * torch.sigmoid(scale)
        return Correction(alpha, offset.clamp(-LARGEST_OFFSET, LARGEST_OFFSET), scaled)


def locally_scaled(scaffold: Tensor, points: Tensor) -> Tensor:
    """Locally scaled scaffold: scaffold times the largest ratio, up to 2, of a point to it within 5x5 pixels.

    Args:
        scaffold: (B, 1, H, W), metres, positive.
        points: (B, 1, H, W), metres; 0 = unmeasured.

    Returns:
        (B, 1, H, W), metres; equal to the scaffold where the window has no point.
    """
    ratio = points / scaffold
    (spread,) = nested_max_pools(ratio.masked_fill(ratio > LARGEST_RATIO, 0.0), (SCALING_WINDOW,))
    return spread.masked_fill(spread == 0, 1.0) * scaffold
