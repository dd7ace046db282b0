"""Learning rate and augmentation as functions of the step."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kbnet.training.config import ScheduleConfig
from kbnet.training.presets import training_preset
from kbnet.training.schedule import augmentation_probability, learning_rate, total_steps


def rates_by_epoch(schedule: ScheduleConfig, epochs: int) -> list[float]:
    return [learning_rate(schedule, 100 * epoch, 100) for epoch in range(epochs)]


def test_void_rates() -> None:
    schedule = training_preset("void").schedule
    assert rates_by_epoch(schedule, 15) == [1e-4] * 10 + [5e-5] * 5
    assert total_steps(schedule, 100) == 1500
    assert {augmentation_probability(schedule, epoch) for epoch in range(30)} == {1.0}


def test_kitti_rates() -> None:
    schedule = training_preset("kitti").schedule
    expected = [5e-5] * 2 + [1e-4] * 6 + [1.5e-4] * 12 + [1e-4] * 10 + [5e-5] * 15 + [2e-5] * 15
    assert rates_by_epoch(schedule, 60) == expected
    probabilities = [augmentation_probability(schedule, epoch) for epoch in range(62)]
    assert probabilities == [1.0] * 50 + [0.5] * 5 + [0.25] * 7


def test_a_rate_changes_with_the_first_step_of_its_epoch() -> None:
    schedule = ScheduleConfig(learning_rates=(1.0, 0.1), learning_rate_epochs=(2, 3))
    assert [learning_rate(schedule, step, 5) for step in (9, 10, 14, 99)] == [1.0, 0.1, 0.1, 0.1]


def test_warmup_rises_from_one_part_to_the_whole() -> None:
    schedule = ScheduleConfig(learning_rates=(1.0,), learning_rate_epochs=(9,), warmup_steps=4)
    assert [learning_rate(schedule, step, 10) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_falls_from_the_listed_rate_to_nothing() -> None:
    schedule = ScheduleConfig(learning_rates=(2.0,), learning_rate_epochs=(9,), steps=8, decay="cosine")
    rates = [learning_rate(schedule, step, 10) for step in range(8)]
    assert rates == [pytest.approx(1 + math.cos(math.pi * step / 8)) for step in range(8)]


def test_steps_end_a_run_instead_of_epochs() -> None:
    assert total_steps(ScheduleConfig(steps=7), 100) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rates": (1e-4,)}, "one of learning_rate_epochs for each of learning_rates"),
        ({"learning_rate_epochs": (15, 10)}, r"ascending learning_rate_epochs, got \(15, 10\)"),
        ({"learning_rates": (), "learning_rate_epochs": ()}, "learning_rate_epochs for each"),
        ({"learning_rates": (1e-4, 0.0)}, "positive learning rates"),
        ({"augmentation_epochs": (3, 5)}, "one of augmentation_epochs for each"),
        ({"steps": 0}, "steps of at least 1"),
        ({"warmup_steps": -1}, "warmup_steps of at least 0"),
    ],
)
def test_impossible_schedules_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**changes)
