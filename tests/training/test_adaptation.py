"""Adapting to one video: what is planned, what training sees, and that it can be stopped."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kbnet.training.adaptation_plan as adaptation
from kbnet.errors import KBNetError
from kbnet.evaluation.before_after import BeforeAfter
from kbnet.evaluation.point_errors import PointErrors
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.frames.frame_list import FrameList
from kbnet.interruption import Interrupted
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.training.adaptation import keep, run_training
from kbnet.training.adaptation_plan import Adaptation, plan
from kbnet.training.batch import TripletBatch
from kbnet.training.monitor import ProgressReport
from kbnet.training.step import StepResult, TrainingStep
from kbnet.weights.depth_network import load_network, save_network
from kbnet.weights.safetensors_file import read_metadata

WriteSequence = Callable[..., Path]
Asked = Callable[..., Adaptation]


@pytest.fixture
def first_weights(tmp_path: Path) -> Path:
    """Weights of a tiny network that starts as an interpolation, with BatchNorm, as the bundled ones."""
    torch.manual_seed(0)
    filters: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    config = KBNetConfig(
        min_pool_sizes=(5, 7), max_pool_sizes=(9, 11, 13), scaffold="linear", residual="spread", normalisation="batch",
        weight_init="kaiming", outlier_rule="support", **filters,
    )  # fmt: skip
    path = tmp_path / "first.safetensors"
    save_network(KBNet(config), path)
    return path


@pytest.fixture
def sequence(write_sequence: WriteSequence) -> Path:
    """Eight frames."""
    return write_sequence(frames=8)


@pytest.fixture
def asked(sequence: Path, first_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Six steps, as if a step took ten seconds."""
    monkeypatch.setattr(adaptation, "_seconds_per_step", lambda config: 10.0)

    def make(**changes: Any) -> Adaptation:
        standard: dict[str, Any] = {"weights": str(first_weights), "minutes": 1.0, "gap": 1, "device": "cpu"}
        return Adaptation(source=sequence, output=tmp_path / "adapted.safetensors", **{**standard, **changes})

    return make


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[TripletBatch]:
    """What every training step was given."""
    seen: list[TripletBatch] = []
    forward = TrainingStep.forward

    def record(self: TrainingStep, batch: TripletBatch) -> StepResult:
        seen.append(batch)
        return forward(self, batch)

    monkeypatch.setattr(TrainingStep, "forward", record)
    return seen


def values(depth: Any) -> set[float]:
    return set(np.unique(np.asarray(depth))) - {0.0}


def test_held_out_points_never_reach_training(asked: Asked, sequence: Path, batches: list[TripletBatch]) -> None:
    """Every point has a depth of its own, by which it is known wherever a crop, a flip or another frame puts it."""
    points = 0
    for path in (sequence / "sparse_depth").glob("*.png"):
        depth = read_depth_png(path)
        depth[depth > 0] = 1 + (points + np.arange((depth > 0).sum())) / 256
        points += int((depth > 0).sum())
        write_depth_png(path, depth)
    adapting = asked()
    planned = plan(adapting)
    run_training(adapting, planned)
    assert len(batches) == planned.steps == 6
    judged = FrameList(planned.held_out.judged["sparse_depth"])
    held_out = set.union(*(values(judged.frame(index).ground_truth) for index in range(len(judged))))
    for batch in batches:
        assert values(batch.ground_truth)
        assert not values(batch.ground_truth) & held_out
        for index, name in enumerate(batch.names):
            frame = judged.frame(judged.names.index(name.partition("/")[2]))
            for depth in (batch.sparse_depth, batch.input_depth):
                trained = values(depth[index])
                assert trained
                assert trained <= values(frame.sparse_depth)
                assert not trained & values(frame.ground_truth)


def test_steps_follow_from_time_and_speed(asked: Asked) -> None:
    planned = plan(asked(minutes=2.0))
    assert (planned.seconds_per_step, planned.steps) == (10.0, 12)
    assert planned.gap is not None
    assert planned.gap.baseline == pytest.approx(0.05)


