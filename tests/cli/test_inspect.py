"""``kbnet inspect``: what is there, what is missing, and the command to go on with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.main import main
from kbnet.frames.depth_png import read_depth_png, write_depth_png

pytest.importorskip("rosbags")


def test_of_a_bag_every_topic_and_the_next_command_are_said(
    lidar_bag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lidar_bag().write(tmp_path)
    assert main(["inspect", str(path), "--max-difference", "0.03"]) == 0
    out = capsys.readouterr().out
    for line in (
        "/camera/image_raw (Image): 3 messages, 10 Hz, image 64x48 'bgr8', frame 'camera'",
        "/camera/camera_info (CameraInfo): 3 messages, 10 Hz, 64x48, fx 50.0 fy 50.0 cx 32.0 cy 24.0, no distortion",
        "/points (PointCloud2): 3 messages, 10 Hz, 81 points of x y z, frame 'lidar'",
        "messages, 20 Hz\n",
        "transforms: odom -> base (over time), base -> camera, base -> lidar",
        "at most 3 frames of 64x48 pixels",
        "points from /points: 81 in the first frame, 9.80 m away",
        "ground truth: no; pose: yes",
        f"next: kbnet complete {path} --max-difference 0.03 --output depth",
    ):
        assert line in out


def test_what_is_missing_is_said_and_refusals_point_here(
    lidar_bag: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = lidar_bag(static=False)
    for _, _, message in maker.messages:
        if hasattr(message, "fields"):
            message.header.stamp.sec = 50
    path = maker.write(tmp_path)
    assert main(["inspect", str(path)]) == 1
    out = capsys.readouterr().out
    assert "header +950.0 s from the time of recording: another clock" in out
    assert "missing: expected a transform from lidar (/points) to camera" in out
    assert "next: add what is missing; kbnet prepare ros --help lists the flags" in out
    assert "see what is there" not in out
    assert main(["prepare", "ros", str(path), str(tmp_path / "room")]) == 2
    assert f"see what is there: kbnet inspect {path}" in capsys.readouterr().err


def test_other_kinds_are_told_by_their_first_frame(
    write_recording: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_recording()
    assert main(["inspect", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "missing: cannot tell which camera recorded" in out
    assert main(["inspect", str(folder), "--intrinsics", str(folder / "K.txt")]) == 0
    out = capsys.readouterr().out
    assert "a recording in TUM's format" in out
    assert "3 frames of 48x40 pixels" in out
    assert "ground truth: yes; pose: yes" in out
    assert main(["inspect", str(folder / "rgb")]) == 1
    assert "missing:" in capsys.readouterr().out
    assert main(["inspect", str(folder / "nowhere")]) == 2


def test_the_next_command_of_a_name_that_begins_like_a_flag_runs(
    write_sequence: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = write_sequence()
    room.rename(room.with_name("-room"))
    monkeypatch.chdir(room.parent)
    assert main(["inspect", "./-room"]) == 0
    assert "next: kbnet complete ./-room --output depth" in capsys.readouterr().out


def test_a_folder_that_contains_recordings_names_them(
    write_sequence: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_sequence().parent
    (folder / "K.txt").touch()
    (folder / "walk.mp4").touch()
    assert main(["inspect", str(folder)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(r"contains .*\broom, walk\.mp4; give the path of one: ", error), error


def test_far_points_lead_to_the_outdoor_weights(
    write_sequence: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    street = write_sequence()
    assert main(["inspect", str(street)]) == 0
    assert f"next: kbnet complete {street} --output depth" in capsys.readouterr().out
    for path in (street / "sparse_depth").glob("*.png"):
        write_depth_png(path, 12 * read_depth_png(path))
    assert main(["inspect", str(street)]) == 0
    assert f"next: kbnet complete {street} --weights outdoor --output depth" in capsys.readouterr().out


def test_names_in_a_recording_give_a_terminal_no_commands(
    write_sequence: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_sequence()
    hostile = folder.with_name("a\x1b[2Jb")
    folder.rename(hostile)
    assert main(["inspect", str(hostile)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert r"a\x1b[2Jb: a sequence folder" in said
