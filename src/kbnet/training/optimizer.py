"""Optimiser of a run."""

from __future__ import annotations

import torch

from kbnet.training.config import TrainingConfig
from kbnet.training.step import TrainingStep


def make_optimizer(config: TrainingConfig, step_module: TrainingStep) -> torch.optim.AdamW:
    """Make the AdamW optimiser; without weight decay it equals Adam, as published.

    Weights have decay. Biases and normalisation, which have fewer than two dimensions, have none.
    """
    parameters = [parameter for parameter in step_module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=config.schedule.learning_rates[0], betas=(0.9, config.second_moment_decay), weight_decay=0.0
    )
