"""Sparse-to-dense pooling: from a few points to features that reach over the gaps between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.network.layers import Convolution


class SparseToDensePool(nn.Module):
    """Minimum and maximum pools of several windows, three 1x1 and one 3x3 convolution (section 3.1).

    Args:
        min_pool_sizes: windows of the minimum pools, ascending, odd, pixels.
        max_pool_sizes: windows of the maximum pools, likewise.
        channels: number of features.
        scaffold: whether an interpolated depth map joins the input of the last convolution.
        normalise: put a BatchNorm into every convolution.
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
        self.pool_convolutions = nn.Sequential(
            *(Convolution(inputs, channels, 1, normalise=normalise) for inputs in (pools, channels, channels))
        )
        self.convolution = Convolution(channels + 2 + int(scaffold), channels, 3, normalise=normalise)

    def forward(self, sparse_depth: Tensor, validity: Tensor, scaffold: Tensor | None = None) -> Tensor:
        """Features of sparse depth.

        Args:
            sparse_depth: as measured, (B, 1, H, W), metres; 0 = unmeasured.
            validity: 1 where a point was kept by outlier removal, else 0, (B, 1, H, W).
            scaffold: interpolated depth, (B, 1, H, W), metres; given if and only if built for it.

        Returns:
            Features, (B, channels, H, W).
        """
        unmeasured = sparse_depth == 0
        # min(x) = -max(-x); a window without any point yields infinity, which becomes 0 = unmeasured again.
        nearest = nested_max_pools((-sparse_depth).masked_fill(unmeasured, -torch.inf), self.min_pool_sizes)
        pools = [(-pool).masked_fill(pool == -torch.inf, 0.0) for pool in nearest]
        pools += nested_max_pools(sparse_depth, self.max_pool_sizes)
        features = self.pool_convolutions(torch.cat(pools, dim=1))
        known = [sparse_depth, validity] if scaffold is None else [sparse_depth, validity, scaffold]
        joined: Tensor = self.convolution(torch.cat([features, *known], dim=1))
        return joined


def nested_max_pools(x: Tensor, sizes: Sequence[int]) -> Iterator[Tensor]:
    """Same-size maximum pools with ascending odd windows, each computed from the one before.

    A 17-window maximum is the 3-window maximum of the 15-window one, and a square window is a column of
    rows: exact, and an order of magnitude fewer comparisons than the full windows.
    """
    previous = 1
    for size in sizes:
        step = size - previous + 1
        x = F.max_pool2d(x, (step, 1), stride=1, padding=(step // 2, 0))
        x = F.max_pool2d(x, (1, step), stride=1, padding=(0, step // 2))
        previous = size
        yield x
