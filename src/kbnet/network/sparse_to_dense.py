"""Sparse-to-dense pooling: dense features from sparse depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.network.layers import Convolution

NOWHERE = 2.0**15
"""Depth of unmeasured pixels in minimum pools, metres: larger than any depth, and exact in half precision."""


class SparseToDensePool(nn.Module):
    """Sparse-to-dense pool: minimum and maximum pools, three 1x1 and one 3x3 convolution (section 3.1).

    Args:
        min_pool_sizes: windows of the minimum pools, ascending, odd, pixels.
        max_pool_sizes: windows of the maximum pools, ascending, odd, pixels.
        scaffold: whether the last convolution also has a scaffold as input.
    """

    def __init__(
        self,
        min_pool_sizes: Sequence[int],
        max_pool_sizes: Sequence[int],
        channels: int = 8,
        *,
        scaffold: bool = False,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        self.min_pool_sizes = tuple(min_pool_sizes)
        self.max_pool_sizes = tuple(max_pool_sizes)
        pools = len(self.min_pool_sizes) + len(self.max_pool_sizes)
        self.pool_convolutions = pool_convolutions(pools, channels, normalise=normalise)
        self.convolution = Convolution(channels + 2 + int(scaffold), channels, 3, normalise=normalise)

    def forward(self, sparse_depth: Tensor, validity: Tensor, scaffold: Tensor | None = None) -> Tensor:
        """Compute features of sparse depth.

        Args:
            sparse_depth: measured depth, (B, 1, H, W), metres; 0 = unmeasured.
            validity: 1 where outlier rejection kept a point, else 0, (B, 1, H, W).
            scaffold: interpolated depth, (B, 1, H, W), metres; required if and only if the pool was built with one.

        Returns:
            Features, (B, channels, H, W).
        """
        # min(x) = -max(-x); a window without a point gives NOWHERE, which is set to 0 = unmeasured.
        nearest = nested_max_pools((-sparse_depth).masked_fill(sparse_depth == 0, -NOWHERE), self.min_pool_sizes)
        pools = [(-pool).masked_fill(pool <= -NOWHERE, 0.0) for pool in nearest]
        pools += nested_max_pools(sparse_depth, self.max_pool_sizes)
        features = self.pool_convolutions(torch.cat(pools, dim=1))
        known = [sparse_depth, validity] if scaffold is None else [sparse_depth, validity, scaffold]
        joined: Tensor = self.convolution(torch.cat([features, *known], dim=1))
        return joined


def pool_convolutions(pools: int, channels: int, *, normalise: bool = False) -> nn.Sequential:
    """Three 1x1 convolutions from a stack of pools to ``channels`` features."""
    return nn.Sequential(
        *(Convolution(inputs, channels, 1, normalise=normalise) for inputs in (pools, channels, channels))
    )


def nested_max_pools(x: Tensor, sizes: Sequence[int]) -> Iterator[Tensor]:
    """Maximum pools of equal size with ascending odd windows, each computed from the previous one.

    Windows are separable, and a maximum over 15 pixels is the maximum of the first 8 and the last 8. The result is
    exact and needs few element-wise maxima instead of hundreds of comparisons per pixel.
    """
    reach = sizes[-1] // 2
    # A window across the border contains the border pixel, so replicated copies do not change the maximum.
    x = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    span = 1
    for size in sizes:
        for shift in _shifts(span, size):
            x = torch.maximum(x[..., :-shift, :], x[..., shift:, :])
        for shift in _shifts(span, size):
            x = torch.maximum(x[..., :-shift], x[..., shift:])
        span = size
        margin = reach - size // 2
        yield x[..., margin:-margin, margin:-margin] if margin else x


def local_range(x: Tensor, window: int) -> Tensor:
    """Local range: largest minus smallest value within window x window pixels, in the shape of ``x``."""
    ((largest,), (negative_smallest,)) = (tuple(nested_max_pools(y, (window,))) for y in (x, -x))
    return largest + negative_smallest


def _shifts(span: int, size: int) -> Iterator[int]:
    """Successive shifts that extend maxima over ``span`` pixels to maxima over ``size`` pixels.

    >>> list(_shifts(1, 15))
    [1, 2, 4, 7]
    """
    while span < size:
        yield min(span, size - span)
        span = min(2 * span, size)
