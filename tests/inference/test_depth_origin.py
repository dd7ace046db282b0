"""What made depth: told by weights, preset and precision, whatever the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.inference.depth_origin import RECORD, network_origin, recorded_origin


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


@pytest.mark.parametrize("text", ["", "[1]", "no JSON"])
def test_record_that_is_damaged_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    assert recorded_origin(tmp_path) == {}
