"""Which files a network comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.inference.weights_files import is_exported, weights_files
from kbnet.weights.names import find_weights


def test_weights_are_one_file() -> None:
    assert not is_exported("indoor")
    assert weights_files("indoor") == (find_weights("indoor"),)


def test_exported_files_are_told_by_their_suffix(tmp_path: Path) -> None:
    for name in ("network.onnx", "network.xml", "network.bin"):
        (tmp_path / name).touch()
    assert weights_files(tmp_path / "network.onnx") == (tmp_path / "network.onnx",)
    assert weights_files(str(tmp_path / "network.xml")) == (tmp_path / "network.xml", tmp_path / "network.bin")


@pytest.mark.parametrize("name", ["network.onnx", "network.xml"])
def test_exported_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "network.bin").touch()
    with pytest.raises(FileNotFoundError, match=rf"there is no .*{name}; check the path"):
        weights_files(tmp_path / name)
