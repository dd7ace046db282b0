"""Agreement of dense depth with depth that was measured."""

from __future__ import annotations

import torch
from torch import Tensor


def measured_depth_loss(depth: Tensor, measured: Tensor, validity: Tensor, robust: float = 0.0) -> Tensor:
    """Mean absolute difference over valid pixels, Σ v |depth - measured| / Σ v, averaged over the batch.

    With ``robust``, a difference e counts as |e| / √(1 + (e / s)²), s = robust · measured (the penalty of Geman and
    McClure, under a root): as |e| while it is small, never more than s, and a false point hardly pulls at all.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        measured: sparse depth or ground truth, (B, 1, H, W), metres; 0 = unmeasured.
        validity: weight of ``measured``, 0 where it does not count, (B, 1, H, W). A sample without any gives 0.
        robust: relative error at which the pull of a point is down to a third; 0 = never.

    Returns:
        Scalar, metres.
    """
    error = (depth - measured).abs()
    if robust > 0:
        error = error / (1 + (error / (robust * torch.where(measured > 0, measured, 1.0))).square()).sqrt()
    return ((validity * error).sum(dim=(1, 2, 3)) / validity.sum(dim=(1, 2, 3)).clamp_min(1)).mean()
