"""KBNet: image, sparse depth and intrinsics to dense depth (Wong & Soatto, ICCV 2021)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kbnet.network.config import KBNetConfig
from kbnet.network.decoder import Decoder, UpConvolution
from kbnet.network.encoder import Encoder, RayTerms
from kbnet.network.layers import Convolution, initialise_weights
from kbnet.network.sparse_to_dense import SparseToDensePool, nested_max_pools

SPREAD_WINDOW = 31
"""Window over which the spread of a scaffold is taken, odd, pixels."""

LEAST_SPREAD = 0.05
"""Added to it, so that depth can change a little where all points agree; of ln(depth)."""


class KBNet(nn.Module):
    """The depth network; everything that defines it besides the weights is its ``config``."""

    def __init__(self, config: KBNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or KBNetConfig()
        normalise = self.config.normalisation == "batch"
        self.pool = SparseToDensePool(
            self.config.min_pool_sizes,
            self.config.max_pool_sizes,
            scaffold=self.config.scaffold != "none",
            normalise=normalise,
        )
        self.encoder = Encoder(self.config)
        image, depth = self.config.image_filters, self.config.depth_filters
        skips = [i + d for i, d in zip(image[1:-1], depth[1:-1], strict=True)]
        self.decoder = Decoder(image[-1] + depth[-1], skips, self.config.decoder_filters, normalise=normalise)
        initialise_weights(self, self.config.weight_init)
        if self.config.scaffold != "none":
            # A fresh network is the interpolation itself: training can only be asked to improve on it.
            nn.init.zeros_(self.decoder.output.weight)

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

        A network converted to half precision takes float32 all the same.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            sparse_depth: as measured, outliers included, (B, 1, H, W), metres; 0 = unmeasured.
            validity: 1 where outlier removal kept a point, else 0, (B, 1, H, W).
            intrinsics: K, (B, 3, 3), pixels.
            scaffold: interpolation of the kept points, (B, 1, H, W), metres; needed if and only if
                ``config.scaffold`` is not ``none``; 0 = nothing known, read as the middle of the depth range.
            ray_terms: ``encoder.ray_terms`` of these intrinsics; computed where not given.

        Returns:
            Dense depth, (B, 1, H, W), metres.

        Raises:
            ValueError: the scaffold is missing, or given to a network that has none.
        """
        if (scaffold is None) != (self.config.scaffold == "none"):
            given = "no scaffold" if scaffold is None else "a scaffold"
            raise ValueError(
                f"a network with scaffold '{self.config.scaffold}' was given {given}; see kbnet.data.interpolation"
            )
        if scaffold is not None:
            middle = math.sqrt(self.config.min_depth * self.config.max_depth)
            scaffold = torch.where(scaffold > 0, scaffold, middle)
        dtype = self.decoder.output.weight.dtype
        image, sparse_depth, validity = (x.to(dtype) for x in (image, sparse_depth, validity))
        features = self.pool(sparse_depth, validity, None if scaffold is None else scaffold.to(dtype))
        latent, skips = self.encoder(image, features, intrinsics, ray_terms)
        return self.depth_from_output(self.decoder(latent, skips, image.shape[-2:]), scaffold)

    def depth_from_output(self, output: Tensor, scaffold: Tensor | None) -> Tensor:
        """Metres from the decoder's raw output x: min / (sigmoid(x) + min / max); with a scaffold, scaffold · exp(x) or
        scaffold · exp(x · (0.05 + its local spread)), kept within the depth range and the scaffold.

        Computed in float32 whatever the precision of the network: bfloat16 has steps of 4 mm at 1 m.
        """
        low, high = self.config.min_depth, self.config.max_depth
        if scaffold is None:
            return low / (torch.sigmoid(output.float()) + low / high)
        scaffold, residual = scaffold.float(), output.float()
        if self.config.residual == "spread":
            residual = residual * (LEAST_SPREAD + local_spread(scaffold.log()))
        # Points beyond the depth range take the output along: a residual of 0 is the scaffold, whatever it is.
        return (scaffold * residual.exp()).clamp(scaffold.clamp_max(low), scaffold.clamp_min(high))

    def fold(self) -> KBNet:
        """Compute once, in place, what follows from final weights: for inference only.

        Every BatchNorm goes into its convolution, and every up-convolution gets its doubling kernel.
        """
        for module in self.modules():
            if isinstance(module, Convolution):
                module.fold()
        for module in self.modules():
            if isinstance(module, UpConvolution):
                module.fold()
        return self


def local_spread(x: Tensor) -> Tensor:
    """Largest minus smallest value within 31 x 31 pixels, (B, 1, H, W)."""
    ((largest,), (negative_smallest,)) = (tuple(nested_max_pools(y, (SPREAD_WINDOW,))) for y in (x, -x))
    return largest + negative_smallest
