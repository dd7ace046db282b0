"""VOICED: refinement of interpolated sparse depth by a two-branch network (Wong, Fei, Tsuei & Soatto, RA-L 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.errors import KBNetError
from kbnet.network.decoder import Decoder, depth_from_inverse
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.encoder import RayTerms
from kbnet.network.layers import initialise_weights
from kbnet.network.siblings.config import VoicedConfig
from kbnet.network.siblings.vgg_encoder import LATENT_CHANNELS, SKIP_CHANNELS, TwoEncoders


class Voiced(DepthNetwork):
    """VOICED with 10,041,200 parameters (11-layer encoders). Depth is decoded at half the resolution."""

    config: VoicedConfig

    def __init__(self, config: VoicedConfig | None = None) -> None:
        super().__init__()
        self.config = config or VoicedConfig()
        self.encoder = TwoEncoders(self.config.encoder_layers)
        self.decoder = Decoder(LATENT_CHANNELS, SKIP_CHANNELS, (256, 128, 128, 64))
        initialise_weights(self, "xavier")

    def forward(
        self,
        image: Tensor,
        sparse_depth: Tensor,
        validity: Tensor,
        intrinsics: Tensor,
        scaffold: Tensor | None = None,
        ray_terms: RayTerms | None = None,
    ) -> Tensor:
        """Complete depth.

        Args:
            validity: 1 at every measured pixel, else 0, (B, 1, H, W).
            scaffold: result of :func:`kbnet.points.interpolation.linear_in_hull`, (B, 1, H, W), metres; 0 outside the
                hull.

        Raises:
            KBNetError: the scaffold is missing.
        """
        if scaffold is None:
            raise KBNetError("expected a scaffold, which VOICED refines, got none; see kbnet.points.interpolation")
        half = self.half_output(image, scaffold, validity)
        full = F.interpolate(half, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return depth_from_inverse(full, self.config.min_depth, self.config.max_depth)

    def half_output(self, image: Tensor, scaffold: Tensor, validity: Tensor) -> Tensor:
        """Output of the sigmoid in 0..1, (B, 1, ceil(H / 2), ceil(W / 2)), float32; arguments as in ``forward``."""
        dtype = self.decoder.output.weight.dtype
        known = torch.cat([scaffold, validity], dim=1).to(dtype)
        latent, skips = self.encoder(image.to(dtype), known)
        return torch.sigmoid(self.decoder(latent, skips, skips[0].shape[-2:]).float())
