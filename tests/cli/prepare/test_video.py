"""kbnet prepare video: flags reach the reader, what was done is said, bad input is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence

pytest.importorskip("av")


@pytest.fixture
def command(write_video: Callable[[], Path], tmp_path: Path) -> list[str]:
    """The command with a video, K and a table of one point in frames 0 and 2."""
    (tmp_path / "K.txt").write_text("50 0 32 0 50 24 0 0 1")
    (tmp_path / "points.csv").write_text("frame,x,y,z\n0,0,0,2\n2,0,0,2\n")
    files = ["--intrinsics", str(tmp_path / "K.txt"), "--points", str(tmp_path / "points.csv")]
    return ["prepare", "video", str(write_video()), str(tmp_path / "sequence"), *files]


def test_prepare_video_writes_a_sequence_and_says_what_it_took(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"points in {tmp_path / 'points.csv'} are taken for metres along x right, y down, z forward: a median depth "
        "of 2 m",
        "left out: 3 of 5 frames with no points at their time",
        f"wrote 2 frames of 64x48 pixels to {tmp_path / 'sequence'}: no poses, no distortion",
        "1 points a frame, 2.00 m away (2.00 to 2.00 m)",
    ]
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--every", "2"]) == 0
    assert Sequence(tmp_path / "sequence").names == ("000000", "000002")


def test_prepare_video_takes_poses_of_a_body(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "poses.txt").write_text("0.0 0 0 0 0 0 0 1\n0.2 0 0 1 0 0 0 1\n")
    (tmp_path / "T.txt").write_text("1 0 0 0  0 1 0 0  0 0 1 0.5")
    poses = ["--poses", str(tmp_path / "poses.txt"), "--extrinsics", str(tmp_path / "T.txt"), "--points-in", "world"]
    assert main([*command, *poses]) == 0
    assert "2 with a pose" in capsys.readouterr().out
    sequence = Sequence(tmp_path / "sequence")
    assert sequence.sparse_depth(1)[24, 32] == 0.5
    assert sequence.pose(1)[2, 3] == 1.5


def test_prepare_video_refuses_bad_input_in_one_line(
    command: list[str], tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    assert main([*command, "--points-in", "world"]) == 2
    assert "go with --poses" in one_line_error()
    assert main([*command, "--every", "0"]) == 2
    assert "--every" in one_line_error()
    (tmp_path / "points.csv").write_text("frame,u,v,depth\n0,640,480,2\n")
    assert main(command) == 2
    assert "at another resolution" in one_line_error()
    assert not (tmp_path / "sequence").exists()
