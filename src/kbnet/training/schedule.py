"""Schedules of learning rate and augmentation as functions of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kbnet.training.config import ScheduleConfig


def total_steps(schedule: ScheduleConfig, steps_per_epoch: int) -> int:
    """Total number of steps of a run."""
    return schedule.steps or schedule.learning_rate_epochs[-1] * steps_per_epoch


def learning_rate(schedule: ScheduleConfig, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step, counted from 0."""
    rate = _at(schedule.learning_rates, schedule.learning_rate_epochs, step // steps_per_epoch)
    if schedule.warmup_steps:
        rate *= min(1.0, (step + 1) / schedule.warmup_steps)
    if schedule.decay == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * step / total_steps(schedule, steps_per_epoch)))
    return rate


def augmentation_probability(schedule: ScheduleConfig, epoch: int) -> float:
    """Factor of the probability of every augmentation in an epoch."""
    return _at(schedule.augmentation_probabilities, schedule.augmentation_epochs, epoch)


def _at(values: Sequence[float], ends: Sequence[int], epoch: int) -> float:
    """Value whose end is after ``epoch``; after the last end, the last value."""
    return next((value for value, end in zip(values, ends, strict=True) if epoch < end), values[-1])
