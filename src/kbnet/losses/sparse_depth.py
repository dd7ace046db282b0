"""Loss between dense depth and measured depth."""

from __future__ import annotations

from torch import Tensor


def measured_depth_loss(depth: Tensor, measured: Tensor, validity: Tensor) -> Tensor:
    """Sparse-depth loss: mean absolute difference over valid pixels, Σ v |d - measured| / Σ v, averaged over the batch.

    Args:
        depth: dense depth, (B, 1, H, W), metres.
        measured: sparse depth or ground truth, (B, 1, H, W), metres; 0 = unmeasured.
        validity: weight of every measurement, 0 = ignored, (B, 1, H, W). A sample without a measurement gives 0.

    Returns:
        Scalar, metres.
    """
    error = (depth - measured).abs()
    return ((validity * error).sum(dim=(1, 2, 3)) / validity.sum(dim=(1, 2, 3)).clamp_min(1)).mean()
