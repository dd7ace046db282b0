"""Agreement of dense depth with depth that was measured."""

from __future__ import annotations

from torch import Tensor


def measured_depth_loss(depth: Tensor, measured: Tensor, validity: Tensor) -> Tensor:
    """Mean absolute difference over valid pixels, Σ v |depth - measured| / Σ v, averaged over the batch.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        measured: sparse depth or ground truth, (B, 1, H, W), metres; 0 = unmeasured.
        validity: weight of ``measured``, 0 where it does not count, (B, 1, H, W). A sample without any gives 0.

    Returns:
        Scalar, metres.
    """
    error = (depth - measured).abs()
    return ((validity * error).sum(dim=(1, 2, 3)) / validity.sum(dim=(1, 2, 3)).clamp_min(1)).mean()
