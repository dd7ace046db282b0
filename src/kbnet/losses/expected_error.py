"""Loss of the predicted expected error: a Laplace likelihood."""

from __future__ import annotations

from torch import Tensor

from kbnet.losses.masked_mean import masked_mean


def expected_error_loss(depth: Tensor, expected_error: Tensor, ground_truth: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace distribution, |d - g| / b + ln(b / g), over pixels with ground truth.

    The minimum lies where b is the mean absolute error (Kendall & Gal, NeurIPS 2017, with a Laplace distribution).

    Args:
        depth: dense depth d, (B, 1, H, W), metres; no gradient flows into it.
        expected_error: b, (B, 1, H, W), metres, positive.
        ground_truth: g, (B, 1, H, W), metres; 0 = unmeasured. A sample without any gives 0.

    Returns:
        Scalar.
    """
    validity = (ground_truth > 0).to(depth.dtype)
    truth = ground_truth.where(ground_truth > 0, depth.detach())
    error = (depth.detach() - truth).abs()
    return masked_mean(error / expected_error + (expected_error / truth).log(), validity)
