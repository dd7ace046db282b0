"""ScaffNet: dense depth from sparse depth only, trained on synthetic scenes (Wong, Cicek & Soatto, RA-L 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbnet.network.decoder import Decoder, depth_from_inverse
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.encoder import RayTerms
from kbnet.network.layers import initialise_weights
from kbnet.network.siblings.config import ScaffNetConfig
from kbnet.network.siblings.vgg_encoder import VGGEncoder
from kbnet.network.sparse_to_dense import nested_max_pools, pool_convolutions

FILTERS = (16, 32, 64, 128, 256)
"""Channels of the encoder by level."""
POOL_FEATURES = 8


class SpatialPyramidPool(nn.Module):
    """Spatial pyramid pool: sparse depth and its maximum pools, then three 1x1 convolutions. Unmeasured pixels are 0.

    Args:
        sizes: windows of the pools, ascending, odd, pixels.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.convolutions = pool_convolutions(1 + len(sizes), POOL_FEATURES)

    def forward(self, sparse_depth: Tensor) -> Tensor:
        """(B, 1, H, W), metres, 0 = unmeasured, to features, (B, 8, H, W)."""
        pools = [sparse_depth, *nested_max_pools(sparse_depth, self.sizes)]
        features: Tensor = self.convolutions(torch.cat(pools, dim=1))
        return features


class ScaffNet(DepthNetwork):
    """ScaffNet with 2,870,960 parameters."""

    config: ScaffNetConfig

    def __init__(self, config: ScaffNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or ScaffNetConfig()
        self.pool = SpatialPyramidPool(self.config.pool_sizes)
        self.encoder = VGGEncoder(POOL_FEATURES, FILTERS, normalise=True)
        self.decoder = Decoder(FILTERS[-1], (POOL_FEATURES, *FILTERS[:-1]), (256, 128, 128, 64, 32), normalise=True)
        initialise_weights(self, "xavier")

    def forward(
        self,
        image: Tensor,
        sparse_depth: Tensor,
        validity: Tensor | None = None,
        intrinsics: Tensor | None = None,
        scaffold: Tensor | None = None,
        ray_terms: RayTerms | None = None,
    ) -> Tensor:
        """Complete depth from sparse depth alone; no other input is read."""
        return self.complete(sparse_depth)

    def complete(self, sparse_depth: Tensor) -> Tensor:
        """Complete depth from sparse depth, as :meth:`forward`."""
        points = sparse_depth.clamp_max(self.config.max_depth).to(self.decoder.output.weight.dtype)
        features = self.pool(points)
        latent, skips = self.encoder(features)
        output = self.decoder(latent, [features, *skips], points.shape[-2:])
        return depth_from_inverse(torch.sigmoid(output.float()), self.config.min_depth, self.config.max_depth)
