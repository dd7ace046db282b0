"""``kbnet complete-many``: the files of ``kbnet complete``, from several processes; what failed is told at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kbnet.cli.main import main


def depth_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.slow
@pytest.mark.parametrize("file", ["weights", "int8"])
def test_complete_many_writes_what_complete_does_and_tells_what_failed(
    write_sequence: Callable[..., Path],
    exported: Any,
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In a cluster of its own, started for the run."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    rooms = [write_sequence(name) for name in ("hall", "room")]
    spoilt = [rooms[1] / folder / "0002.png" for folder in ("image", "sparse_depth")]
    spoilt[0].write_bytes(b"no image")
    out, options = tmp_path / "out", ["--weights", str(getattr(exported, file))]
    options += ["--engine", "torch"] if file == "weights" else []  # the quickest to get ready
    words = ["complete-many", *map(str, rooms), "--output", str(out), *options, "--workers", "2"]
    assert main(words) == 2
    said = capfd.readouterr()
    assert f"completed 5 of 6 frames in {out}\n" in said.out
    assert "kbnet: error: 1 of 6 frames could not be completed, first room/0002" in said.err
    assert "Traceback" not in said.err
    assert "warning" not in said.err

    for path in spoilt:
        path.unlink()
    assert main(words) == 0, "there is nothing left to do, and no cluster is started for it"
    assert f"completed 0 of 5 frames in {out}; skipped 5 that were done\n" in capfd.readouterr().out

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each worker has
    for room in rooms:
        assert main(["complete", str(room), "--output", str(tmp_path / "alone" / room.name), *options]) == 0
    torch.set_num_threads(threads)
    assert depth_files(out) == depth_files(tmp_path / "alone")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected at least one sequence folder or list, got none"),
        (["nowhere"], "there is no folder nowhere"),
        (["room", "room"], "another name for each source, got 'room' for room and room"),
        (["room", "--workers", "0"], "expected at least 1 worker"),
        (["room", "--weights", "nothing"], "nothing"),
        (["room", "--weights", "missing.xml"], "missing.xml; check the path"),
        (["room", "--precision", "int8"], "make a file (kbnet export --precision int8)"),
        (["room", "--engine", "onnxruntime", "--precision", "bfloat16"], "onnxruntime offers float32"),
        (["room", "--sparse-depth", "sparse_depth_7"], "sparse_depth_7"),
    ],
)
def test_complete_many_says_in_one_line_which_arguments_do_not_fit(
    write_sequence: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_line_error: Callable[[], str],
    arguments: list[str],
    message: str,
) -> None:
    write_sequence("room")
    monkeypatch.chdir(tmp_path)
    assert main(["complete-many", *arguments, "--output", "out"]) == 2
    assert message in one_line_error()
    assert not (tmp_path / "out").exists()
