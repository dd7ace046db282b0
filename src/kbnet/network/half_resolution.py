"""Half the resolution on the way into a network, and twice on the way out: a quarter of the arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.geometry.camera import halved_intrinsics
from kbnet.network.sparse_to_dense import NOWHERE


class Inputs(NamedTuple):
    """What a depth network sees, as `KBNet.forward` says."""

    image: Tensor
    sparse_depth: Tensor
    validity: Tensor
    intrinsics: Tensor
    scaffold: Tensor | None


def halved_inputs(inputs: Inputs) -> Inputs:
    """Inputs at half the size, rounded up: a last odd row or column stands alone.

    Image and scaffold become means of 2x2 pixels. Sparse points are never averaged: of four pixels stays the nearest of
    the kept points, or else the nearest point.
    """
    kept = _nearest(inputs.sparse_depth * inputs.validity)
    points = torch.where(kept > 0, kept, _nearest(inputs.sparse_depth))
    scaffold = None if inputs.scaffold is None else _mean(inputs.scaffold)
    validity = (kept > 0).to(inputs.validity.dtype)
    return Inputs(_mean(inputs.image), points, validity, halved_intrinsics(inputs.intrinsics), scaffold)


def enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    """Twice the size, linearly, cut to (H, W)."""
    doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[..., : size[0], : size[1]]


def _mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def _nearest(points: Tensor) -> Tensor:
    """The smallest depth in every 2x2 pixels, (B, 1, h, w); 0 = none."""
    nearest = -F.max_pool2d((-points).masked_fill(points == 0, -NOWHERE), 2, ceil_mode=True)
    return nearest.masked_fill(nearest >= NOWHERE, 0.0)
