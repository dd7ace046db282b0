from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz.limits import largest_file

from kbnet.errors import KBNetError
from kbnet.export import openvino as kbnet_openvino
from kbnet.export.openvino import export_openvino
from kbnet.export.parity import Parity
from kbnet.export.sizes import Sizes
from kbnet.frame import Frame
from kbnet.frames.sequence import Sequence
from kbnet.inference.openvino_engine import OpenVinoEngine
from kbnet.network.inputs import frame_inputs
from kbnet.network.kbnet import KBNet


@pytest.fixture(autouse=True)
def converted_once(converted: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The way through ONNX is not gone again for a network of this module."""
    monkeypatch.setattr(kbnet_openvino, "onnx_model", converted)


def test_files_give_the_networks_depth_and_carry_its_config(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    (tmp_path / ".network.partial").mkdir()
    (tmp_path / ".network.partial" / "network.bin").write_bytes(b"of a killed export")
    parity = export_openvino(network, tmp_path / "network.xml", [frame], origin={"weights": "small"})
    assert parity.largest < 1e-4
    assert {file.name for file in tmp_path.iterdir()} == {"network.xml", "network.bin"}
    engine = OpenVinoEngine(tmp_path / "network.xml")
    assert engine.config == network.config
    assert engine.precision == "float32"


def test_a_bin_of_something_else_is_neither_replaced_nor_read(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "scan.xml"
    path.with_suffix(".bin").write_bytes(b"a scan")
    for other in (None, "<net/>"):
        if other:
            path.write_text(other)
        with pytest.raises(KBNetError, match=r"scan\.bin would be replaced, but is not of an export to"):
            export_openvino(network, path, [frame], origin={})
    path.with_suffix(".bin").unlink()
    export_openvino(network, path, [frame], origin={})
    content = bytearray(path.with_suffix(".bin").read_bytes())
    content[100] ^= 1
    path.with_suffix(".bin").write_bytes(content)
    with pytest.raises(KBNetError, match=r"scan\.bin is not of the same export as .*scan\.xml; export it again"):
        OpenVinoEngine(path)


def test_an_export_that_was_killed_between_its_two_files_is_given_again(
    network: KBNet, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.xml"

    def kill(source: Path, target: Path) -> None:
        replace(source, target)
        raise KeyboardInterrupt

    replace = os.replace
    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        export_openvino(network, path, [frame], origin={})
    monkeypatch.setattr(os, "replace", replace)
    assert path.exists()
    with pytest.raises(FileNotFoundError):
        OpenVinoEngine(path)
    export_openvino(network, path, [frame], origin={})
    OpenVinoEngine(path)


def test_files_for_multiples_of_32_say_so(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "network.xml"
    parity = export_openvino(network, path, [frame], origin={}, sizes="multiples-of-32")
    assert parity.sizes == ("64x32",)
    with pytest.raises(ValueError, match=r"network\.xml was exported for .* multiples of 32, got 70x44"):
        OpenVinoEngine(path)(*frame_inputs(frame, network.config))


@pytest.mark.parametrize("network", ["published"], indirect=True)
def test_int8_is_near_and_says_so(network: KBNet, sequence: Path, frame: Frame, tmp_path: Path) -> None:
    """One kind of network: the command line quantises another, and test_propagation.py others."""
    frames = Sequence(sequence)
    calibration = (frames.frame(index) for index in range(len(frames)))
    parity = export_openvino(network, tmp_path / "int8.xml", [frame], origin={}, calibration=calibration)
    assert 1e-5 < parity.mean < 0.05
    engine = OpenVinoEngine(tmp_path / "int8.xml")
    assert engine.precision == "int8"
    depth = engine(*frame_inputs(frame, network.config))
    assert depth.shape == (1, 1, 44, 70)


def test_int8_needs_frames(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected frames to calibrate int8 with, got none"):
        export_openvino(network, tmp_path / "int8.xml", [frame], origin={}, calibration=[])
    assert not list(tmp_path.iterdir())


def test_export_that_differs_leaves_no_file(
    network: KBNet, frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kbnet_openvino, "measure_parity", lambda *_, **__: Parity(0.5, 0.5, ("70x44",)))
    with pytest.raises(ValueError, match=r"got 0\.5 at 70x44; nothing was written"):
        export_openvino(network, tmp_path / "network.xml", [frame], origin={})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sizes", ["any", "multiples-of-32"])
def test_a_network_whose_depth_is_enlarged_along_the_image_is_exported(
    sizes: Sizes, propagation_network: Callable[..., KBNet], frame: Frame, tmp_path: Path
) -> None:
    network = propagation_network(resolution="half")
    parity = export_openvino(network, tmp_path / "net.xml", [frame], sizes=sizes, origin={})
    assert parity.largest < 1e-4


def test_what_cannot_be_written_is_named(network: KBNet, frame: Frame, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    with largest_file(20_000), pytest.raises(OSError, match=rf"{path} cannot be written .*; free some space"):
        export_openvino(network, path, [frame], origin={})
    assert not list(tmp_path.iterdir())
