"""KBNet: dense depth from image, sparse depth and intrinsics (Wong & Soatto, ICCV 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kbnet.errors import KBNetError
from kbnet.geometry.camera import halved_intrinsics
from kbnet.network.config import KBNetConfig
from kbnet.network.decoder import Decoder, depth_from_inverse
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.encoder import Encoder, RayTerms
from kbnet.network.error_head import ErrorHead
from kbnet.network.guided_upsampling import guided_upsampling
from kbnet.network.image_features import ImageFeatures
from kbnet.network.inputs import NetworkInputs
from kbnet.network.layers import initialise_weights
from kbnet.network.propagation import PropagationHead
from kbnet.network.reduced_resolution import cropped, enlarged, halved_inputs, padded_inputs
from kbnet.network.sparse_to_dense import SparseToDensePool
from kbnet.network.trunk import SIZE_FACTOR, Trunk

LEAST_DEPTH = 1e-6
"""Depth is clamped to this before its logarithm is taken, metres."""

LOG_LARGEST_SCALE = math.log(4)
"""Limit of the logarithmic scale of an affine residual: 1/4 to 4 (FusionNet; published system, section 10)."""


class KBNet(DepthNetwork):
    """KBNet depth network; ``config`` holds everything that defines it besides the weights."""

    config: KBNetConfig

    def __init__(self, config: KBNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or KBNetConfig()
        self.image_features: ImageFeatures | None = None
        if self.config.head == "propagation":
            self._build_propagation()
        else:
            self._build_dense()

    def _build_propagation(self) -> None:
        if self.config.image_features != "none":
            self.image_features = ImageFeatures()
        self.trunk = Trunk(self.config)
        self.head = PropagationHead(
            self.trunk.channels,
            steps=self.config.propagation_steps,
            taps=self.config.propagation_taps,
            reach=self.config.propagation_reach,
        )
        initialise_weights(self.trunk, self.config.weight_init)
        self.head.initialise()
        self.error_head = ErrorHead(self.trunk.channels) if self.config.predicts_error else None

    def _build_dense(self) -> None:
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
        outputs = 2 if self.config.scaffold != "none" and self.config.residual == "affine" else 1
        self.decoder = Decoder(
            image[-1] + depth[-1], skips, self.config.decoder_filters, normalise=normalise, outputs=outputs
        )
        initialise_weights(self, self.config.weight_init)
        if self.config.scaffold != "none":
            # Without training the output is the scaffold, so training starts at the interpolation.
            nn.init.zeros_(self.decoder.output.weight)

    def forward(
        self,
        image: Tensor,
        sparse_depth: Tensor,
        validity: Tensor,
        intrinsics: Tensor,
        scaffold: Tensor | None = None,
        ray_terms: RayTerms | None = None,
        reduced: bool = False,
    ) -> Tensor:
        """Complete depth.

        A network converted to half precision takes float32 inputs too.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            sparse_depth: measured depth with outliers, (B, 1, H, W), metres; 0 = unmeasured.
            validity: 1 where outlier rejection kept a point, else 0, (B, 1, H, W).
            intrinsics: K, (B, 3, 3), pixels.
            scaffold: interpolation of the kept points, (B, 1, H, W), metres; required if and only if
                ``config.scaffold`` is not ``none``. 0 = undefined, replaced by the middle of the depth range.
            ray_terms: result of :meth:`ray_terms` for these intrinsics; None: computed.
            reduced: the inputs are at the network's resolution already; so is the depth returned.

        Returns:
            Dense depth, (B, 1, H, W), metres. With ``config.error`` predicted: (B, 2, H, W), where the second map is
            the expected absolute error, metres, positive and at most the depth.

        Raises:
            KBNetError: the scaffold is missing, or given to a network that has none.
        """
        if (scaffold is None) != (self.config.scaffold == "none"):
            given = "no scaffold" if scaffold is None else "a scaffold"
            raise KBNetError(
                f"a network with scaffold '{self.config.scaffold}' was given {given}; see kbnet.network.inputs"
            )
        if scaffold is not None:
            middle = math.sqrt(self.config.min_depth * self.config.max_depth)
            scaffold = torch.where(scaffold > 0, scaffold, middle)
        seen = NetworkInputs(image, sparse_depth, validity, intrinsics, scaffold)
        halvings = 0 if reduced else self.config.halvings
        for _ in range(halvings):
            seen = halved_inputs(seen)
        if self.config.head == "propagation":
            assert scaffold is not None, "the config asks for a scaffold"
            return self._propagated(seen, image, scaffold.float(), 2**halvings)
        return self.depth_from_output(self._decoded(seen, ray_terms), scaffold, 2**halvings)

    def ray_terms(self, intrinsics: Tensor, size: Sequence[int]) -> RayTerms:
        """Nothing with the propagation head, whose trunk has the rays as input channels."""
        if self.config.head == "propagation":
            return []
        for _ in range(self.config.halvings):
            intrinsics, size = halved_intrinsics(intrinsics), [(length + 1) // 2 for length in size]
        return self.encoder.ray_terms(intrinsics, size)

    def _decoded(self, seen: NetworkInputs, ray_terms: RayTerms | None) -> Tensor:
        dtype = self.decoder.output.weight.dtype
        image, sparse_depth, validity = (x.to(dtype) for x in (seen.image, seen.sparse_depth, seen.validity))
        features = self.pool(sparse_depth, validity, None if seen.scaffold is None else seen.scaffold.to(dtype))
        latent, skips = self.encoder(image, features, seen.intrinsics, ray_terms)
        decoded: Tensor = self.decoder(latent, skips, image.shape[-2:])
        return decoded

    def _propagated(self, seen: NetworkInputs, image: Tensor, scaffold: Tensor, scale: int) -> Tensor:
        """Depth of the propagation head: exp(u + mean of ln scaffold), within the depth range and the scaffold.

        The network computes depth relative to its geometric mean over the frame, so the unit of length cancels. At a
        reduced resolution, the result is upsampled along the edges of the image.
        """
        assert seen.scaffold is not None
        seen_image, (height, width) = seen.image, seen.image.shape[-2:]
        mean_log_depth = seen.scaffold.float().clamp_min(LEAST_DEPTH).log().mean(dim=(1, 2, 3), keepdim=True)
        seen = padded_inputs(seen, SIZE_FACTOR)
        assert seen.scaffold is not None
        log_scaffold = seen.scaffold.float().clamp_min(LEAST_DEPTH).log() - mean_log_depth
        kept = seen.sparse_depth * seen.validity
        log_points = torch.where(kept > 0, kept.float().clamp_min(LEAST_DEPTH).log() - mean_log_depth, 0.0)
        dtype = self.head.prediction.weight.dtype
        of_image = [] if self.image_features is None else self.image_features(seen.image.to(dtype))
        features = self.trunk(seen, log_scaffold, of_image)
        seen_log_depth = self.head(features, log_scaffold, log_points, seen.validity.float())
        log_depth = cropped(seen_log_depth, (height, width))
        if scale > 1:
            log_depth = guided_upsampling(log_depth, seen_image.float(), image, scale)
        depth: Tensor = (log_depth + mean_log_depth).exp()
        depth = depth.clamp(scaffold.clamp_max(self.config.min_depth), scaffold.clamp_min(self.config.max_depth))
        if self.error_head is None:
            return depth
        relative = self.error_head(features.detach(), seen_log_depth.detach(), log_scaffold)
        relative = enlarged(relative, 2 * scale, scaffold.shape[-2:])
        without_points = (seen.validity.amax(dim=(1, 2, 3), keepdim=True) == 0).float()
        return torch.cat([depth, depth.detach() * torch.maximum(relative, without_points)], dim=1)

    def depth_from_output(self, output: Tensor, scaffold: Tensor | None, scale: int = 1) -> Tensor:
        """Depth in metres from the decoder's output x.

        - No scaffold: min / (sigmoid(x) + min / max).
        - ``plain``: scaffold · exp(x).
        - ``affine``: scaffold · 4^tanh(x) + x'. The form and the range 0.25..4 are FusionNet's; tanh is ours.

        The result is clamped to the depth range, extended to the scaffold. It is always computed in float32, because
        bfloat16 has steps of 4 mm at 1 m.

        Args:
            output: (B, 1, h, w), or (B, 2, h, w) for an affine residual.
            scaffold: (B, 1, H, W), metres; or None.
            scale: size of the scaffold divided by that of the output.
        """
        residual, low, high = output.float(), self.config.min_depth, self.config.max_depth
        if scaffold is None:
            return depth_from_inverse(torch.sigmoid(residual), low, high)
        scaffold = scaffold.float()
        if scale > 1:
            residual = enlarged(residual, scale, scaffold.shape[-2:])
        if self.config.residual == "affine":
            depth = scaffold * torch.exp(LOG_LARGEST_SCALE * torch.tanh(residual[:, :1])) + residual[:, 1:]
        else:
            depth = scaffold * residual.exp()
        # Points beyond the depth range extend it, so a residual of 0 always gives the scaffold.
        return depth.clamp(scaffold.clamp_max(low), scaffold.clamp_min(high))
