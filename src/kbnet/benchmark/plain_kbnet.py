"""The yardstick: KBNet as its specification is written, in eager float32, with stock layers and nothing clever.

Read it to learn what the network computes; :mod:`kbnet.network` computes the same with less work. On purpose each pool
has its full window, every concatenation is made, K is inverted by ``torch.inverse``, coordinates are computed anew for
every call, a strided 1x1 convolution gets all pixels, and the image branch of the fourth layer, which nothing reads,
is computed all the same. Symbols: B batch, H x W image; depth in metres, 0 = unmeasured.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.errors import KBNetError
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.siblings.config import NetworkConfig


def convolution(inputs: int, outputs: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, then LeakyReLU 0.2."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size, stride, padding=kernel_size // 2, bias=False), nn.LeakyReLU(0.2)
    )


class SparseToDensePool(nn.Module):
    """Minimum and maximum pools of the sparse depth, three 1x1 convolutions, one 3x3."""

    def __init__(self, min_pool_sizes: tuple[int, ...], max_pool_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.min_pools = nn.ModuleList(nn.MaxPool2d(size, stride=1, padding=size // 2) for size in min_pool_sizes)
        self.max_pools = nn.ModuleList(nn.MaxPool2d(size, stride=1, padding=size // 2) for size in max_pool_sizes)
        pools = len(min_pool_sizes) + len(max_pool_sizes)
        self.pool_convolutions = nn.Sequential(convolution(pools, 8, 1), convolution(8, 8, 1), convolution(8, 8, 1))
        self.convolution = convolution(8 + 2, 8)

    def forward(self, sparse_depth: Tensor, validity: Tensor) -> Tensor:
        """(B, 1, H, W) each to (B, 8, H, W)."""
        # The minimum over measured pixels: those without a point are infinitely far, and so is a window without any.
        measured = torch.where(sparse_depth > 0, sparse_depth, torch.inf)
        nearest = [-pool(-measured) for pool in self.min_pools]
        nearest = [torch.where(torch.isinf(depth), 0.0, depth) for depth in nearest]
        farthest = [pool(sparse_depth) for pool in self.max_pools]
        features = self.pool_convolutions(torch.cat([*nearest, *farthest], dim=1))
        joined: Tensor = self.convolution(torch.cat([features, sparse_depth, validity], dim=1))
        return joined


class CalibratedBackprojection(nn.Module):
    """A KB layer: image, depth and fused branch, each at half the resolution."""

    def __init__(self, image: int, depth: int, fused: int, image_filters: int, depth_filters: int) -> None:
        super().__init__()
        self.image_convolution = convolution(image, image_filters, stride=2)
        self.depth_convolution = convolution(depth + 3, depth_filters, stride=2)
        self.depth_projection = convolution(depth, 1, 1)
        self.fused_convolution = convolution(image + 3 + fused, image_filters, 1, stride=2)

    def forward(
        self, image: Tensor, depth: Tensor, coordinates: Tensor, fused: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features and coordinates (B, 3, H, W) to image, depth and fused features at half the resolution."""
        points = coordinates * self.depth_projection(depth)
        return (
            self.image_convolution(image),
            self.depth_convolution(torch.cat([depth, coordinates], dim=1)),
            self.fused_convolution(torch.cat([image, points] if fused is None else [image, points, fused], dim=1)),
        )