def test_speed_is_measured_on_steps_that_leave_nothing(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    adapting = asked()
    planned = plan(replace(adapting, minutes=0.5))
    assert 0 < planned.seconds_per_step < 30
    assert planned.steps == round(30 / planned.seconds_per_step)
    assert not (adapting.folder / "train.log").exists()


def test_losses_and_network_are_those_of_the_weights(asked: Asked, first_weights: Path) -> None:
    adapting = asked()
    planned = plan(adapting)
    near = load_network(first_weights).config
    config = adaptation.training_config(adapting, planned, near)
    assert (config.network, config.augmentation.crop) == (near, (36, 44))
    assert not config.losses.needs_poses
    assert (config.losses.sparse_depth, config.losses.supervised) == (2.0, 0.2)
    assert config.augmentation.point_removal_patch == 6
    enlarged = adaptation.training_config(adapting, planned, replace(near, working_side=100))
    assert (enlarged.augmentation.crop, enlarged.augmentation.point_removal_patch) == ((72, 88), 12)
    far = adaptation.training_config(adapting, planned, replace(near, min_depth=1.5, max_depth=100.0))
    assert far.losses.sparse_depth == pytest.approx(0.16)
    alone = adaptation.training_config(adapting, replace(planned, gap=None), near)
    assert (alone.losses.sparse_depth, alone.losses.supervised) == (2.0, 0.0)


def test_the_plan_is_made_once(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    adapting = asked()
    first = plan(adapting)
    monkeypatch.setattr(adaptation, "hold_out", None)
    assert plan(adapting) == first


def test_another_video_in_the_place_of_the_first_is_another_adaptation(asked: Asked) -> None:
    plan(asked())
    np.savetxt(asked().source / "K.txt", np.diag([51.0, 51, 1]))
    with pytest.raises(ValueError, match=r"another adaptation \(of another first_frame\)"):
        plan(asked())


@pytest.mark.parametrize(
    ("changes", "what"), [({"minutes": 2.0}, "minutes"), ({"gap": 2}, "gap"), ({"weights": "indoor"}, "weights")]
)
def test_a_run_folder_is_of_one_adaptation(asked: Asked, changes: dict[str, Any], what: str) -> None:
    plan(asked())
    with pytest.raises(ValueError, match=f"holds another adaptation .*{what}.*choose another --output"):
        plan(asked(**changes))


def test_a_damaged_record_is_refused(asked: Asked) -> None:
    plan(asked())
    path = asked().folder / adaptation.RECORD
    record = json.loads(path.read_text(encoding="utf-8"))
    damaged: list[Any] = [
        {},
        [],
        {**record, "asked": []},
        {**record, "asked": "minutes"},
        {**record, "plan": {**record["plan"], "steps": "many"}},
        {**record, "plan": {**record["plan"], "gap": 3}},
        {**record, "plan": {**record["plan"], "held_out": {**record["plan"]["held_out"], "judged": ["a"]}}},
        {**record, "plan": {**record["plan"], "held_out": {**record["plan"]["held_out"], "columns": 1}}},
    ]
    for one in damaged:
        path.write_text(json.dumps(one), encoding="utf-8")
        with pytest.raises(KBNetError, match=r"adaptation\.json is damaged .*remove .*adapted_run to begin anew"):
            plan(asked())


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(asked: Asked, tmp_path: Path) -> None:
    broken = asked(minutes=2.0)
    unbroken = replace(broken, output=tmp_path / "unbroken.safetensors")

    asked_once: list[int] = []

    def interrupt(report: ProgressReport) -> None:
        if report.step == 5 and not asked_once:
            asked_once.append(report.step)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=r"^stopped at step \d+; run the same command again to go on$"):
        run_training(broken, plan(broken), interrupt)
    gc.collect()  # the exception holds the readers of the run that was stopped
    reached: list[int] = []
    one = load_file(run_training(broken, plan(broken), lambda report: reached.append(report.step)))
    assert reached[-1] == 12
    assert reached[0] > 5
    other = load_file(run_training(unbroken, plan(unbroken)))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_run_that_is_done_is_not_repeated(asked: Asked, batches: list[TripletBatch]) -> None:
    for _ in range(2):
        run_training(asked(), plan(asked()))
    assert len(batches) == 6


def test_kept_weights_say_what_they_are_adapted_from_and_on(asked: Asked) -> None:
    adapting = asked()
    planned = plan(adapting)
    adapted = run_training(adapting, planned)
    errors = {
        ("sparse_depth", "before"): PointErrors(9, 50.0, 60.0, 1.0, 0.0, 2.0),
        ("sparse_depth", "after"): PointErrors(9, 40.0, 50.0, 1.0, 0.0, 2.0),
    }
    keep(adapting, planned, BeforeAfter(errors, 8, -0.2, 0.01, -0.2))
    notes = read_metadata(adapting.output)
    assert notes["origin"] == "kbnet adapt, first on wall"
    assert notes["adapted_from"].startswith("first.safetensors (sha256 ")
    assert notes["adapted_on"] == "8 frames of wall"
    assert (notes["held_out_mae_before"], notes["held_out_mae_after"]) == (
        "sparse_depth 50.0 mm",
        "sparse_depth 40.0 mm",
    )
    assert str(adapting.output.parent) not in notes["recipe"]
    one, other = load_file(adapted), load_file(adapting.output)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 0.0}, "a positive number of --minutes, got 0"),
        ({"gap": 0}, "a --gap of at least 1 frame, got 0"),
        ({"sparse_depth": ()}, "one or more names of sparse depth"),
        ({"weights": "kbnet-void1500.pth"}, "kbnet weights import"),
        ({"output": Path("adapted")}, "a .safetensors file as --output, got adapted"),
    ],
)
def test_what_cannot_be_asked_for_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adaptation(**{"source": Path("room"), "output": Path("adapted.safetensors"), **changes})
