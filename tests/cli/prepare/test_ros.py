"""kbnet prepare ros: flags reach the reader, what was done is said, bad input is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence

pytest.importorskip("rosbags")


def test_prepare_ros_writes_a_sequence_and_says_what_it_took(
    lidar_bag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, folder = lidar_bag().write(tmp_path), tmp_path / "sequence"
    command = ["prepare", "ros", str(bag), str(folder), "--max-difference", "0.03"]
    assert main([*command, "--every", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "images /camera/image_raw, depth /points: 3 of 3 images",
        f"wrote 2 frames of 64x48 pixels to {folder}: 2 with a pose in odom, no distortion",
        "81 points a frame, 9.70 m away (9.60 to 9.80 m)",
    ]
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--world", "base"]) == 0
    assert len(Sequence(folder)) == 3


def test_prepare_ros_takes_calibration_and_extrinsics_from_files(
    lidar_bag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = lidar_bag("ros1", static=False)
    maker.messages = [message for message in maker.messages if "info" not in message[0]]
    bag = maker.write(tmp_path)
    (tmp_path / "K.txt").write_text("50 0 32 0 50 24 0 0 1")
    (tmp_path / "T.txt").write_text("0 -1 0 0  0 0 -1 0  1 0 0 0")
    command = ["prepare", "ros", str(bag), str(tmp_path / "sequence"), "--max-difference", "0.03"]
    assert main([*command, "--extrinsics", str(tmp_path / "T.txt")]) == 2
    assert "give a file (--intrinsics K.txt)" in capsys.readouterr().err
    lens = ["--intrinsics", str(tmp_path / "K.txt"), "--lens", "fisheye", "--distortion", "0.1", "0", "0", "0"]
    assert main([*command, "--extrinsics", str(tmp_path / "T.txt"), *lens]) == 0
    assert "no poses, fisheye distortion taken out" in capsys.readouterr().out


def test_prepare_ros_refuses_bad_input_in_one_line(
    depth_bag: Callable[..., Any], tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    bag = str(depth_bag().write(tmp_path))
    for flags, message in (
        (["--image", "/cam"], "/cam is not in"),
        (["--every", "0"], "--every"),
        (["--lens", "fisheye"], "go with --intrinsics"),
        (["--metres-per-unit", "0"], "--metres-per-unit above 0, got 0"),
    ):
        assert main(["prepare", "ros", bag, str(tmp_path / "sequence"), *flags]) == 2
        assert message in one_line_error()
    assert main(["prepare", "ros", str(tmp_path / "none.bag"), str(tmp_path / "sequence")]) == 2
    assert "no such file" in one_line_error()