class Encoder(nn.Module):
    """Stems at full resolution, four KB layers, and the latent below them."""

    def __init__(self, intrinsics_scaling: str) -> None:
        super().__init__()
        self.intrinsics_scaling = intrinsics_scaling
        self.image_stem, self.depth_stem = convolution(3, 48), convolution(8, 16)
        self.backprojections = nn.ModuleList(
            [
                CalibratedBackprojection(48, 16, 0, 48, 16),
                CalibratedBackprojection(48, 16, 48, 96, 32),
                CalibratedBackprojection(96, 32, 96, 192, 64),
                CalibratedBackprojection(192, 64, 192, 384, 128),
            ]
        )
        self.image_latent = convolution(384, 384, stride=2)
        self.depth_latent = convolution(128, 128, stride=2)

    def forward(self, image: Tensor, depth: Tensor, intrinsics: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The latent (B, 512, H/32, W/32), and the skip connections, highest resolution first."""
        height, width = image.shape[-2:]
        image, depth, fused = self.image_stem(image), self.depth_stem(depth), None
        skips: list[Tensor] = []
        for level, backprojection in enumerate(self.backprojections):
            K = self._intrinsics_at(level, intrinsics, height, width)
            coordinates = pixel_rays(K, *depth.shape[-2:])
            image, depth, fused = backprojection(image, depth, coordinates, fused)
            skips.append(torch.cat([fused, depth], dim=1))
        return torch.cat([self.image_latent(fused), self.depth_latent(depth)], dim=1), skips

    def _intrinsics_at(self, level: int, intrinsics: Tensor, height: int, width: int) -> Tensor:
        """K of a level. As published, every level below the first has the ratio of the first halving."""
        if level == 0:
            return intrinsics
        if self.intrinsics_scaling == "published":
            ratio_x, ratio_y = (width + 1) // 2 / width, (height + 1) // 2 / height
        else:
            ratio_x = ratio_y = 0.5**level
        return intrinsics * torch.tensor([[ratio_x], [ratio_y], [1.0]], device=intrinsics.device)


class UpConvolution(nn.Module):
    """Nearest-neighbour resize, 3x3, join the skip, 3x3."""

    def __init__(self, inputs: int, skip: int, filters: int) -> None:
        super().__init__()
        self.up_convolution = convolution(inputs, filters)
        self.convolution = convolution(filters + skip, filters)

    def forward(self, x: Tensor, skip: Tensor | None, size: tuple[int, int]) -> Tensor:
        """(B, inputs, h, w) to (B, filters, *size)."""
        x = self.up_convolution(F.interpolate(x, size=size, mode="nearest"))
        joined: Tensor = self.convolution(x if skip is None else torch.cat([x, skip], dim=1))
        return joined


class Decoder(nn.Module):
    """Five up-convolutions and a linear 3x3."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            [
                UpConvolution(512, 384 + 128, 256),
                UpConvolution(256, 192 + 64, 128),
                UpConvolution(128, 96 + 32, 128),
                UpConvolution(128, 48 + 16, 64),
                UpConvolution(64, 0, 12),
            ]
        )
        self.output = nn.Conv2d(12, 1, 3, padding=1, bias=False)

    def forward(self, latent: Tensor, skips: list[Tensor], size: tuple[int, int]) -> Tensor:
        """The latent to (B, 1, *size), before any activation."""
        x = latent
        for level, skip in zip(self.levels, [*reversed(skips), None], strict=True):
            x = level(x, skip, size if skip is None else (skip.shape[-2], skip.shape[-1]))
        output: Tensor = self.output(x)
        return output


class PlainKBNet(nn.Module):
    """Image, sparse depth and K to dense depth, as specified.

    Args:
        config: of the network; architecture as published (its pool sizes, depth range and scaling of K are free).

    Raises:
        KBNetError: the config is of another architecture.
    """

    def __init__(self, config: KBNetConfig) -> None:
        super().__init__()
        if not is_published_architecture(config):
            raise KBNetError("expected the published architecture, got other filters, a scaffold or a normalisation")
        self.min_depth, self.max_depth = config.min_depth, config.max_depth
        self.pool = SparseToDensePool(config.min_pool_sizes, config.max_pool_sizes)
        self.encoder = Encoder(config.intrinsics_scaling)
        self.decoder = Decoder()

    def forward(self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor) -> Tensor:
        """Complete depth.

        Args:
            image: RGB in 0..1, (B, 3, H, W).
            sparse_depth: as measured, outliers included, (B, 1, H, W), metres.
            validity: 1 where outlier removal kept a point, (B, 1, H, W).
            intrinsics: K, (B, 3, 3), pixels.

        Returns:
            Dense depth, (B, 1, H, W), metres.
        """
        latent, skips = self.encoder(image, self.pool(sparse_depth, validity), intrinsics)
        output = self.decoder(latent, skips, (image.shape[-2], image.shape[-1]))
        return self.min_depth / (torch.sigmoid(output) + self.min_depth / self.max_depth)


def pixel_rays(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """K⁻¹ [x, y, 1] of every pixel, (B, 3, height, width)."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=intrinsics.device),
        torch.arange(width, dtype=torch.float32, device=intrinsics.device),
        indexing="ij",
    )
    pixels = torch.stack([x, y, torch.ones_like(x)]).reshape(1, 3, height * width)
    return torch.matmul(torch.inverse(intrinsics), pixels).reshape(-1, 3, height, width)


def is_published_architecture(config: NetworkConfig) -> bool:
    """Whether the yardstick can be laid at a network of this config."""
    if not isinstance(config, KBNetConfig):
        return False
    published = KBNetConfig()
    names = ("image_filters", "depth_filters", "decoder_filters", "scaffold", "normalisation")
    return all(getattr(config, name) == getattr(published, name) for name in names)


def plain_network(network: KBNet) -> PlainKBNet:
    """The yardstick with a network's weights; those that nothing reads stay random."""
    plain = PlainKBNet(network.config)
    weights = {_plain_name(name): weight for name, weight in network.state_dict().items()}
    missing = plain.load_state_dict(weights, strict=False).missing_keys
    assert missing == [_UNREAD], missing
    return plain.eval()


_UNREAD = "encoder.backprojections.3.image_convolution.0.weight"


def _plain_name(name: str) -> str:
    """What a weight of :class:`kbnet.network.kbnet.KBNet` is called here: a convolution is the first of two layers."""
    stays = name == "decoder.output.weight" or name == _UNREAD
    return name if stays else f"{name.removesuffix('.weight')}.0.weight"
