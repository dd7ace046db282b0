"""kbnet prepare synthetic: flags are the config's fields, the folder is a sequence, nothing is overwritten unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence

pytest.importorskip("skimage")

SMALL = ["--width", "64", "--height", "48", "--points", "20"]


def test_prepare_synthetic_writes_a_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "synthetic", str(tmp_path / "room"), "--frames", "3", *SMALL]) == 0
    assert capsys.readouterr().out == f"wrote 3 frames of 64x48 pixels to {tmp_path / 'room'}\n"
    sequence = Sequence(tmp_path / "room")
    assert len(sequence) == 3
    assert sequence.frame(2).size == (48, 64)
    assert sequence.has_poses
    assert sequence.has_ground_truth


def test_prepare_synthetic_overwrites_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", "synthetic", str(tmp_path / "room"), "--frames", "1", *SMALL]
    assert main(command) == 0
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_prepare_synthetic_refuses_what_it_cannot_render(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in (["--frames", "0"], ["--points", "0"], ["--outlier-share", "2"]):
        assert main(["prepare", "synthetic", str(tmp_path / "room"), *SMALL, *flag]) == 2
        assert "kbnet: error: expected" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_size_beyond_all_memory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "synthetic", str(tmp_path / "room"), "--width", str(10**30)]) == 2
    assert "expected at most 100,000,000 pixels in a frame" in capsys.readouterr().err
