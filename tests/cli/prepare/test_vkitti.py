"""kbnet prepare vkitti: a sequence, and an incomplete archive in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import kbnet
from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence


def test_archives_unpacked_together_are_read_and_prepared(
    vkitti: Path, lidar_masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together = tmp_path / "together"
    for archive in ("rgb", "depth", "textgt"):
        shutil.copytree(vkitti / f"vkitti_2.0.3_{archive}", together, dirs_exist_ok=True)
    command = ["prepare", "vkitti", str(together), str(tmp_path / "street"), "--masks", str(lidar_masks)]
    assert main([*command, "--date", "2011_09_26"]) == 0
    assert "wrote 12 frames of 110x66 pixels" in capsys.readouterr().out
    street = Sequence(tmp_path / "street")
    assert street.has_poses
    assert street.names == kbnet.open_frames(vkitti, masks=lidar_masks).names


def test_what_is_missing_is_said_in_one_line(
    vkitti: Path, lidar_masks: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    command = ["prepare", "vkitti", str(vkitti), str(tmp_path / "street"), "--masks", str(lidar_masks)]
    assert main([*command, "--date", "2011_10_03"]) == 2
    assert "expected drives 2011_10_03_drive_<number>_sync" in one_line_error()
    (vkitti / "vkitti_2.0.3_textgt" / "Scene01" / "clone" / "extrinsic.txt").write_text("frame cameraID\n0 0 1 2\n")
    assert main(command) == 2
    assert "expected frame, camera and 16 numbers in line 2" in one_line_error()
    shutil.rmtree(vkitti / "vkitti_2.0.3_textgt")
    shutil.rmtree(vkitti / "vkitti_2.0.3_rgb")
    assert main(command) == 2
    assert "rgb_00000.jpg, but there is no such file; unpack vkitti_2.0.3_rgb.tar there" in one_line_error()
    shutil.rmtree(vkitti / "vkitti_2.0.3_depth")
    assert main(command) == 2
    assert "expected Scene01/clone and so on" in one_line_error()
