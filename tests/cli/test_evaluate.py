"""`kbnet evaluate`: the table, the files, and one clear line where something is wrong."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from kbnet.cli.error_table import BOUNDARY_NOTE, new_table, show_table
from kbnet.cli.evaluate import distinct_names
from kbnet.cli.main import main
from kbnet.files import file_sha256
from kbnet.frames.frame_list import FrameFiles, write_frame_list
from kbnet.network.config import KBNetConfig
from kbnet.weights.names import find_weights


@pytest.fixture
def stand_in(stand_in: Any) -> Any:
    """The stand-in, with what an evaluation records of a network."""
    stand_in.config = KBNetConfig()
    stand_in.network = torch.nn.Identity()
    return stand_in


def _table_rows(output: str) -> list[list[str]]:
    """Cells of the rows with numbers; cells are two or more spaces apart."""
    lines = [line.strip() for line in output.splitlines()]
    rows = [line for line, under in pairwise(lines) if under.count("±") >= 4]
    return [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in rows]


def test_names_in_a_table_are_shown_as_they_are_and_run_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table(("sequence",), ("MAE mm",))
    table.add_row("a\x1b[2Jb", "1.0\n±0.1")
    table.add_row("[bold]kitchen[/bold] :smile:", "2.0")
    show_table(table, [])
    printed = capsys.readouterr().out
    assert r"a\x1b[2Jb" in printed
    assert "[bold]kitchen[/bold] :smile:" in printed
    assert "\x1b" not in printed


def test_evaluate_prints_a_row_a_method_sequence_and_sparse_depth(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    densities = ("sparse_depth_500", "sparse_depth_150")
    rooms = [str(write_sequence(name, sparse_depths=densities)) for name in ("first", "second")]
    assert main(["evaluate", *rooms, "--sparse-depth", *densities, "--baselines"]) == 0
    output = capsys.readouterr().out
    rows = _table_rows(output)
    assert [row[:4] for row in rows] == [
        [density, sequence, method, frames]
        for density in densities
        for sequence, frames in (("first", "3"), ("second", "3"), ("all sequences", "6"))
        for method in ("kbnet", "nearest", "linear", "scaffold")
    ]
    assert all(len(row) == 11 for row in rows), "four errors, boundary F1, total and mean time"
    assert "ground truth between 0.2 and 5 m" in output
    assert all("…" not in cell for row in rows for cell in row)


def test_evaluate_writes_the_same_numbers_as_json_and_csv(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    room = write_sequence(frames=5)
    arguments = [str(room), "--baselines", "--every", "2", "--preset", "kitti", "--output", str(output)]
    assert main(["evaluate", *arguments]) == 0
    summary = json.loads((output / "summary.json").read_text())
    with (output / "frames.csv").open(newline="") as file:
        frames = list(csv.DictReader(file))
    assert {path.name for path in output.iterdir()} == {"summary.json", "frames.csv", "table.txt"}
    assert [(row["method"], row["frames"]) for row in summary["results"]] == [
        (method, 3) for method in ("kbnet", "nearest", "linear", "scaffold")
    ]
    for row in summary["results"]:
        errors = [float(frame["mae_mm"]) for frame in frames if frame["method"] == row["method"]]
        assert row["mean"]["mae_mm"] == pytest.approx(sum(errors) / 3, rel=1e-4)
        f1 = [float(frame["boundary_f1"]) for frame in frames if frame["method"] == row["method"]]
        assert row["boundary_f1"] == pytest.approx(sum(f1) / 3, rel=1e-4)
        assert row["boundary_frames"] == 3
    assert [frame["frame"] for frame in frames if frame["method"] == "kbnet"] == ["0000", "0002", "0004"]
    assert summary["settings"]["limits_m"] == [0.0, 100.0]
    assert summary["settings"]["every"] == 2
    weights = summary["settings"]["weights"]["kbnet"]
    assert weights["sha256"] == file_sha256(find_weights("indoor"))
    assert weights["network"]["intrinsics_scaling"] == "exact"
    assert set(summary["versions"]) >= {"kbnet", "torch", "numpy", "python"}


def test_evaluate_shows_boundary_f1_beside_the_errors(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(write_sequence()), "--baselines"]) == 0
    output = capsys.readouterr().out
    assert "boundary F1" in output.splitlines()[1]
    assert f"\n{BOUNDARY_NOTE}\n" in output
    f1 = {row[2]: float(row[8]) for row in _table_rows(output)}
    assert f1["kbnet"] == 0, "the stand-in's depth is constant"


def test_evaluate_shows_no_boundary_f1_where_ground_truth_is_sparse(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = write_sequence(truth_step=3)
    assert main(["evaluate", str(room), "--output", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    assert "boundary" not in output
    assert [len(row) for row in _table_rows(output)] == [10]
    (row,) = json.loads((tmp_path / "out" / "summary.json").read_text())["results"]
    assert (row["boundary_f1"], row["boundary_f1_std"], row["boundary_frames"]) == (None, None, 0)
    with (tmp_path / "out" / "frames.csv").open(newline="") as file:
        assert {frame["boundary_f1"] for frame in csv.DictReader(file)} == {""}


def test_evaluate_has_a_dash_for_the_sequence_without_boundary_f1(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rooms = [str(write_sequence("sparse", truth_step=3)), str(write_sequence("dense"))]
    assert main(["evaluate", *rooms]) == 0
    cells = {row[1]: row[8] for row in _table_rows(capsys.readouterr().out)}
    assert cells == {"sparse": "-", "dense": "0.000", "all sequences": "0.000"}


def test_evaluate_writes_the_table_it_prints(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(write_sequence()), "--output", str(tmp_path)]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    written = (tmp_path / "table.txt").read_text().splitlines()
    assert printed[:-1] == written
    assert printed[-1].startswith("wrote ")


def test_evaluate_takes_lists_and_sequences_together(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall = write_sequence("hall")
    frames = (
        FrameFiles(name, *(str(hall / folder) for folder in (f"image/{name}.png", "K.txt", f"sparse_depth/{name}.png")))
        for name in ("0000", "0002")
    )
    written = (replace(frame, ground_truth=str(hall / f"ground_truth/{frame.name}.png")) for frame in frames)
    write_frame_list(tmp_path / "test.csv", written)
    arguments = [str(tmp_path / "test.csv"), str(write_sequence("room")), "--output", str(tmp_path / "out")]
    assert main(["evaluate", *arguments]) == 0
    rows = _table_rows(capsys.readouterr().out)
    assert [row[1:4] for row in rows] == [
        [f"{tmp_path.name}/test", "kbnet", "2"],
        ["room", "kbnet", "3"],
        ["all sequences", "kbnet", "5"],
    ]
    sources = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]["sources"]
    assert [source["sha256"] for source in sources] == [file_sha256(tmp_path / "test.csv"), None]


def test_evaluate_measures_several_weights_under_their_names(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other")
    arguments = [str(write_sequence()), "--weights", "indoor", str(other), "--output", str(tmp_path / "out")]
    assert main(["evaluate", *arguments]) == 0
    assert [row[2] for row in _table_rows(capsys.readouterr().out)] == ["indoor", "other.safetensors"]
    assert [load["source"] for load in stand_in.loads] == ["indoor", str(other)]
    weights = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]["weights"]
    assert {name: entry["sha256"] for name, entry in weights.items()} == {
        "indoor": file_sha256(find_weights("indoor")),
        "other.safetensors": file_sha256(other),
    }


def test_evaluate_warns_of_indoor_limits_for_an_outdoor_network(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.config = KBNetConfig.preset("kitti")
    room = str(write_sequence())
    assert main(["evaluate", room]) == 0
    assert "indoor is made for depth to 100 m but judged to 5 m; --preset kitti" in capsys.readouterr().err
    assert main(["evaluate", room, "--preset", "kitti"]) == 0
    assert not capsys.readouterr().err


def test_evaluate_without_baselines_runs_the_network_alone(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(write_sequence())]) == 0
    assert [row[2] for row in _table_rows(capsys.readouterr().out)] == ["kbnet"]
    assert stand_in.calls == 3


@pytest.mark.parametrize(("weights", "preset"), [("indoor", None), ("x.pth", "kitti")])
def test_evaluate_names_the_architecture_only_to_a_published_checkpoint(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    weights: str,
    preset: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pth").touch()
    assert main(["evaluate", str(write_sequence()), "--weights", weights, "--preset", "kitti"]) == 0
    options = {"device": "auto", "precision": "auto", "engine": "auto"}
    assert stand_in.loads == [{"source": weights, "preset": preset, **options}]


def test_names_that_are_not_utf8_are_escaped(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    room = tmp_path / os.fsdecode(b"r\xffom")
    write_sequence().rename(room)
    for command in ("evaluate", "check"):
        assert main([command, str(room), "--output", str(tmp_path / command)]) == 0
    assert "r\\udcffom" in (tmp_path / "evaluate" / "frames.csv").read_text(encoding="utf-8")


def test_evaluate_refuses_a_sequence_without_ground_truth_and_writes_nothing(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    rooms = [str(write_sequence("judged")), str(write_sequence("unjudged", truth=False))]
    assert main(["evaluate", *rooms, "--output", str(tmp_path / "out")]) == 2
    error = one_line_error()
    assert "unjudged has none" in error
    assert "--zip" in error
    assert not (tmp_path / "out").exists()


def test_evaluate_that_fails_midway_leaves_no_result_and_goes_on(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    one_line_error: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in.fail_at = 2
    command = ["evaluate", str(write_sequence()), "--output", str(tmp_path / "out")]
    assert main(command) == 2
    assert "no luck" in one_line_error()
    assert [file.name for file in (tmp_path / "out").iterdir()] == [".unfinished.jsonl"]
    stand_in.fail_at = None
    assert main(command) == 0
    assert "going on after 2 frames" in capsys.readouterr().out
    assert stand_in.calls == 3, "one call a frame"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["frames.csv", "summary.json", "table.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "at least one sequence folder or list"),
        (["nowhere"], "nowhere"),
        (["room", "--sparse-depth", "sparse_depth_7"], "sparse_depth_7"),
        (["room", "--every", "0"], "--every of at least 1"),
        (["nowhere.csv"], "nowhere.csv"),
    ],
)
def test_evaluate_says_in_one_line_what_is_wrong(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_line_error: Callable[[], str],
    arguments: list[str],
    message: str,
) -> None:
    write_sequence("room")
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 2
    assert message in one_line_error()
    assert not stand_in.loads


def test_distinct_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    one, other = tmp_path / "train" / "room", tmp_path / "test" / "room"
    assert list(distinct_names((one, tmp_path / "hall"))) == ["room", "hall"]
    assert list(distinct_names((one, other))) == ["train/room", "test/room"]
    assert list(distinct_names((one, one))) == ["room"]
    lists = tuple(tmp_path / folder / "test.csv" for folder in ("kitti", "nyu_v2", "old/kitti"))
    assert list(distinct_names(lists)) == [f"{tmp_path.name}/kitti/test", "nyu_v2/test", "old/kitti/test"]
    beside = (tmp_path / "kitti" / "test", tmp_path / "kitti" / "test.csv")
    assert len(distinct_names(beside)) == 2


def test_distinct_names_keep_the_names_of_weights() -> None:
    runs = (Path("void1500"), Path("runs/mine/best.safetensors"), Path("runs/kitti/best.safetensors"), Path("kitti"))
    assert list(distinct_names(runs)) == ["void1500", "mine/best.safetensors", "kitti/best.safetensors", "kitti"]


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_evaluate_cuts_no_name_and_no_number_on_a_terminal(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: int,
) -> None:
    for variable, value in {"FORCE_COLOR": "1", "COLUMNS": str(columns), "NO_COLOR": "1"}.items():
        monkeypatch.setenv(variable, value)
    weights = [tmp_path / f"weights-with-a-long-name-{number}.safetensors" for number in (1, 2)]
    for file in weights:
        file.touch()
    arguments = [str(write_sequence()), "--weights", *map(str, weights), "--output", str(tmp_path / "out")]
    assert main(["evaluate", *arguments]) == 0
    output = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "…" not in output
    numbers = {cell for cell in re.findall(r"±?\d+\.\d\d+", (tmp_path / "out" / "table.txt").read_text())}
    assert len(numbers) > 4
    assert all(number in output.split() for number in numbers)
    names = [line.split()[0] for line in output.splitlines() if line[1:2].strip()]
    for file in weights:
        assert file.name in output or file.name in "".join(names)
    if columns == 80:
        table = output.partition(f"\n{weights[0].name}: weights")[0]
        assert max(map(len, table.splitlines())) <= 80


def test_evaluate_says_under_the_table_what_was_measured(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(write_sequence()), "--weights", "indoor"]) == 0
    assert "\nkbnet: weights indoor, torch float32 on cpu\n" in capsys.readouterr().out


def test_evaluate_measures_exported_files_beside_their_weights(
    write_sequence: Callable[..., Path], exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(path) for path in (exported.weights, exported.onnx, exported.int8)]
    arguments = [str(write_sequence(frames=1)), "--device", "cpu", "--output", str(tmp_path / "out")]
    assert main(["evaluate", *arguments, "--weights", *files]) == 0
    output = capsys.readouterr().out
    assert [row[2] for row in _table_rows(output)] == ["small.safetensors", "small.onnx", "int8.xml"]
    assert f"\nsmall.onnx: weights {exported.onnx}, onnxruntime float32 on cpu\n" in output
    assert f"\nint8.xml: weights {exported.int8}, openvino int8 on cpu\n" in output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    weights = summary["settings"]["weights"]
    halves = (exported.int8, exported.int8.with_suffix(".bin"))
    assert weights["int8.xml"]["sha256"] == file_sha256(*halves) != file_sha256(exported.int8)
    exact, same, near = (row["mean"]["mae_mm"] for row in summary["results"])
    assert same == pytest.approx(exact, rel=1e-4)
    assert near == pytest.approx(exact, rel=0.05)
