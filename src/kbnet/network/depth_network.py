"""Interface of every depth network: inputs to depth, a config, and folding for inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor, nn

from kbnet.network.decoder import UpConvolution
from kbnet.network.encoder import RayTerms
from kbnet.network.image_features import ImageFeatures
from kbnet.network.layers import Convolution
from kbnet.network.siblings.config import NetworkConfig

Self = TypeVar("Self", bound="DepthNetwork")


class DepthNetwork(nn.Module):
    """Base of KBNet, VOICED, ScaffNet and FusionNet.

    ``forward`` takes image, sparse depth, validity, intrinsics, scaffold and ray terms, and returns dense depth, as
    described in `kbnet.network.kbnet.KBNet.forward`. What a network does not read may be anything.

    Attributes:
        config: everything that defines the network besides its weights.
    """

    config: NetworkConfig

    def ray_terms(self, intrinsics: Tensor, size: Sequence[int]) -> RayTerms:
        """Part of the network that depends on the camera only; compute it once for a fixed camera.

        Args:
            intrinsics: K, (B, 3, 3), pixels.
            size: (H, W) of the image.
        """
        return []

    def fold(self: Self) -> Self:
        """Fold constant computations into the weights, in place; for inference only.

        Every BatchNorm is folded into its convolution. Every up-convolution gets its doubling kernel.
        """
        for module in self.modules():
            if isinstance(module, Convolution):
                module.fold()
        for module in self.modules():
            if isinstance(module, UpConvolution | ImageFeatures):
                module.fold()
        return self
