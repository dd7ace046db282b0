"""The scaffold: a first dense depth from the kept sparse points alone, which a network then refines."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kbnet.data.interpolation import linear


def scaffold_from_points(points: Tensor, kind: Literal["none", "linear"]) -> Tensor | None:
    """Interpolate sparse points, sample by sample, on the CPU.

    Args:
        points: depth of the kept points, (B, 1, H, W), metres; 0 = none.
        kind: ``linear`` for Delaunay interpolation with the nearest point outside the hull; ``none`` for no scaffold.

    Returns:
        Dense depth, (B, 1, H, W), metres, on the device of ``points``; 0 in a sample without points; None for ``none``.
    """
    if kind == "none":
        return None
    dense = [linear(sample) for sample in points[:, 0].float().cpu().numpy()]
    return torch.from_numpy(np.stack(dense))[:, None].to(points.device, points.dtype)
