"""kbnet prepare sparse: a folder of points for --sparse-depth, or a copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence


def test_prepare_sparse_adds_a_folder_named_after_the_pattern(
    write_sequence: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    room = write_sequence()
    assert main(["prepare", "sparse", str(room), "--pattern", "uniform", "--points", "60"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote 3 frames of 60 points to {room / 'sparse_depth_uniform_60'}",
        "read them with --sparse-depth sparse_depth_uniform_60",
    ]
    assert (Sequence(room, sparse_depth="sparse_depth_uniform_60").sparse_depth(2) > 0).sum() == 60


def test_prepare_sparse_copies(
    write_sequence: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = write_sequence()
    command = ["prepare", "sparse", str(room), "--pattern", "rings", "--rings", "8", "--copy", str(tmp_path / "copy")]
    assert main(command) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert (Sequence(tmp_path / "copy").sparse_depth(0) > 0).sum() > 100
    assert main(command) == 2
    assert main([*command, "--overwrite"]) == 0


def test_prepare_sparse_refuses_in_one_line(
    write_sequence: Callable[..., Path], tmp_path: Path, one_line_error: Callable[[], str]
) -> None:
    assert main(["prepare", "sparse", str(write_sequence("dark", truth=False))]) == 2
    assert "expected dense depth" in one_line_error()
    room = write_sequence()
    assert main(["prepare", "sparse", str(room), "--points", "0"]) == 2
    assert "at least 1 point" in one_line_error()
    assert main(["prepare", "sparse", str(room), "--name", "a", "--copy", str(tmp_path / "b")]) == 2
    assert "--name or --copy" in one_line_error()
