"""Optimiser of a run."""

from __future__ import annotations

import torch

from kbnet.training.config import TrainingConfig
from kbnet.training.step import TrainingStep


def make_optimizer(config: TrainingConfig, step_module: TrainingStep) -> torch.optim.AdamW:
    """Make the AdamW optimiser; without weight decay it equals Adam, as published.

    The learning rate of a parameter group is that of the schedule times its ``rate_share``. Weights have decay. Biases
    and normalisation, which have fewer than two dimensions, have none.
    """
    features = getattr(step_module.network, "image_features", None)
    pretrained = set() if features is None else set(features.parameters())
    groups = []
    for share, of_features in ((1.0, False), (config.image_features_rate, True)):
        chosen = [p for p in step_module.parameters() if p.requires_grad and (p in pretrained) == of_features]
        for decay in (True, False):
            if parameters := [p for p in chosen if (p.ndim > 1) == decay]:
                weight_decay = config.weight_decay if decay else 0.0
                groups.append({"params": parameters, "weight_decay": weight_decay, "rate_share": share})
    return torch.optim.AdamW(
        groups, lr=config.schedule.learning_rates[0], betas=(0.9, config.second_moment_decay), weight_decay=0.0
    )
