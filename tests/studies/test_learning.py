"""A watched run: its clock adds up, its snapshots are the weights of their steps, and a break changes nothing."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies.equal_compute import known_seconds_per_step, with_steps
from studies.learning import learn
from studies.recipe import read_recipe

from kbnet.interruption import Interrupted
from kbnet.training.config import ScheduleConfig, TrainingConfig
from kbnet.training.monitor import ProgressReport
from kbnet.weights.depth_network import load_network


@pytest.fixture
def config(recipe: Path, room: Path, tmp_path: Path) -> TrainingConfig:
    return replace(read_recipe(recipe, {"sequences": [str(room)]}), output=tmp_path / "run")


def test_learn_keeps_weights_on_the_way_and_the_time_they_took(config: TrainingConfig) -> None:
    reports: list[ProgressReport] = []
    kept = learn(config, 3, reports.append)
    assert [one.step for one in kept] == [2, 4, 6]
    assert 0 < kept[0].seconds < kept[1].seconds < kept[2].seconds
    assert kept[2].seconds == pytest.approx(sum(2 / one.samples_per_second for one in reports if not one.message))
    states = [load_network(one.weights).state_dict() for one in kept]
    assert not torch.equal(states[0]["decoder.output.weight"], states[1]["decoder.output.weight"])
    last = load_network(config.output / "last.safetensors").state_dict()
    assert all(torch.equal(states[2][name], tensor) for name, tensor in last.items())


def test_learn_does_not_train_again_what_is_done(config: TrainingConfig) -> None:
    kept = learn(config, 2)
    reports: list[ProgressReport] = []
    assert learn(config, 2, reports.append) == kept
    assert not reports


def test_learn_goes_on_where_it_was_cut_off(config: TrainingConfig) -> None:
    whole = learn(replace(config, output=config.output.with_name("whole")), 3)

    def interrupt(report: ProgressReport) -> None:
        if report.step == 3 and not report.message:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        learn(config, 3, interrupt)
    resumed: list[ProgressReport] = []
    kept = learn(config, 3, resumed.append)
    assert [one.step for one in resumed if not one.message] == [4, 5, 6]
    assert [one.step for one in kept] == [2, 4, 6]
    assert 0 < kept[0].seconds < kept[1].seconds < kept[2].seconds
    for broken, unbroken in zip(kept, whole, strict=True):
        expected = load_network(unbroken.weights).state_dict()
        for name, tensor in load_network(broken.weights).state_dict().items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_learn_refuses_the_folder_of_another_run(config: TrainingConfig) -> None:
    learn(config, 1)
    learn(replace(config, workers=1), 2)
    with pytest.raises(ValueError, match="holds a run of other settings"):
        learn(replace(config, losses=replace(config.losses, colour=0.5)), 1)


def test_learn_needs_a_number_of_steps(config: TrainingConfig) -> None:
    with pytest.raises(ValueError, match=r"expected schedule\.steps"):
        learn(replace(config, schedule=ScheduleConfig()), 1)


def test_with_steps_keeps_the_share_of_warmup(config: TrainingConfig) -> None:
    assert (config.schedule.steps, config.schedule.warmup_steps) == (6, 2)
    assert with_steps(config, 60).schedule == replace(config.schedule, steps=60, warmup_steps=20)
    endless = replace(config, schedule=ScheduleConfig(warmup_steps=9))
    assert with_steps(endless, 5).schedule == ScheduleConfig(warmup_steps=5, steps=5)
    with pytest.raises(ValueError, match="at least 1 step"):
        with_steps(config, 0)


def test_known_seconds_are_those_of_the_file_until_the_work_changes(config: TrainingConfig, tmp_path: Path) -> None:
    file = tmp_path / "seconds_per_step.json"
    faster = replace(config, average_decay=0.0, schedule=replace(config.schedule, learning_rates=(3e-3,)))
    first = known_seconds_per_step({"tiny": config, "faster": faster}, file)
    assert 0 < first["tiny"] == first["faster"] < 10
    assert known_seconds_per_step({"faster": faster, "tiny": config}, file) == first
    tuned = replace(config, initial_weights="indoor", normalisation_statistics="frozen")
    assert known_seconds_per_step({"tuned": tuned}, file)["tuned"] == first["tiny"]
    changed = replace(config, augmentation=replace(config.augmentation, crop=(32, 32)))
    assert known_seconds_per_step({"tiny": changed}, file) != first
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2
    assert not config.output.exists()
