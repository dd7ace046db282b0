"""`kbnet check`: the tables, the files, the pictures, and one clear line where something is wrong."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kbnet.cli.main import main
from kbnet.frames.depth_png import write_depth_png
from kbnet.network.config import KBNetConfig


@pytest.fixture
def stand_in(stand_in: Any) -> Any:
    """The stand-in, with the config that says which points it believes."""
    stand_in.config = KBNetConfig()
    return stand_in


def _rows(output: str) -> list[list[str]]:
    """Cells of the table's rows; cells are two or more spaces apart."""
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in output.splitlines()]
    return [row for row in cells if len(row) == 7 and row[0] != "points"]


def test_check_needs_no_ground_truth_and_stands_beside_the_interpolations(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(write_sequence(truth=False)), "--worst", "1"]) == 0
    output = capsys.readouterr().out
    rows = _rows(output)
    methods = ["kbnet", "nearest", "linear"]
    groups = ["all", "0.5 to 1 m", "1 to 2 m", "worst: 0000"]
    assert [row[1] for row in rows] == methods * (len(rows) // 3)
    assert {row[0].rstrip("0123") for row in rows} <= {group.rstrip("0123") for group in groups}
    by_method = {row[1]: float(row[3]) for row in rows[:3]}
    assert by_method["linear"] < by_method["nearest"] < by_method["kbnet"], "the stand-in knows the mean depth alone"
    assert "held out 20% of the points of 3 frames" in output
    assert main(["check", str(write_sequence("again")), "--hold-out", "patches"]) == 0
    assert "held out 20% of the area of 3 frames" in capsys.readouterr().out
    assert "linear interpolation is no worse there" in output
    assert "over all pixels" in output
    assert re.search(r"the nearest of these is \d pixels from a held-out point, \d from any pixel \(medians\)", output)


def test_check_with_moved_images_tells_whether_they_fit_the_points(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(write_sequence()), "--moved-images"]) == 0
    output = capsys.readouterr().out
    assert [row[1] for row in _rows(output)][3:7] == [f"image moved {way}" for way in ("right", "left", "down", "up")]
    assert output.count("image moved up") == 1, "bands and worst frames are of the image as it is"
    assert "whether image and points fit: at least 10 frames are needed, got 3" in output


def test_check_of_dense_points_proposes_patches(
    write_sequence: Callable[..., Path],
    stand_in: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["check", str(write_sequence())]  # points 4 pixels apart
    for limit, said in ((4.0, False), (6.0, True)):
        monkeypatch.setattr("kbnet.cli.check.DENSE_PX", limit)
        assert main(words) == 0
        assert ("check with --hold-out patches" in capsys.readouterr().out) is said
    assert main([*words, "--hold-out", "patches"]) == 0
    assert "--hold-out" not in capsys.readouterr().out


def test_check_does_not_look_at_ground_truth(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for name, truth in (("room", True), ("room_without", False)):
        assert main(["check", str(write_sequence(name, truth=truth))]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_check_writes_the_same_figures_as_json_and_csv(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, room = tmp_path / "out", write_sequence(frames=5, sparse_depths=("sparse_depth_500",))
    arguments = ["--sparse-depth", "sparse_depth_500", "--every", "2", "--share", "0.3", "--worst", "2"]
    assert main(["check", str(room), *arguments, "--output", str(output)]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert {path.name for path in output.iterdir()} == {"check.json", "frames.csv", "table.txt"}
    assert (output / "table.txt").read_text().splitlines() == printed[:-1]
    found = json.loads((output / "check.json").read_text())
    with (output / "frames.csv").open(newline="") as file:
        frames = list(csv.DictReader(file))
    assert [row["frame"] for row in frames if row["method"] == "linear"] == ["0000", "0002", "0004"]
    assert found["frames"] == 3
    assert len(found["worst"]) == 2
    for method, errors in found["overall"].items():
        rows = [row for row in frames if row["method"] == method]
        assert sum(int(row["points"]) for row in rows) == errors["points"]
        total = sum(int(row["points"]) * float(row["mae_mm"]) for row in rows)
        assert total / errors["points"] == pytest.approx(errors["mae_mm"], rel=1e-4)
    assert sum(band["kbnet"]["points"] for band in found["by_distance"]) <= found["overall"]["kbnet"]["points"]
    assert found["settings"]["share"] == 0.3
    assert found["all_pixels_mae_mm"] > 0


def test_check_draws_the_frames_that_look_worst(
    write_sequence: Callable[..., Path], stand_in: Any, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["check", str(write_sequence()), "--output", str(tmp_path), "--pictures", "--worst", "2"]
    assert main(arguments) == 0
    pictures = sorted((tmp_path / "picture").iterdir())
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        picture.verify()


def test_check_says_how_many_frames_have_too_few_points(
    write_sequence: Callable[..., Path], stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    room = write_sequence()
    write_depth_png(room / "sparse_depth" / "0001.png", np.zeros((40, 48), np.float32))
    assert main(["check", str(room)]) == 0
    assert "left out for want of points to hold out: 1 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["{room}", "--pictures"], "--pictures also needs --output"),
        (["{room}", "--share", "1.5"], "between 0 and 1"),
        (["{room}", "--every", "0"], "at least 1 frame"),
        (["{room}", "--worst", "-1"], "at least 0 frames"),
    ],
)
def test_check_refuses_in_one_line(
    refusal: Callable[[str, list[str]], str], arguments: list[str], message: str
) -> None:
    assert message in refusal("check", arguments)
