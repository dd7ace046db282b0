"""kbnet demo: the table beside interpolation, and the files it says it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbnet.cli.main import main
from kbnet.frames.depth_png import read_depth_png
from kbnet.network.config import KBNetConfig

pytest.importorskip("skimage")
pytest.importorskip("matplotlib")


def test_demo_prints_errors_beside_interpolation_and_writes_files(
    tmp_path: Path, stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.config = KBNetConfig()
    assert main(["demo", "--output", str(tmp_path / "out"), "--weights", "mine", "--points", "400"]) == 0
    out = capsys.readouterr().out
    assert stand_in.loads == [
        {"source": "mine", "preset": None, "device": "auto", "precision": "auto", "engine": "auto"}
    ]
    assert "741x500 pixels, 400 sparse points" in out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert float(rows["linear"][0]) < float(rows["nearest"][0]) < float(rows["kbnet"][0])
    assert float(rows["scaffold"][0]) < float(rows["nearest"][0])
    assert {len(rows[name]) for name in ("kbnet", "nearest", "linear", "scaffold")} == {5}
    names = {"motorcycle_depth.png", "motorcycle.ply", "motorcycle.png", "motorcycle.html"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert all(str(tmp_path / "out" / name) in out.replace("\n", "") for name in names)
    assert len(np.unique(read_depth_png(tmp_path / "out" / "motorcycle_depth.png"))) == 1


def test_demo_without_points_is_one_line_of_error(tmp_path: Path, stand_in: Any, one_line_error: Any) -> None:
    assert main(["demo", "--output", str(tmp_path / "out"), "--points", "0"]) == 2
    assert "at least 1 point" in one_line_error()
    assert not list(tmp_path.iterdir())


def test_demo_replaces_no_file_that_is_not_its_own(tmp_path: Path, stand_in: Any, one_line_error: Any) -> None:
    stand_in.config = KBNetConfig()
    foreign = tmp_path / "motorcycle.png"
    foreign.write_text("mine")
    assert main(["demo", "--output", str(tmp_path), "--weights", "mine"]) == 2
    assert f"{foreign} would be replaced" in one_line_error()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "motorcycle.html").write_text("<title>motorcycle: completed depth</title>")
    assert main(["demo", "--output", str(tmp_path), "--weights", "mine"]) == 0
