"""Pose-consistency loss: T_st · T_ts should be the identity (VOICED)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pose_consistency_loss(forward: Sequence[Tensor], backward: Sequence[Tensor]) -> Tensor:
    """Squared distance of T_neighbour_current · T_current_neighbour from the identity (VOICED, Wong et al. 2020).

    The squares are summed over matrix entries and neighbours, then averaged over the batch.
    VOICED also averages over the 16 entries, so its weight is 16 times ours.

    Args:
        forward: T_neighbour_current of each neighbour, (B, 4, 4), metres.
        backward: T_current_neighbour of each, (B, 4, 4), metres.

    Returns:
        Scalar.
    """
    round_trips = torch.stack([there @ back for there, back in zip(forward, backward, strict=True)])
    identity = torch.eye(4, dtype=round_trips.dtype, device=round_trips.device)
    return (round_trips - identity).square().sum(dim=(0, 2, 3)).mean()
