"""Trunk: features at half the network's resolution, the input of the propagation head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.geometry.camera import viewing_rays
from kbnet.network.config import KBNetConfig
from kbnet.network.image_features import CHANNELS
from kbnet.network.inputs import NetworkInputs
from kbnet.network.layers import NEGATIVE_SLOPE, Convolution, ResidualBlock
from kbnet.network.sparse_to_dense import local_range, nested_max_pools

SIZE_FACTOR = 16
"""Height and width of a trunk's input are multiples of this."""

RANGE_WINDOW = 15
"""Window of the local depth range in the input of the trunk, odd, pixels."""

DISTANCE_WINDOWS = (3, 5, 9, 17, 33, 65)
"""Windows that are searched for a point, odd, pixels; they approximate the distance to the nearest point."""


class Trunk(nn.Module):
    """Trunk with one branch for colour, relative ln depth, kept points, depth range, distance and rays.

    The encoder to 1/16 has two residual blocks per level, the decoder to 1/2 has one.
    """

    def __init__(self, config: KBNetConfig) -> None:
        super().__init__()
        filters, features = config.trunk_filters, config.feature_filters
        self.stem = Convolution(4 * _INPUT_CHANNELS, filters[0], normalise=True, activation=False)
        self.down = nn.ModuleList(
            Convolution(inputs, outputs, stride=2, normalise=True, activation=False)
            for inputs, outputs in pairwise(filters)
        )
        self.blocks = nn.ModuleList(nn.Sequential(ResidualBlock(n), ResidualBlock(n)) for n in filters[1:])
        self.joined_features = _feature_projections(config, filters)
        self.up = nn.ModuleList(
            _UpLevel(low, skip, outputs)
            for low, skip, outputs in zip((filters[-1], *features), filters[-2::-1], features, strict=False)
        )
        self.channels = features[-1]

    def forward(self, seen: NetworkInputs, log_scaffold: Tensor, image_features: list[Tensor]) -> Tensor:
        """Compute features at half the resolution.

        Args:
            seen: image in 0..1, sparse depth, validity, K, scaffold; height and width multiples of 16.
            log_scaffold: ln of the scaffold minus its mean over the frame, (B, 1, H, W).
            image_features: result of :class:`ImageFeatures`, or empty.

        Returns:
            (B, channels, H/2, W/2).
        """
        x = F.pixel_unshuffle(_inputs(seen, log_scaffold).to(self.stem.weight.dtype), 2)
        x = _activate(self._joined(0, self.stem(x), image_features))
        skips = [x]
        for level, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True), start=1):
            x = blocks(_activate(self._joined(level, down(x), image_features)))
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = up(x, skip)
        return x

    def _joined(self, level: int, x: Tensor, image_features: list[Tensor]) -> Tensor:
        return x + self.joined_features[level](image_features[level]) if image_features else x


_INPUT_CHANNELS = 9


def _inputs(seen: NetworkInputs, log_scaffold: Tensor) -> Tensor:
    """Input channels, (B, 9, H, W): colour, 2 z, kept points, 2 x range of z, distance to a point, rays x, y."""
    height, width = seen.image.shape[-2:]
    rays = viewing_rays(seen.intrinsics, height, width)[:, :2]
    # The distance is logarithmic: every window without a point adds one step, from -1 to 1.
    found = sum(nested_max_pools(seen.validity, DISTANCE_WINDOWS), start=seen.validity)
    distance = 1 - found * (2 / (1 + len(DISTANCE_WINDOWS)))
    channels = [
        (seen.image - 0.45) * 4,
        2 * log_scaffold,
        seen.validity,
        2 * local_range(log_scaffold, RANGE_WINDOW),
        distance,
        rays,
    ]
    return torch.cat(channels, dim=1)


def _feature_projections(config: KBNetConfig, channels: Sequence[int]) -> nn.ModuleList:
    """1x1 convolutions from the pretrained features to the channels of the trunk, by level; empty without features."""
    if config.image_features == "none":
        return nn.ModuleList()
    return nn.ModuleList(
        Convolution(given, wanted, 1, normalise=True, activation=False)
        for given, wanted in zip(CHANNELS, channels, strict=True)
    )


class _UpLevel(nn.Module):
    """Decoder level: 3x3 of the skip plus the upsampled 1x1 of the lower level, then a residual block."""

    def __init__(self, low_channels: int, skip_channels: int, outputs: int) -> None:
        super().__init__()
        self.low = nn.Conv2d(low_channels, outputs, 1)
        self.skip = Convolution(skip_channels, outputs, normalise=True, activation=False)
        self.block = ResidualBlock(outputs)

    def forward(self, low: Tensor, skip: Tensor) -> Tensor:
        """(B, low_channels, h, w) and (B, skip_channels, 2 h, 2 w) to (B, outputs, 2 h, 2 w)."""
        doubled = F.interpolate(self.low(low), scale_factor=2.0, mode="nearest")
        block: Tensor = self.block(_activate(self.skip(skip) + doubled))
        return block


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)
