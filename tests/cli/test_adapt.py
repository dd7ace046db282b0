"""``kbnet adapt``: kept only if better, and what does not fit is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbnet
import kbnet.training.adaptation_plan as adaptation
from kbnet.cli.main import main
from kbnet.evaluation.before_after import BeforeAfter
from kbnet.evaluation.point_errors import PointErrors
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_list import write_frame_list
from kbnet.frames.sequence import Sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.training import adaptation as adapting
from kbnet.weights.depth_network import load_network, save_network
from kbnet.weights.pose_network import save_pose_network

FILTERS: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}


@pytest.fixture
def words(posed_room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An adaptation of a tiny network in three steps."""
    monkeypatch.setattr(adaptation, "_seconds_per_step", lambda config: 20.0)
    save_network(KBNet(KBNetConfig(**FILTERS)), tmp_path / "first.safetensors")
    options = {"weights": tmp_path / "first.safetensors", "output": tmp_path / "adapted.safetensors", "minutes": 1}
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return ["adapt", str(posed_room), *flags, "--device", "cpu"]


def judged(change: float) -> Callable[..., BeforeAfter]:
    errors = {
        ("sparse_depth", method): PointErrors(9, 100.0, 200.0, 3.0, 0.0, 5.0)
        for method in ("linear", "before", "after")
    }
    return lambda *arguments, **options: BeforeAfter(errors, 8, change, 0.02, change / 2)


def test_a_better_result_is_kept(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapting, "compare_before_after", judged(-0.05))
    assert main(words) == 0
    said, warned = capsys.readouterr()
    assert "3 steps are few: fewer than 100 can raise the error; give at least --minutes 34" in warned
    assert "of each frame, and of 6 around it, 2 frames or 10 % of the median depth apart" in said
    assert "held out  a fifth of the points of 8 frames" in said
    assert "speed     20.00 s a step: 3 steps in 1 minutes" in said
    assert "change    -5.0 % ± 2.0 of the robust mean" in said
    assert f"kept      {tmp_path / 'adapted.safetensors'}" in said
    assert load_network(tmp_path / "adapted.safetensors").config == KBNetConfig(**FILTERS)


@pytest.mark.parametrize("change", [0.05, 0.0, -0.03])
def test_a_result_that_is_not_surely_better_is_not_kept(
    change: float,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(adapting, "compare_before_after", judged(change))
    assert main(words) == 1
    assert f"not kept  nothing is written to {tmp_path / 'adapted.safetensors'}" in capsys.readouterr().out
    assert not (tmp_path / "adapted.safetensors").exists()


@pytest.mark.usefixtures("torch_engine")
def test_a_result_is_judged_by_itself(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh network knows nothing, and three steps teach it little; whatever comes out, word, file and code agree."""
    code = main(words)
    said = capsys.readouterr().out
    assert code == (0 if "\nkept " in said else 1)
    assert (tmp_path / "adapted.safetensors").exists() == (code == 0)
    for method in ("linear", "before", "after"):
        assert method in said


def test_without_poses_a_frame_learns_from_its_own_points(
    words: list[str], posed_room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (posed_room / "absolute_pose").glob("*.txt"):
        path.unlink()
    monkeypatch.setattr(adapting, "compare_before_after", judged(-0.05))
    assert main(words) == 0
    assert "labels    points removed from the input of each frame\n" in capsys.readouterr().out


def test_a_list_without_neighbours_is_adapted_to(
    words: list[str], posed_room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = Sequence(posed_room)
    write_frame_list(tmp_path / "frames.csv", map(sequence.files, range(8)))
    monkeypatch.setattr(adapting, "compare_before_after", judged(-0.05))
    assert main([words[0], str(tmp_path / "frames.csv"), *words[2:]]) == 0


def test_a_recording_is_adapted_to(
    words: list[str], write_recording: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_recording(frames=6)
    monkeypatch.setattr(adapting, "compare_before_after", judged(-0.05))
    flags = ["--intrinsics", str(folder / "K.txt"), "--points", "200"]
    assert main([words[0], str(folder), *words[2:], *flags]) == 0
    assert len(Sequence(tmp_path / "adapted_run" / "recordings" / "recording")) == 6
    assert main([words[0], str(folder), *words[2:], *flags[:-1], "100"]) == 2


def test_adapting_in_python_writes_what_is_better(
    words: list[str], posed_room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"weights": str(tmp_path / "first.safetensors"), "minutes": 1, "device": "cpu"}
    for change, name in ((0.05, "worse"), (-0.05, "better")):
        monkeypatch.setattr(adapting, "compare_before_after", judged(change))
        output = tmp_path / f"{name}.safetensors"
        assert kbnet.adapt(posed_room, output, **options).better == output.exists() == (name == "better")


def no_points(posed_room: Path, tmp_path: Path) -> list[str]:
    for path in (posed_room / "sparse_depth").glob("*.png"):
        write_depth_png(path, np.zeros((40, 48), np.float32))
    return []


def another_folder(posed_room: Path, tmp_path: Path) -> list[str]:
    return ["--sparse-depth", "sparse_depth_150"]


def few_frames(posed_room: Path, tmp_path: Path) -> list[str]:
    for path in sorted((posed_room / "image").glob("*.png"))[3:]:
        path.unlink()
    return []


def pose_weights(posed_room: Path, tmp_path: Path) -> list[str]:
    save_pose_network(PoseNet("plain"), tmp_path / "pose.safetensors")
    return ["--weights", str(tmp_path / "pose.safetensors")]


def list_with_gap(posed_room: Path, tmp_path: Path) -> list[str]:
    sequence = Sequence(posed_room)
    write_frame_list(tmp_path / "video.csv", [sequence.files(index, 1) for index in range(1, 7)])
    return [str(tmp_path / "video.csv"), "--gap", "1"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_points, "expected sparse points to train on and to judge by, got none in 8 frames"),
        (another_folder, "choose sparse_depth with --sparse-depth"),
        (few_frames, "at least 5 frames with sparse points to judge by, got 3 of 3"),
        (pose_weights, "expected weights of a KBNet (depth)"),
        (list_with_gap, "is a list, which may join several videos; leave it out"),
        (lambda *_: ["--weights", "outdoors"], "got 'outdoors'"),
        (lambda *_: ["--minutes", "0"], "a positive number of --minutes"),
    ],
)
def test_what_does_not_fit_is_one_line(
    spoil: Callable[[Path, Path], list[str]],
    message: str,
    words: list[str],
    posed_room: Path,
    tmp_path: Path,
    one_line_error: Callable[[], str],
) -> None:
    more = spoil(posed_room, tmp_path)
    if more and more[0].endswith(".csv"):
        words = [words[0], more.pop(0), *words[2:]]
    assert main([*words, *more]) == 2
    assert message in one_line_error()
    assert not (tmp_path / "adapted.safetensors").exists()
