"""Scaffold: dense depth interpolated from the kept sparse points, the input that a network refines."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kbnet.frame import FloatArray
from kbnet.points.extrapolation import extrapolated_to_border
from kbnet.points.interpolation import linear, linear_in_hull
from kbnet.points.outlier_rejection import kept_points

ScaffoldKind = Literal["none", "linear", "continued", "hull"]


def scaffold_from_points(points: Tensor, kind: ScaffoldKind, step: int = 1) -> Tensor | None:
    """Interpolate sparse points to a scaffold, sample by sample, on the CPU.

    Args:
        points: depth of the kept points, (B, 1, H, W), metres; 0 = none.
        kind: ``linear`` for Delaunay interpolation with the nearest point outside the hull; ``continued`` for the same
            after :func:`kbnet.points.extrapolation.extrapolated_to_border`; ``hull`` for
            :func:`kbnet.points.interpolation.linear_in_hull`; ``none`` for no scaffold.
        step: stride of the rows and columns interpolated from points; the others are interpolated from these.

    Returns:
        Dense depth, (B, 1, H, W), metres, on the device of ``points``. All 0 in a sample without points. None for the
        kind ``none``.

    Raises:
        KBNetError: ``hull`` and a sample has fewer than three points, or all on one line.
    """
    if kind == "none":
        return None
    samples = list(points[:, 0].float().cpu().numpy())
    if kind == "continued":
        samples = [extrapolated_to_border(sample) for sample in samples]
    dense = np.stack([linear_in_hull(sample) if kind == "hull" else linear(sample, step) for sample in samples])
    scaffold = torch.from_numpy(dense)[:, None].to(points.device, points.dtype)
    if step == 1:
        return scaffold
    size = [(length - 1) * step + 1 for length in dense.shape[-2:]]
    height, width = points.shape[-2:]
    return F.interpolate(scaffold, size=size, mode="bilinear", align_corners=True)[..., :height, :width]


def scaffold_of_supported_points(sparse_depth: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Scaffold of one frame after the outlier rule ``support`` and with extrapolation (kind ``continued``).

    Args:
        sparse_depth: (H, W), metres; 0 = unmeasured.
        intrinsics: K, (3, 3), pixels.

    Returns:
        Dense depth, (H, W), float32 metres; all 0 where nothing is measured.
    """
    points = torch.as_tensor(sparse_depth, dtype=torch.float32)[None, None]
    kept = kept_points(points, torch.as_tensor(intrinsics)[None], rule="support")
    scaffold = scaffold_from_points(points * kept, "continued")
    assert scaffold is not None
    dense: FloatArray = scaffold[0, 0].numpy()
    return dense
