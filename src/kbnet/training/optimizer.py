"""The optimiser of a run."""

from __future__ import annotations

import torch

from kbnet.training.config import TrainingConfig
from kbnet.training.step import TrainingStep


def make_optimizer(config: TrainingConfig, step_module: TrainingStep) -> torch.optim.AdamW:
    """AdamW; without weight decay it is Adam, as published.

    Every group of parameters has a ``rate_share``, by which the learning rate of the schedule is multiplied. Weights
    decay; biases and normalisation, which have fewer than two dimensions, do not.
    """
    features = step_module.network.image_features
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
