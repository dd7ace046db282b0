"""Nested pools against full windows, pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kbnet.network.sparse_to_dense import SparseToDensePool, nested_max_pools


def sparse(measured: float, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    depth = 0.5 + torch.rand(2, 1, 13, 17, generator=generator)
    return depth * (torch.rand(depth.shape, generator=generator) < measured)


def windows(depth: Tensor, size: int) -> list[tuple[tuple[int, int, int], Tensor]]:
    """Every pixel (sample, row, column) with its window, cut off at the border."""
    reach = size // 2
    return [
        ((b, y, x), depth[b, 0, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1])
        for b in range(depth.shape[0])
        for y in range(depth.shape[2])
        for x in range(depth.shape[3])
    ]


def slow_maximum(depth: Tensor, size: int) -> Tensor:
    result = torch.zeros_like(depth)[:, 0]
    for pixel, window in windows(depth, size):
        result[pixel] = window.max()
    return result


def slow_minimum_of_measured(depth: Tensor, size: int) -> Tensor:
    """0 where the window holds no measured pixel."""
    result = torch.zeros_like(depth)[:, 0]
    for pixel, window in windows(depth, size):
        if (window > 0).any():
            result[pixel] = window[window > 0].min()
    return result


def pools_of(module: SparseToDensePool, depth: Tensor) -> Tensor:
    """What the module gives to its first convolution, (B, pools, H, W)."""
    caught: list[Tensor] = []
    module.pool_convolutions.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    module(depth, (depth > 0).to(depth.dtype))
    return caught[0]


@pytest.mark.parametrize("sizes", [(3,), (5, 7, 13), (3, 9, 29)])
def test_nested_maximum_pools_equal_full_windows(sizes: tuple[int, ...]) -> None:
    depth = sparse(1.0)
    for pooled, size in zip(nested_max_pools(depth, sizes), sizes, strict=True):
        assert torch.equal(pooled[:, 0], slow_maximum(depth, size))


@pytest.mark.parametrize("measured", [0.0, 0.02, 0.3, 1.0])
def test_pools_are_minimum_over_measured_pixels_then_plain_maximum(measured: float) -> None:
    depth, minima, maxima = sparse(measured, seed=1), (3, 7), (5, 9, 15)
    pools = pools_of(SparseToDensePool(minima, maxima), depth)
    expected = [slow_minimum_of_measured(depth, size) for size in minima]
    expected += [slow_maximum(depth, size) for size in maxima]
    assert torch.equal(pools, torch.stack(expected, dim=1))


def test_an_empty_map_gives_finite_features_and_gradients() -> None:
    module, depth = SparseToDensePool((3,), (5,)), torch.zeros(1, 1, 8, 8)
    features = module(depth, depth)
    features.sum().backward()
    assert torch.isfinite(features).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("measured", [0.0, 0.02])
def test_pools_in_half_precision_are_the_rounded_ones(dtype: torch.dtype, measured: float) -> None:
    """No infinity arises, which half precision, and what exports to it, may not keep."""
    depth, module = sparse(measured, seed=2), SparseToDensePool((3, 7), (5, 9))
    with torch.no_grad():
        assert torch.equal(pools_of(module.to(dtype), depth.to(dtype)), pools_of(module.float(), depth).to(dtype))
