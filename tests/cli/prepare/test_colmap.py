"""kbnet prepare colmap: one command, one line that says what the depths are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence

pytest.importorskip("pycolmap")

WriteWorkspace = Callable[..., Path]


def test_prepare_colmap_writes_a_sequence(
    write_workspace: WriteWorkspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, room = write_workspace(metres_a_unit=2), tmp_path / "room"
    command = ["prepare", "colmap", str(workspace), str(room), "--scale", "2"]
    assert main(command) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"wrote 4 frames to {room}: ")
    assert line.endswith(" points a frame, 4.00 m away (2.00 to 4.00 m) if one unit of the model is 2 m\n")
    assert len(Sequence(room)) == 4
    assert main([*command, "--overwrite", "--longest-side", "48"]) == 0
    assert Sequence(room).frame(0).size == (38, 48)


def test_prepare_colmap_says_what_is_wrong_in_one_line(
    write_workspace: WriteWorkspace, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    assert main(["prepare", "colmap", str(tmp_path), str(tmp_path / "room")]) == 2
    assert "expected a COLMAP model" in one_line_error()
    assert main(["prepare", "colmap", str(write_workspace(metres_a_unit=0.001)), str(tmp_path / "room")]) == 2
    assert "--scale" in one_line_error()
    command = ["prepare", "colmap", str(write_workspace("other")), str(tmp_path / "room")]
    for flags in (["--scale", "0"], ["--longest-side", "0"]):
        assert main([*command, *flags]) == 2
        error = one_line_error()
        assert flags[0] in error
        assert "got 0" in error
