"""kbnet prepare scenenet: a sequence, and an incomplete archive in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence


def test_a_frame_with_too_few_points_is_left_out(
    scenenet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = np.zeros((240, 320), np.uint16)
    few[0, :299] = 2000
    Image.fromarray(few).save(scenenet / "0" / "78" / "depth" / "50.png")
    assert main(["prepare", "scenenet", str(scenenet), str(tmp_path / "rooms")]) == 0
    said = capsys.readouterr().out
    assert "left out: 1 frames with too few points" in said
    assert "wrote 4 frames of 320x240 pixels" in said
    assert Sequence(tmp_path / "rooms").names == ("0_77_2100", "0_77_2150", "0_78_25", "0_78_75")


def test_an_incomplete_archive_is_refused_in_one_line(
    scenenet: Path, tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    command = ["prepare", "scenenet", str(scenenet), str(tmp_path / "rooms")]
    (scenenet / "0" / "78" / "depth" / "50.png").unlink()
    assert main(command) == 2
    assert "expected depth of the image" in (said := one_line_error())
    assert "50.png; unpack the archive again" in said
    shutil.rmtree(scenenet / "0")
    assert main(command) == 2
    assert "expected trajectories of SceneNet RGB-D" in one_line_error()
