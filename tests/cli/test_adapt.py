"""``kbnet adapt``: kept only if better, and what does not fit is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kbnet.training.adaptation as adaptation
import kbnet.training.judgement as judgement
from kbnet.checking import PointErrors
from kbnet.cli.main import main
from kbnet.data.depth_png import write_depth_png
from kbnet.data.frame_list import write_frame_list
from kbnet.data.sequence import Sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.network.pose_net import PoseNet
from kbnet.network.pose_weights import save_pose_network
from kbnet.network.weights import load_network, save_network
from kbnet.training.judgement import Judgement

WriteSequence = Callable[..., Path]
FILTERS: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}


@pytest.fixture
def room(write_sequence: WriteSequence) -> Path:
    """Eight frames of a camera that moves sideways, with poses and without ground truth."""
    folder = write_sequence(frames=8, truth=False)
    (folder / "absolute_pose").mkdir()
    for index in range(8):
        pose = np.eye(4)
        pose[0, 3] = 0.1 * index
        np.savetxt(folder / "absolute_pose" / f"{index:04}.txt", pose)
    return folder


@pytest.fixture
def words(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An adaptation of a tiny network in three steps."""
    monkeypatch.setattr(adaptation, "_seconds_per_step", lambda config: 20.0)
    save_network(KBNet(KBNetConfig(**FILTERS)), tmp_path / "first.safetensors")
    options = {"weights": tmp_path / "first.safetensors", "output": tmp_path / "adapted.safetensors", "minutes": 1}
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return ["adapt", str(room), *flags, "--device", "cpu"]


def judged(change: float) -> Callable[..., Judgement]:
    errors = {
        ("sparse_depth", method): PointErrors(9, 100.0, 200.0, 3.0, 0.0, 5.0)
        for method in ("linear", "before", "after")
    }
    return lambda *arguments, **options: Judgement(errors, 8, change, 0.02, change / 2)


def test_a_better_result_is_kept(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judgement, "judge", judged(-0.05))
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "motion    known; neighbours 2 frames away, 10 % of the median depth apart" in said
    assert "judging   8 frames" in said
    assert "speed     20.00 s a step: 3 steps in 1 minutes" in said
    assert "change    -5.0 % ± 2.0 of the mean in %" in said
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
    monkeypatch.setattr(judgement, "judge", judged(change))
    assert main(words) == 1
    assert f"not kept  nothing is written to {tmp_path / 'adapted.safetensors'}" in capsys.readouterr().out
    assert not (tmp_path / "adapted.safetensors").exists()


def test_a_result_is_judged_by_itself(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh network knows nothing, and three steps teach it little; whatever comes out, word, file and code agree."""
    code = main(words)
    said = capsys.readouterr().out
    assert code == (0 if "\nkept " in said else 1)
    assert (tmp_path / "adapted.safetensors").exists() == (code == 0)
    for method in ("linear", "before", "after"):
        assert method in said


def test_without_poses_motion_is_learnt_and_warned_of(
    words: list[str], room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (room / "absolute_pose").glob("*.txt"):
        path.unlink()
    monkeypatch.setattr(judgement, "judge", judged(-0.05))
    assert main(words) == 0
    written = capsys.readouterr()
    assert "motion    network; neighbours 1 frame away\n" in written.out
    assert "kbnet: warning: there are no poses" in written.err


def no_points(room: Path, tmp_path: Path) -> list[str]:
    for path in (room / "sparse_depth").glob("*.png"):
        write_depth_png(path, np.zeros((40, 48), np.float32))
    return []


def another_folder(room: Path, tmp_path: Path) -> list[str]:
    return ["--sparse-depth", "sparse_depth_150"]


def wide_gap(room: Path, tmp_path: Path) -> list[str]:
    return ["--gap", "4"]


def few_frames(room: Path, tmp_path: Path) -> list[str]:
    for path in sorted((room / "image").glob("*.png"))[3:]:
        path.unlink()
    return []


def pose_weights(room: Path, tmp_path: Path) -> list[str]:
    save_pose_network(PoseNet("plain"), tmp_path / "pose.safetensors")
    return ["--weights", str(tmp_path / "pose.safetensors")]


def list_with_gap(room: Path, tmp_path: Path) -> list[str]:
    sequence = Sequence(room)
    write_frame_list(tmp_path / "video.csv", [sequence.files(index, 1) for index in range(1, 7)])
    return [str(tmp_path / "video.csv"), "--gap", "1"]


def list_without_neighbours(room: Path, tmp_path: Path) -> list[str]:
    sequence = Sequence(room)
    write_frame_list(tmp_path / "video.csv", [sequence.files(index) for index in range(8)])
    return [str(tmp_path / "video.csv")]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_points, "expected sparse points to train on and to judge by, got none in 8 frames"),
        (another_folder, "choose sparse_depth with --sparse-depth"),
        (wide_gap, "at least 9 frames for a gap of 4, got 8"),
        (few_frames, "at least 5 frames with sparse points to judge by, got 3 of 3"),
        (pose_weights, "expected weights of a KBNet (depth)"),
        (list_with_gap, "is a list, which names neighbours; leave it out"),
        (list_without_neighbours, "expected frames with previous and next image"),
        (lambda *_: ["--weights", "outdoor"], "got 'outdoor'"),
        (lambda *_: ["--minutes", "0"], "a positive number of --minutes"),
    ],
)
def test_what_does_not_fit_is_one_line(
    spoil: Callable[[Path, Path], list[str]],
    message: str,
    words: list[str],
    room: Path,
    tmp_path: Path,
    one_line_error: Callable[[], str],
) -> None:
    more = spoil(room, tmp_path)
    if more and more[0].endswith(".csv"):
        words = [words[0], more.pop(0), *words[2:]]
    assert main([*words, *more]) == 2
    assert message in one_line_error()
    assert not (tmp_path / "adapted.safetensors").exists()
