"""Recordings as input of commands: their flags are those of ``kbnet prepare``; flags of the command stay its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnet.cli.check import Command as Check
from kbnet.cli.complete import Command as Complete
from kbnet.cli.main import main
from kbnet.cli.recordings import split_recording_flags
from kbnet.cli.train import Command as Train
from kbnet.frames.depth_png import read_depth_png

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.mark.parametrize(
    ("command", "arguments", "own", "flags"),
    [
        (Check, "a.mcap --depth /points --every 2", "a.mcap --every 2", "--depth /points"),
        (Check, "--depth /points a.mcap", "a.mcap", "--depth /points"),
        (Check, "--depth=/points a.mcap --aligned b", "a.mcap b", "--depth=/points --aligned"),
        (Check, "a --distortion -0.1 0.2 0 0 --lens fisheye c", "a c", "--distortion -0.1 0.2 0 0 --lens fisheye"),
        (Complete, "a.mcap --output o --image /i --every 2", "a.mcap --output o --image /i", "--every 2"),
        (Check, "a --nonsense 3", "a --nonsense 3", ""),
        (Train, "a.mp4 --poses T.txt --points p.csv --seed 2", "a.mp4 --seed 2", "--poses T.txt --points p.csv"),
        (Train, "a.mp4 --poses known --image=/i", "a.mp4 --poses known", "--image=/i"),
    ],
)
def test_flags_of_a_recording_are_taken_out_with_their_values(
    command: type, arguments: str, own: str, flags: str
) -> None:
    shared = ("--poses=known",) if command is Train else ()
    expected = own.split(), tuple(flags.split())
    assert split_recording_flags(command, arguments.split(), shared=shared) == expected


def test_complete_reads_a_bag_in_place(depth_bag: Callable[..., Any], tmp_path: Path) -> None:
    path = str(depth_bag().write(tmp_path))
    out = tmp_path / "out"
    topics = ["--image", "/camera/color/image_raw", "--depth", "/camera/aligned_depth/image_raw", "--every", "2"]
    assert main(["complete", path, "--output", str(out), *topics, "--points", "200"]) == 0
    names = sorted(file.name for file in (out / "depth").iterdir())
    assert names == ["0000001000000000.png", "0000001000200000.png"]
    assert abs(read_depth_png(out / "depth" / names[0]).mean() - 2) < 0.5


def test_check_evaluate_and_fuse_read_recordings_in_place(
    depth_bag: Callable[..., Any], write_workspace: Callable[..., Path], tmp_path: Path
) -> None:
    bag, model = str(depth_bag().write(tmp_path)), str(write_workspace())
    assert main(["check", model, "--every", "2", "--max-error", "3"]) == 0
    assert main(["evaluate", bag, "--every", "2", "--points", "200"]) == 0
    assert main(["fuse", model, "--output", str(tmp_path / "room.ply")]) == 0
    assert (tmp_path / "room.ply").is_file()


def test_flags_that_do_not_belong_are_named_in_one_line(
    write_workspace: Callable[..., Path], tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    model, out = str(write_workspace()), str(tmp_path / "out")
    for flags, expected in (
        (["--depth", "/points"], "got --depth; its options are --images, --scale, --camera, --longest-side"),
        (["--image", "/camera"], "got --image; its options are"),
        (["--sparse-depth", "sparse_depth_500"], "got --sparse-depth; its options are"),
    ):
        assert main(["complete", model, "--output", out, *flags]) == 2
        assert expected in one_line_error()
    (tmp_path / "room" / "image").mkdir(parents=True)
    assert main(["check", str(tmp_path / "room"), "--depth", "/points"]) == 2
    assert "is a sequence or list, which needs no --depth" in one_line_error()


def test_a_single_frame_takes_no_flags_of_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    frame = ["--image", "a.png", "--sparse-depth", "a.png", "--intrinsics", "K.txt"]
    assert main(["complete", *frame, "--output", "depth", "--depth", "/lidar/points"]) == 2
    assert "--depth belongs to a recording, but --image names a single frame" in capsys.readouterr().err
