"""kbnet prepare tum: one command, one line, and flags that contradict each other are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence

WriteRecording = Callable[..., Path]


def test_prepare_tum_writes_a_sequence(
    write_recording: WriteRecording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, room = write_recording(), tmp_path / "room"
    command = ["prepare", "tum", str(recording), str(room), "--points", "30", "--intrinsics", str(recording / "K.txt")]
    assert main(command) == 0
    assert capsys.readouterr().out == (
        "depth is taken to have 5000 units a metre; if it is in millimetres, give --depth-factor 1000\n"
        f"wrote 3 frames of 48x40 pixels to {room}: 3 images, 2 with a pose, no distortion\n"
        "30 points a frame, 2.01 m away (1.55 to 2.50 m)\n"
    )
    assert Sequence(room).frame(2).size == (40, 48)
    assert main([*command, "--overwrite", "--distortion", "-0.1", "0.01", "0", "0"]) == 0
    assert "radial-tangential distortion taken out" in capsys.readouterr().out
    assert Sequence(room).intrinsics[0, 0] != 50


def test_prepare_tum_refuses_contradictions(
    write_recording: WriteRecording, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    recording = write_recording()
    command = ["prepare", "tum", str(recording), str(tmp_path / "room")]
    assert main(command) == 2
    assert "cannot tell which camera" in one_line_error()
    assert main([*command, "--distortion", "0.1"]) == 2
    assert "--distortion goes with --intrinsics" in one_line_error()
    assert main([*command, "--depth-factor", "0"]) == 2
    assert "--depth-factor above 0, got 0" in one_line_error()
    assert main([*command, "--camera", "freiburg1", "--intrinsics", str(recording / "K.txt")]) == 2
    assert "not both" in one_line_error()
    assert main([*command, "--camera", "freiburg1"]) == 2
    assert "depth is 48x40 but the camera is calibrated for 640x480" in one_line_error()
