"""Folder of results: what made its depth is told by weights, preset and precision, whatever the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fuzz.limits import largest_file
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.single_frame import SingleFrame
from kbnet.inference.output_files import DEPTH, NPY, CompletedFrame, FileKind
from kbnet.inference.output_folder import RECORD, OutputFolder, output_folders
from kbnet.inference.weights_files import network_origin


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    for name in ("network.xml", "network.bin"):
        (tmp_path / name).write_text(name)
    return tmp_path / "network.xml"


def test_auto_is_float32_of_weights() -> None:
    auto, same, other = (
        network_origin("indoor", preset=None, precision=precision) for precision in ("auto", "float32", "bfloat16")
    )
    assert auto == same != other


def test_auto_is_what_an_exported_file_has(exported: Path) -> None:
    auto, int8, other = (
        network_origin(exported, preset=None, precision=precision) for precision in ("auto", "int8", "bfloat16")
    )
    assert auto == int8 != other


@pytest.mark.parametrize("changed", ["network.xml", "network.bin"])
def test_both_halves_of_an_openvino_file_count(exported: Path, changed: str) -> None:
    before = network_origin(exported, preset=None, precision="auto")
    (exported.parent / changed).write_text("other")
    assert network_origin(exported, preset=None, precision="auto")["weights"] != before["weights"]


@pytest.fixture
def frame(tmp_path: Path) -> SingleFrame:
    image, sparse_depth = tmp_path / "a.png", tmp_path / "sparse" / "a.png"
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(image)
    write_depth_png(sparse_depth, np.eye(40, 48, dtype=np.float32))
    (tmp_path / "K.txt").write_text("50 0 24 0 50 20 0 0 1")
    return SingleFrame(image, sparse_depth, tmp_path / "K.txt")


@pytest.mark.parametrize("text", ["", "[1]", "no JSON"])
def test_record_that_is_damaged_is_no_record(tmp_path: Path, frame: SingleFrame, text: str) -> None:
    output = OutputFolder(tmp_path / "out", frame)
    write_depth_png(output.path(DEPTH, 0), np.ones((40, 48), np.float32))
    (output.folder / RECORD).write_text(text)
    assert output.origin({"weights": "w"})[1] == f"of unknown origin, without {RECORD}"


@pytest.mark.parametrize("text", ["[1]", "{}", '{"frame": ["a"], "tool": 1}'])
def test_record_of_another_program_is_not_replaced(tmp_path: Path, frame: SingleFrame, text: str) -> None:
    output = OutputFolder(tmp_path / "out", frame)
    output.folder.mkdir()
    (output.folder / RECORD).write_text(text)
    with pytest.raises(KBNetError, match=rf"{RECORD} would be replaced, but it is not of kbnet complete"):
        output.checked_origin({"weights": "w"}, overwrite=True)


def test_a_frame_is_pending_until_all_its_files_are_there(tmp_path: Path, frame: SingleFrame) -> None:
    output = OutputFolder(tmp_path / "out", frame, [NPY])
    for kind in output.kinds:
        assert not output.is_done(0)
        assert output.pending() == [0]
        kind.write(output.path(kind, 0), CompletedFrame(frame.frame(0), np.ones((40, 48), np.float32), None))
    assert output.is_done(0)
    assert output.pending() == []


@pytest.mark.parametrize("kind", [DEPTH, NPY])
def test_a_file_that_is_larger_than_allowed_is_named(kind: FileKind, tmp_path: Path, frame: SingleFrame) -> None:
    completed = CompletedFrame(frame.frame(0), np.random.default_rng(0).random((40, 48), np.float32), None)
    with largest_file(1000), pytest.raises(OSError, match=rf"File too large; allow larger files .*: '{tmp_path}/a'"):
        kind.write(tmp_path / "a", completed)


def test_several_sources_have_a_folder_each_and_one_has_none(tmp_path: Path, frame: SingleFrame) -> None:
    assert [one.folder for one in output_folders(tmp_path, [frame])] == [tmp_path]
    other = replace(frame, image=tmp_path / "b.png")
    assert [one.folder for one in output_folders(tmp_path, [frame, other])] == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(KBNetError, match=r"another name for each source, got 'a' for .*a.png and .*a.png"):
        output_folders(tmp_path, [frame, frame])
