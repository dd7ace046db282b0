"""The log, the events and the reports of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kbnet.evaluation.metrics import DepthErrors
from kbnet.geometry.pose import transform_from_vector
from kbnet.report.colour import colourise
from kbnet.training.batch import TripletBatch
from kbnet.training.config import TrainingConfig, ValidationConfig
from kbnet.training.loop import train
from kbnet.training.monitor import MARGIN, SAMPLES, Monitor, ProgressReport, histograms, picture_rows
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


HEIGHT, WIDTH = 32, 40
COLUMN, ROW = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN
IMAGE_TAG = "image/input-from_previous-error-from_next-error"


def make_batch(**changes: Any) -> TripletBatch:
    """Three samples of one grey each, two points, and truth on the left half."""
    grey = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1, 1).expand(3, 3, HEIGHT, WIDTH)
    points, truth = torch.zeros(3, 1, HEIGHT, WIDTH), torch.zeros(3, 1, HEIGHT, WIDTH)
    points[..., 8, 8], points[..., 24, 30], truth[..., : WIDTH // 2] = 1.0, 3.0, 2.0
    fields: dict[str, Any] = {
        **dict.fromkeys(("image", "previous_image", "next_image", "input_image"), grey),
        **dict.fromkeys(("input_depth", "sparse_depth"), points),
        **dict.fromkeys(("input_validity", "validity"), (points > 0).float()),
        **dict.fromkeys(("T_previous_current", "T_next_current"), torch.eye(4).expand(3, 4, 4)),
        "scaffold": None,
        "intrinsics": torch.eye(3).expand(3, 3, 3),
        "has_poses": torch.tensor([False] * 3),
        "ground_truth": truth,
        "names": ("a", "b", "c"),
    }
    return TripletBatch(**(fields | changes))


def make_result(batch: TripletBatch, *, motion: bool = True) -> StepResult:
    """Depth of 2.1 m; reconstructions that are a tenth too bright and too dark."""
    vector = torch.tensor([[0.0, 0.0, 1e-4, 0.1, -0.2, 0.3]]).expand(3, 6)
    poses = (transform_from_vector(vector), transform_from_vector(-vector)) if motion else ()
    warped = (batch.image + 0.1, batch.image - 0.1) if motion else ()
    depth = torch.full_like(batch.sparse_depth, 2.1).requires_grad_()
    return StepResult(torch.tensor(0.0), {}, depth, warped, poses)


def cell(picture: torch.Tensor, row: int, column: int) -> torch.Tensor:
    """What lies inside the margins at a place of the grid, (3, H, W)."""
    top, left = row * ROW + MARGIN, column * COLUMN + MARGIN
    return picture[:, top : top + HEIGHT, left : left + WIDTH]


def test_the_image_row_is_input_both_reconstructions_and_their_errors() -> None:
    batch = make_batch()
    picture = picture_rows(batch, make_result(batch))[IMAGE_TAG]
    assert picture.shape == (3, SAMPLES * ROW, 5 * COLUMN)
    for row, grey in enumerate((0.2, 0.4)):
        for column, expected in enumerate((grey, grey + 0.1, 0.1, grey - 0.1, 0.1)):
            torch.testing.assert_close(cell(picture, row, column), torch.full((3, HEIGHT, WIDTH), expected))
    assert (picture[:, :MARGIN] == 1).all()


def test_the_depth_row_is_prediction_points_truth_and_their_errors() -> None:
    batch = make_batch()
    (picture,) = (rows for tag, rows in picture_rows(batch, make_result(batch)).items() if tag.startswith("depth/"))
    assert picture.shape == (3, SAMPLES * ROW, 5 * COLUMN)
    places = {(0, 8, 8): 2.1, (1, 8, 8): 1.0, (1, 24, 30): 3.0, (3, 5, 5): 2.0}
    errors = {(2, 8, 8): 0.0, (2, 24, 30): 0.0, (4, 5, 5): 0.3 - 0.1}
    for limit, expected in ((3.0, places), (0.3, errors)):
        for (column, y, x), depth in expected.items():  # of errors, what they fall short of the limit
            colour = torch.from_numpy(colourise(np.array([[max(depth, 1e-6)]]), 0.0, limit)[0, 0]) / 255
            torch.testing.assert_close(cell(picture, 1, column)[:, y, x], colour, rtol=0, atol=2 / 255)
    for column, y, x in ((1, 0, 0), (2, 0, 0), (3, 5, 35), (4, 5, 35)):
        assert (cell(picture, 1, column)[:, y, x] == 0).all(), "unmeasured is black"


def test_what_a_run_does_not_have_is_no_column() -> None:
    batch = make_batch(ground_truth=torch.zeros(3, 1, HEIGHT, WIDTH))
    result = make_result(batch, motion=False)
    assert list(picture_rows(batch, result)) == ["image/input", "depth/prediction-sparse_input-error"]
    assert list(histograms(batch, result)) == ["depth/prediction_m", "depth/sparse_m"]


def test_histograms_hold_measured_depth_and_the_motion_of_every_sample() -> None:
    batch = make_batch()
    seen = histograms(batch, make_result(batch))
    assert seen["depth/prediction_m"].shape == (3 * HEIGHT * WIDTH,)
    assert seen["depth/sparse_m"].tolist() == [1.0, 3.0] * 3
    assert set(seen["depth/ground_truth_m"].tolist()) == {2.0}
    assert seen["pose/to_previous_x_m"].tolist() == pytest.approx([0.1] * 3)
    assert seen["pose/to_next_y_m"].tolist() == pytest.approx([0.2] * 3)
    assert seen["pose/to_previous_z_m"].tolist() == pytest.approx([0.3] * 3)
    # A ten-thousandth of a radian, which 1 - cosine in float32 does not see.
    for name in ("to_previous", "to_next"):
        assert seen[f"pose/{name}_rotation_deg"].tolist() == pytest.approx([math.degrees(1e-4)] * 3, rel=2e-3)


@pytest.mark.parametrize("angle_rad", [0.5, 2.0, 3.0])
def test_large_angles_are_shown_as_they_are(angle_rad: float) -> None:
    batch = make_batch()
    result = make_result(batch)
    pose = transform_from_vector(torch.tensor([[0.6 * angle_rad, 0.0, 0.8 * angle_rad, 0, 0, 0]])).expand(3, 4, 4)
    result.poses = (pose, pose)
    shown = histograms(batch, result)["pose/to_next_rotation_deg"]
    assert shown.tolist() == pytest.approx([math.degrees(angle_rad)] * 3, rel=1e-4)


def test_a_batch_without_any_point_is_shown() -> None:
    nothing = torch.zeros(3, 1, HEIGHT, WIDTH)
    batch = make_batch(sparse_depth=nothing, input_depth=nothing, ground_truth=nothing)
    result = make_result(batch)
    assert len(picture_rows(batch, result)) == 2
    assert "depth/sparse_m" not in histograms(batch, result)
