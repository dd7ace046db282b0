"""``--use-past`` and ``--prior`` of complete, evaluate and check."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.cli.main import main
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.report.turntable import Turn
from kbnet.weights.depth_network import save_network

FRAMES = 6
FASTEST = ["--engine", "torch", "--weights"]
"""Flags of every command; the fixture :func:`scaffold_weights` appends its file."""


@pytest.fixture(scope="module", autouse=True)
def scaffold_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Fresh weights: depth is the scaffold, from which the gain of past and prior comes."""
    path = tmp_path_factory.mktemp("weights") / "scaffold.safetensors"
    filters: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    save_network(KBNet(KBNetConfig(scaffold="continued", **filters)), path)
    FASTEST.append(str(path))
    yield path
    FASTEST.pop()


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera walks through a room, with poses and ground truth, 100 points a frame."""
    folder = tmp_path_factory.mktemp("walk") / "walk"
    size = ["--width", "160", "--height", "128", "--points", "100"]
    assert main(["prepare", "synthetic", str(folder), "--frames", str(FRAMES), *size]) == 0
    return folder


def depths(folder: Path) -> list[np.ndarray]:
    return [read_depth_png(path) for path in sorted((folder / "depth").glob("*.png"))]


def complete(walk: Path, output: Path, *flags: str) -> int:
    return main(["complete", str(walk), "--output", str(output), *FASTEST, *flags])


def test_a_stopped_video_goes_on_with_its_past(walk: Path, tmp_path: Path) -> None:
    assert complete(walk, tmp_path / "alone") == 0
    assert complete(walk, tmp_path / "past", "--use-past") == 0
    alone, past = depths(tmp_path / "alone"), depths(tmp_path / "past")
    np.testing.assert_array_equal(alone[0], past[0])
    assert np.abs(alone[-1] - past[-1]).mean() > 0.01
    for path in sorted((tmp_path / "past" / "depth").glob("*.png"))[3:]:
        path.unlink()
    assert complete(walk, tmp_path / "past", "--use-past") == 0
    for before, after in zip(past, depths(tmp_path / "past"), strict=True):
        np.testing.assert_array_equal(before, after)


def test_depth_with_and_without_the_past_is_not_mixed(
    walk: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    for first, second in (([], ["--use-past"]), (["--use-past"], ["--no-past"])):
        output = tmp_path / f"out{len(first)}"
        assert complete(walk, output, *first) == 0
        assert complete(walk, output, *second) == 2
        assert "holds depth made with other past frames" in one_line_error()


def video(folder: Path, points: int, *, still: bool) -> Path:
    """A walk of twelve frames; or its first frame twelve times."""
    size = ["--width", "160", "--height", "128", "--points", str(points)]
    assert main(["prepare", "synthetic", str(folder), "--frames", "12", *size]) == 0
    if still:
        for path in folder.glob("*/*"):
            if path.parent.name != "ground_truth" and path.stem != "000000":
                shutil.copy(path.with_stem("000000"), path)
    return folder


def test_the_past_is_used_where_held_out_points_show_a_gain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk = video(tmp_path / "walk", 30, still=False)
    assert complete(walk, tmp_path / "out") == 0
    assert re.search(
        r"walk: earlier frames are used .* 8 frames, depth is \S+ % off with them", capsys.readouterr().out
    )
    assert complete(walk, tmp_path / "past", "--use-past") == 0
    for chosen, past in zip(depths(tmp_path / "out"), depths(tmp_path / "past"), strict=True):
        np.testing.assert_array_equal(chosen, past)

    next((tmp_path / "out" / "depth").glob("*.png")).unlink()
    capsys.readouterr()
    assert complete(walk, tmp_path / "out") == 0
    assert "walk: earlier frames are used, as for the depth in" in capsys.readouterr().out
    for chosen, past in zip(depths(tmp_path / "out"), depths(tmp_path / "past"), strict=True):
        np.testing.assert_array_equal(chosen, past)


def test_the_past_is_not_used_where_nothing_new_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = video(tmp_path / "still", 400, still=True)
    assert complete(still, tmp_path / "out") == 0
    assert "still: earlier frames are not used (--use-past: use them)" in capsys.readouterr().out
    assert complete(still, tmp_path / "alone", "--no-past") == 0
    for chosen, alone in zip(depths(tmp_path / "out"), depths(tmp_path / "alone"), strict=True):
        np.testing.assert_array_equal(chosen, alone)


def test_why_the_past_is_not_tried_is_told(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert complete(walk, tmp_path / "short") == 0
    assert "walk: earlier frames are not used: a trial takes at least 12 frames, got 6" in capsys.readouterr().out

    monkeypatch.setattr("kbnet.report.turntable.SWAY", Turn(pictures=2, width=64))
    assert complete(walk, tmp_path / "film", "--turntable", str(tmp_path / "film.gif")) == 0
    assert "walk: earlier frames are not used, because --turntable" in capsys.readouterr().out

    gap = video(tmp_path / "gap", 30, still=False)
    (gap / "absolute_pose" / "000003.txt").unlink()
    assert complete(gap, tmp_path / "out") == 0
    assert "1 of 12 frames have no rigid pose, first 000003" in capsys.readouterr().out


def test_a_frame_that_cannot_be_read_ends_the_trial_not_the_frames_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = video(tmp_path / "damaged", 30, still=False)
    (damaged / "image" / "000006.png").write_bytes(b"no image")
    assert complete(damaged, tmp_path / "out") == 2
    assert re.search("damaged: earlier frames are not used: .*000006", capsys.readouterr().out)
    assert len(depths(tmp_path / "out")) == 6


def test_a_frame_without_points_does_not_end_the_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk = video(tmp_path / "walk", 30, still=False)
    path = walk / "sparse_depth" / "000006.png"
    write_depth_png(path, np.zeros_like(read_depth_png(path)))
    assert complete(walk, tmp_path / "out") == 0
    assert "at held-out points of 7 frames" in capsys.readouterr().out


def test_a_folder_of_priors_informs_depth(walk: Path, tmp_path: Path) -> None:
    for index, path in enumerate(sorted((walk / "ground_truth").glob("*.png"))):
        truth = read_depth_png(path)
        if index % 2:
            (tmp_path / "prior").mkdir(exist_ok=True)
            np.save(tmp_path / "prior" / f"{path.stem}.npy", 3 / truth)
        else:
            write_depth_png(tmp_path / "prior" / path.name, 3 / truth)
    prior = ["--prior", str(tmp_path / "prior"), "--prior-kind", "disparity"]
    assert complete(walk, tmp_path / "alone") == 0
    assert complete(walk, tmp_path / "informed", *prior) == 0
    truths = [read_depth_png(path) for path in sorted((walk / "ground_truth").glob("*.png"))]
    alone, informed = (
        np.mean([np.abs(depth - truth).mean() for depth, truth in zip(depths(tmp_path / name), truths, strict=True)])
        for name in ("alone", "informed")
    )
    assert informed < alone


def test_depth_of_other_priors_is_not_mixed(walk: Path, tmp_path: Path, one_line_error: Callable[[], str]) -> None:
    first = write_priors(walk, tmp_path / "first", 3.0)
    same = write_priors(walk, tmp_path / "same", 3.0)
    other = write_priors(walk, tmp_path / "other", 4.0)
    assert complete(walk, tmp_path / "out", "--prior", first, "--prior-kind", "metric") == 0
    assert complete(walk, tmp_path / "out", "--prior", same, "--prior-kind", "metric") == 0
    assert complete(walk, tmp_path / "out", "--prior", other, "--prior-kind", "metric") == 2
    assert "holds depth made with other prior; choose another --output, or complete it again" in one_line_error()
    assert complete(walk, tmp_path / "out", "--prior", first) == 2
    assert "holds depth made with other prior kind;" in one_line_error()
    assert complete(walk, tmp_path / "out") == 2
    assert "holds depth made with other prior and prior kind;" in one_line_error()
    assert complete(walk, tmp_path / "out", "--prior", other, "--prior-kind", "metric", "--overwrite") == 0
    assert complete(walk, tmp_path / "out", "--prior", other, "--prior-kind", "metric") == 0


def write_priors(walk: Path, folder: Path, metres: float) -> str:
    for name in (path.stem for path in (walk / "image").iterdir()):
        write_depth_png(folder / f"{name}.png", np.full((128, 160), metres, np.float32))
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("disparity", "expected a 16-bit greyscale PNG (disparity at any scale, 0 = unknown) as prior, got mode 'L'"),
        ("metric", "expected a 16-bit greyscale PNG (metres x 256, 0 = unknown) as prior, got mode 'L' (PNG) in"),
    ],
)
def test_a_prior_of_eight_bits_is_refused(
    kind: str, said: str, walk: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    folder = Path(write_priors(walk, tmp_path / "prior", 3.0))
    Image.fromarray(np.full((128, 160), 7, np.uint8)).save(folder / "000000.png")
    assert complete(walk, tmp_path / "out", "--prior", str(folder), "--prior-kind", kind) == 2
    error = one_line_error()
    assert said in error
    assert error.rstrip().endswith("000000.png; save it as one, or as .npy of (H, W) numbers")


def test_evaluate_and_check_have_a_row_with_the_past(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(walk), "--use-past", *FASTEST, "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "flicker %" in printed
    rows = {row["method"]: row for row in json.loads((tmp_path / "out" / "summary.json").read_text())["results"]}
    assert list(rows) == ["kbnet", "kbnet with past"]
    assert rows["kbnet with past"]["mean"]["mae_mm"] < rows["kbnet"]["mean"]["mae_mm"]
    assert rows["kbnet with past"]["flicker_percent"] < rows["kbnet"]["flicker_percent"]
    assert main(["check", str(walk), "--use-past", *FASTEST, "--output", str(tmp_path / "check")]) == 0
    printed = capsys.readouterr().out
    assert "kbnet with past" in printed
    assert "flicker, mean change of depth" in printed
    change = json.loads((tmp_path / "check" / "check.json").read_text())["change_percent"]
    assert change["kbnet with past"] < change["kbnet"]


def test_evaluate_has_a_row_with_the_prior_beside_one_without(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (walk / "ground_truth").glob("*.png"):
        write_depth_png(tmp_path / "prior" / path.name, read_depth_png(path))

    def rows(*flags: str) -> dict[str, dict[str, Any]]:
        words = ["evaluate", str(walk), *FASTEST, "--output", str(tmp_path / f"out{len(flags)}"), *flags]
        assert main(words) == 0
        results = json.loads((tmp_path / f"out{len(flags)}" / "summary.json").read_text())["results"]
        return {row["method"]: row["mean"] for row in results}

    alone, prior = rows(), ["--prior", str(tmp_path / "prior"), "--prior-kind", "metric"]
    both, all_three = rows(*prior), rows(*prior, "--use-past")
    assert list(both) == ["kbnet", "kbnet with prior"]
    assert list(all_three) == ["kbnet", "kbnet with prior", "kbnet with past and prior"]
    assert both["kbnet"] == alone["kbnet"]
    assert both["kbnet with prior"]["mae_mm"] < both["kbnet"]["mae_mm"]
    assert all_three["kbnet with prior"] == both["kbnet with prior"]
    assert main(["check", str(walk), *FASTEST, *prior]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"weights {FASTEST[-1]}, with the priors of {tmp_path / 'prior'}" in printed


def test_the_example_makes_priors_by_a_network_in_onnx(walk: Path, tmp_path: Path, repository: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 40])
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, 1, 32, 40])
    graph = helper.make_graph([helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1])], "g", [image], [mean])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "grey.onnx")
    script = repository / "examples/onnx_prior.py"
    words = [sys.executable, str(script), str(tmp_path / "grey.onnx"), str(walk / "image"), str(tmp_path / "prior")]
    subprocess.run(words, check=True, capture_output=True)
    assert len(list((tmp_path / "prior").glob("*.npy"))) == FRAMES
    assert np.load(tmp_path / "prior" / "000000.npy").shape == (128, 160)
    assert complete(walk, tmp_path / "out", "--prior", str(tmp_path / "prior")) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--prior", "nowhere"], "expected a folder of priors"),
        (["--prior", "empty"], "expected a prior of frame '000000' in"),
        (["--prior-kind", "log"], "--prior-kind says what --prior holds"),
        (["--use-past", "--no-past"], "--use-past and --no-past contradict each other"),
        (["--use-past", "--turntable", "a.gif"], "--turntable shows a frame without its past"),
        (["--use-past", "--workers", "1"], "--use-past completes the frames in order, in one process"),
    ],
)
def test_what_does_not_fit_is_one_line(
    flags: list[str],
    said: str,
    walk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_line_error: Callable[[], str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert complete(walk, tmp_path / "out", *flags) == 2
    assert said in one_line_error()


def test_a_sequence_without_poses_is_refused(
    write_sequence: Callable[..., Path], tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    assert complete(write_sequence(), tmp_path / "out", "--use-past") == 2
    assert "expected a pose of every frame to use the past, but 3 of 3 frames" in one_line_error()
