"""Decoder: from the latent to full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.network.layers import Convolution


class UpConvolution(nn.Module):
    """Up-convolution: nearest-neighbour resize, 3x3 convolution, concatenation of the skip, 3x3 convolution."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, *, normalise: bool) -> None:
        super().__init__()
        self.up_convolution = Convolution(in_channels, out_channels, normalise=normalise)
        self.convolution = Convolution(out_channels + skip_channels, out_channels, normalise=normalise)
        self.register_buffer("doubling_kernel", None, persistent=False)

    def fold(self) -> None:
        """Store the kernel of :func:`doubling_kernel`; for final weights only."""
        self.doubling_kernel = doubling_kernel(self.up_convolution.weight.detach())

    def forward(self, x: Tensor, size: Sequence[int], skip: Tensor | None) -> Tensor:
        """(B, in, h, w) to (B, out, *size)."""
        up = self.up_convolution
        if tuple(size) == (2 * x.shape[-2], 2 * x.shape[-1]):
            kernel = doubling_kernel(up.weight) if self.doubling_kernel is None else self.doubling_kernel
            x = up.activate(F.conv_transpose2d(x, kernel, up.bias, stride=2, padding=1))
        else:
            x = up(F.interpolate(x, size=tuple(size), mode="nearest"))
        joined: Tensor = self.convolution(x if skip is None else torch.cat([x, skip], dim=1))
        return joined


def doubling_kernel(weight: Tensor) -> Tensor:
    """Kernel of one transposed convolution that replaces a nearest-neighbour doubling and a 3x3 convolution.

    Each of the four output pixels of an input pixel depends on 2x2 input pixels. The result is equal except for
    rounding, with 16 multiplications instead of 36. It is faster in training too.

    Args:
        weight: weight of the 3x3 convolution, (out, in, 3, 3).

    Returns:
        Weight of a transposed convolution with stride 2 and padding 1, (in, out, 4, 4).
    """
    for dim in (2, 3):
        first, middle, last = weight.unbind(dim)
        weight = torch.stack([last, middle + last, first + middle, first], dim)
    return weight.transpose(0, 1)


def depth_from_inverse(inverse: Tensor, min_depth: float, max_depth: float) -> Tensor:
    """Depth min / (x + min / max), metres, for the output x of a sigmoid, 0..1 (section 3.4)."""
    return min_depth / (inverse + min_depth / max_depth)


class Decoder(nn.Module):
    """Decoder of up-convolutions with a linear output (section 3.3; five levels in KBNet).

    Args:
        skip_channels: channels of each skip, highest resolution first.
        filters: channels of each level, lowest resolution first. A level beyond the number of skips has no skip.
        normalise: add a BatchNorm to every convolution except the output.
    """

    def __init__(
        self,
        latent_channels: int,
        skip_channels: Sequence[int],
        filters: Sequence[int],
        *,
        normalise: bool = False,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        inputs = [latent_channels, *filters[:-1]]
        skips = [*reversed(skip_channels), 0][: len(filters)]
        self.levels = nn.ModuleList(
            UpConvolution(*channels, normalise=normalise) for channels in zip(inputs, skips, filters, strict=True)
        )
        self.output = nn.Conv2d(filters[-1], outputs, 3, padding=1, bias=False)

    def forward(self, latent: Tensor, skips: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Decode the latent to values before any activation.

        Args:
            latent: (B, latent_channels, h, w).
            skips: skip connections, highest resolution first.
            size: (H, W) of the output.

        Returns:
            Values before any activation, (B, outputs, H, W).
        """
        x = latent
        for level, skip in zip(self.levels, [*reversed(skips), None][: len(self.levels)], strict=True):
            x = level(x, size if skip is None else skip.shape[-2:], skip)
        output: Tensor = self.output(x)
        return output
