"""Half the resolution on the way into a network, and twice on the way out, once or twice over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.camera import halved_intrinsics
from kbnet.network.inputs import NetworkInputs
from kbnet.network.sparse_to_dense import NOWHERE


def halved_inputs(inputs: NetworkInputs) -> NetworkInputs:
    """NetworkInputs at half the size, rounded up: a last odd row or column stands alone.

    Image and scaffold become means of 2x2 pixels. Sparse points are never averaged: of four pixels stays the nearest of
    the kept points, or else the nearest point.
    """
    kept = _nearest(inputs.sparse_depth * inputs.validity)
    points = torch.where(kept > 0, kept, _nearest(inputs.sparse_depth))
    scaffold = None if inputs.scaffold is None else _mean(inputs.scaffold)
    validity = (kept > 0).to(inputs.validity.dtype)
    return NetworkInputs(_mean(inputs.image), points, validity, halved_intrinsics(inputs.intrinsics), scaffold)


def enlarged(x: Tensor, scale: int, size: Sequence[int]) -> Tensor:
    """``scale`` times the size, linearly, cut to (H, W)."""
    return cropped(F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False), size)


def cropped(x: Tensor, size: Sequence[int]) -> Tensor:
    """The upper left (H, W) of a map."""
    if (
        torch.compiler.is_compiling()
    ):  # a slice ties the graph of torch.export to sizes that it does, or does not, change
        rows, columns = (torch.arange(length, device=x.device) for length in size)
        return x.index_select(-2, rows).index_select(-1, columns)
    return x[..., : size[0], : size[1]]


def padded_inputs(inputs: NetworkInputs, factor: int) -> NetworkInputs:
    """NetworkInputs whose height and width are multiples of ``factor``: the last row and column are repeated."""
    height, width = inputs.image.shape[-2:]
    rows, columns = (
        torch.arange((length + factor - 1) // factor * factor, device=inputs.image.device).clamp_max(length - 1)
        for length in (height, width)
    )

    def padded(x: Tensor) -> Tensor:
        return x.index_select(-2, rows).index_select(-1, columns)

    scaffold = None if inputs.scaffold is None else padded(inputs.scaffold)
    image, sparse_depth, validity = (padded(x) for x in (inputs.image, inputs.sparse_depth, inputs.validity))
    return NetworkInputs(image, sparse_depth, validity, inputs.intrinsics, scaffold)


def _mean(x: Tensor) -> Tensor:
    return 0.25 * _folded(x, torch.add)


def _nearest(points: Tensor) -> Tensor:
    """The smallest depth in every 2x2 pixels, (B, 1, h, w); 0 = none."""
    nearest = _folded(points.masked_fill(points == 0, NOWHERE), torch.minimum)
    return nearest.masked_fill(nearest >= NOWHERE, 0.0)


def _folded(x: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """One value for every 2x2 pixels; a last odd row or column counts twice. Torch's pools take ten times as long."""
    if torch.compiler.is_compiling():
        return _folded_by_index(x, combine)
    height, width = (x.shape[-2] + 1) // 2, (x.shape[-1] + 1) // 2
    below = torch.cat([x[..., 1::2, :], x[..., -1:, :]], dim=-2)
    rows = combine(x[..., ::2, :], below[..., :height, :])
    right = torch.cat([rows[..., 1::2], rows[..., -1:]], dim=-1)
    return combine(rows[..., ::2], right[..., :width])


def _folded_by_index(x: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The same, three times as slow, without slices that tie the graph of torch.export to odd or to even sizes."""
    for dim in (-2, -1):
        length = x.shape[dim]
        first = 2 * torch.arange((length + 1) // 2, device=x.device)
        x = combine(x.index_select(dim, first), x.index_select(dim, (first + 1).clamp_max(length - 1)))
    return x
