"""Halving of network inputs and upsampling of network outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.camera import halved_intrinsics
from kbnet.network.inputs import NetworkInputs
from kbnet.network.sparse_to_dense import NOWHERE


def halved_inputs(inputs: NetworkInputs) -> NetworkInputs:
    """Halve NetworkInputs; sizes are rounded up.

    Image and scaffold are averaged over 2x2 pixels. Sparse points are never averaged: of 2x2 pixels, the nearest kept
    point remains, or else the nearest point.
    """
    kept = _nearest(inputs.sparse_depth * inputs.validity)
    points = torch.where(kept > 0, kept, _nearest(inputs.sparse_depth))
    scaffold = None if inputs.scaffold is None else _mean(inputs.scaffold)
    validity = (kept > 0).to(inputs.validity.dtype)
    return NetworkInputs(_mean(inputs.image), points, validity, halved_intrinsics(inputs.intrinsics), scaffold)


def enlarged(x: Tensor, scale: int, size: Sequence[int]) -> Tensor:
    """Upsample linearly by ``scale`` and crop to (H, W)."""
    return cropped(F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False), size)


def cropped(x: Tensor, size: Sequence[int]) -> Tensor:
    """Crop a map to its upper left (H, W)."""
    if torch.compiler.is_compiling():  # a slice would make torch.export distinguish sizes that it changes from others
        rows, columns = (torch.arange(length, device=x.device) for length in size)
        return x.index_select(-2, rows).index_select(-1, columns)
    return x[..., : size[0], : size[1]]


def padded_inputs(inputs: NetworkInputs, factor: int) -> NetworkInputs:
    """Pad NetworkInputs to multiples of ``factor`` by repeating the last row and column."""
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
    """Smallest depth of every 2x2 pixels, (B, 1, h, w); 0 = unmeasured."""
    nearest = _folded(points.masked_fill(points == 0, NOWHERE), torch.minimum)
    return nearest.masked_fill(nearest >= NOWHERE, 0.0)


def _folded(x: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine every 2x2 pixels; a last odd row or column counts twice. Ten times as fast as torch's pools."""
    if torch.compiler.is_compiling():
        return _folded_by_index(x, combine)
    height, width = (x.shape[-2] + 1) // 2, (x.shape[-1] + 1) // 2
    below = torch.cat([x[..., 1::2, :], x[..., -1:, :]], dim=-2)
    rows = combine(x[..., ::2, :], below[..., :height, :])
    right = torch.cat([rows[..., 1::2], rows[..., -1:]], dim=-1)
    return combine(rows[..., ::2], right[..., :width])


def _folded_by_index(x: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The same for torch.export, where slices would fix odd or even sizes; three times as slow."""
    for dim in (-2, -1):
        length = x.shape[dim]
        first = 2 * torch.arange((length + 1) // 2, device=x.device)
        x = combine(x.index_select(dim, first), x.index_select(dim, (first + 1).clamp_max(length - 1)))
    return x
