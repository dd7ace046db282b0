"""The log, the events and the reports of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kbnet.evaluation.metrics import DepthErrors
from kbnet.training.config import TrainingConfig, ValidationConfig
from kbnet.training.loop import train
from kbnet.training.monitor import Monitor, ProgressReport
from kbnet.training.step import StepResult


def result(total: float) -> StepResult:
    return StepResult(torch.tensor(total), {"colour": torch.tensor(total / 2)}, torch.zeros(0), (), ())


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder / "events"))
    accumulator.Reload()
    return accumulator


def test_a_report_is_the_mean_of_the_steps_since_the_last(tmp_path: Path) -> None:
    reports: list[ProgressReport] = []
    monitor = Monitor(tmp_path, 10, 0, reports.append, active=True)
    for first, second in ((1.0, 3.0), (5.0, 7.0)):
        monitor.add(result(first), 4)
        monitor.add(result(second), 4)
        monitor.report(2 * len(reports) + 2, 1e-4, 0.5)
    monitor.close()
    assert [report.losses for report in reports] == [{"total": 2.0, "colour": 1.0}, {"total": 6.0, "colour": 3.0}]
    assert [(report.step, report.steps) for report in reports] == [(2, 10), (4, 10)]
    assert all(report.samples_per_second > 0 for report in reports)
    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert "step 2/10  total 2.0000  colour 1.0000  rate 1.00e-04  gradient 0.500" in lines[0]
    assert [event.value for event in events(tmp_path).Scalars("loss/total")] == [2.0, 6.0]


def test_what_a_link_with_the_name_of_the_log_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("whole")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.log").symlink_to(tmp_path / "thesis.txt")
    monitor = Monitor(tmp_path / "run", 10, 0, None, active=True)
    monitor.say(1, "hello")
    monitor.close()
    assert (tmp_path / "thesis.txt").read_text() == "whole"
    assert "hello" in (tmp_path / "run" / "train.log").read_text()


def test_a_judgement_is_logged_and_reported(tmp_path: Path) -> None:
    reports: list[ProgressReport] = []
    monitor = Monitor(tmp_path, 10, 0, reports.append, active=True)
    monitor.validation(5, DepthErrors(12.345, 20.0, 3.0, 4.0), best=True)
    monitor.close()
    assert reports[0].message.startswith("validation: MAE 12.3")
    assert reports[0].message.endswith("(best so far)")
    assert events(tmp_path).Scalars("validation/mae_mm")[0].value == pytest.approx(12.345)


def test_a_process_that_is_not_the_first_writes_and_reports_nothing(tmp_path: Path) -> None:
    reports: list[ProgressReport] = []
    monitor = Monitor(tmp_path / "run", 10, 0, reports.append, active=False)
    monitor.add(result(1.0), 4)
    monitor.report(1, 1e-4, 0.5)
    monitor.say(1, "hello")
    monitor.close()
    assert reports == []
    assert not (tmp_path / "run").exists()


def test_a_run_shows_losses_errors_and_pictures(
    write_sequence: Callable[..., Path], make_config: Callable[..., TrainingConfig]
) -> None:
    sequence = write_sequence()
    config = make_config(sequence, steps=2, validation=ValidationConfig((sequence,)))
    train(config)
    seen = events(config.output)
    scalars, images = set(seen.Tags()["scalars"]), set(seen.Tags()["images"])
    for name in ("total", "colour", "structure", "sparse_depth", "smoothness"):
        assert f"loss/{name}" in scalars
    assert {"learning_rate", "gradient_norm", "samples_per_second", "validation/rmse_mm"} <= scalars
    assert images == {
        "image/input-from_previous-error-from_next-error",
        "depth/prediction-sparse_input-error-ground_truth-error",
    }
    depths = {f"depth/{name}_m" for name in ("prediction", "sparse", "ground_truth")}
    poses = {f"pose/{to}_{what}" for to in ("to_previous", "to_next") for what in ("x_m", "y_m", "z_m", "rotation_deg")}
    assert set(seen.Tags()["histograms"]) == depths | poses


def test_pictures_and_states_come_at_their_intervals_and_at_the_end(
    write_sequence: Callable[..., Path], make_config: Callable[..., TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr("kbnet.training.loop.save_state", lambda folder, state: saved.append(state["step"]))
    config = make_config(write_sequence(), steps=5, summary_steps=2, checkpoint_steps=3)
    train(config)
    seen = events(config.output)
    shown = {tuple(image.step for image in seen.Images(tag)) for tag in seen.Tags()["images"]}
    assert shown == {(2, 4, 5)}
    assert saved == [3, 5]


def test_events_of_a_run_that_was_cut_off_do_not_come_twice(tmp_path: Path) -> None:
    for first_step, losses in ((0, (1.0, 2.0, 3.0)), (2, (30.0,))):
        monitor = Monitor(tmp_path, 3, first_step, None, active=True)
        for step, loss in enumerate(losses, start=first_step + 1):
            monitor.add(result(loss), 1)
            monitor.report(step, 1e-4, 0.5)
        monitor.close()
    assert [(event.step, event.value) for event in events(tmp_path).Scalars("loss/total")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 30.0),
    ]


def test_a_pause_between_two_reports_drops_nothing_but_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[ProgressReport] = []
    clock = iter([0.0, 2.0, 102.0, 104.0, 104.0])
    monkeypatch.setattr("kbnet.training.monitor.time.perf_counter", lambda: next(clock))
    monitor = Monitor(tmp_path, 10, 0, reports.append, active=False)
    monitor._on_report = reports.append
    monitor.add(result(1.0), 4)
    with monitor.pause():
        pass
    monitor.add(result(3.0), 4)
    monitor.report(2, 1e-4, 0.5)
    assert reports[0].losses["total"] == 2.0
    assert reports[0].samples_per_second == 8 / 4
