from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kbnet
from kbnet.cli.main import main
from kbnet.frames.depth_png import read_depth_png
from kbnet.frames.sequence import Sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import save_network

WITHOUT_KBNET = """
import runpy, sys
sys.modules.update(dict.fromkeys(("kbnet", "torch", "onnx"){no_scipy}))
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
"""


KINDS: dict[str, dict[str, Any]] = {
    "published": {},
    "ours": {"scaffold": "linear", "outlier_rule": "support"},
    "half": {"scaffold": "continued", "outlier_rule": "support", "resolution": "half", "working_side": 100},
}


@pytest.fixture(params=list(KINDS))
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    small: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    network = KBNet(KBNetConfig(**small, **KINDS[request.param]))
    torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    path = tmp_path / f"{request.param}.safetensors"
    save_network(network, path, notes={"steps": "7"})
    return path


def test_onnx_file_is_read_by_the_example_without_kbnet(
    weights: Path,
    write_sequence: Callable[..., Path],
    tmp_path: Path,
    repository: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    room = write_sequence()
    network = tmp_path / "network.onnx"
    assert main(["export", str(weights), "--format", "onnx", "--output", str(network), "--check", str(room)]) == 0
    said = capsys.readouterr().out
    assert "largest relative difference in depth" in said
    assert "tolerance 0.0001" in said
    assert ("at 96x80" if weights.stem == "half" else "at 48x40, 33x33") in said  # enlarged to working_side

    files = [room / "image/0001.png", room / "sparse_depth/0001.png", room / "K.txt", tmp_path / "depth.png"]
    script = repository / "examples/onnx_depth.py"
    no_scipy = ' + ("scipy",)' if weights.stem == "published" else ""
    subprocess.run(
        [sys.executable, "-c", WITHOUT_KBNET.format(no_scipy=no_scipy), script, network, *files],
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    frame = Sequence(room).frame(1)
    ours = kbnet.load(weights, engine="torch")(frame.image, frame.sparse_depth, frame.intrinsics)
    np.testing.assert_allclose(read_depth_png(files[-1]), ours, atol=1.01 / 256)


def test_openvino_file_is_loaded_like_weights(
    weights: Path, write_sequence: Callable[..., Path], tmp_path: Path
) -> None:
    room = write_sequence()
    arguments = ["export", str(weights), "--format", "openvino", "--check", str(room)]
    assert main([*arguments, "--output", str(tmp_path / "float.xml")]) == 0
    frame = Sequence(room).frame(0)
    given = (frame.image, frame.sparse_depth, frame.intrinsics)
    exact = kbnet.load(weights, engine="torch")(*given)
    completer = kbnet.load(tmp_path / "float.xml")
    assert (completer.engine, completer.precision) == ("openvino", "float32")
    np.testing.assert_allclose(completer(*given), exact, rtol=1e-4)


def test_int8_file_is_loaded_like_weights(exported: Any) -> None:
    """One kind of network: quantisation is slow, and tests/export quantises the others."""
    assert "on average (tolerance 0.1)" in exported.said
    frame = Sequence(exported.room).frame(0)
    given = (frame.image, frame.sparse_depth, frame.intrinsics)
    quantised = kbnet.load(exported.int8)
    assert quantised.precision == "int8"
    exact = kbnet.load(exported.weights, engine="torch")(*given)
    assert np.abs(quantised(*given) / exact - 1).mean() < 0.05


@pytest.mark.parametrize("weights", ["published"], indirect=True)
def test_the_example_says_which_sizes_a_file_takes(
    weights: Path, write_sequence: Callable[..., Path], tmp_path: Path, repository: Path
) -> None:
    room, network = write_sequence(), tmp_path / "network.onnx"
    arguments = ["export", str(weights), "--format", "onnx", "--output", str(network), "--check", str(room)]
    assert main([*arguments, "--sizes", "multiples-of-32"]) == 0
    files = [room / "image/0001.png", room / "sparse_depth/0001.png", room / "K.txt", tmp_path / "depth.png"]
    words = [sys.executable, repository / "examples/onnx_depth.py", network, *files]
    result = subprocess.run(words, check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "takes widths and heights that are multiples of 32, " in result.stderr
    assert "0001.png is 48x40; crop" in result.stderr
    assert not files[-1].exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "onnx", "--output", "a.pt2"], "expected a .onnx file for onnx"),
        (["--format", "torch", "--output", "a.onnx"], "expected a .pt2 file for torch"),
        (["--format", "onnx", "--output", "a.onnx", "--precision", "int8"], "int8 is for --format openvino"),
        (["--format", "openvino", "--output", "a.xml", "--precision", "int8"], "--calibration SEQUENCE needs frames"),
        (["--format", "openvino", "--output", "a.xml", "--calibration", "room"], "is for --precision int8"),
        (
            ["--format", "openvino", "--output", "a.xml", "--precision", "int8", "--sizes", "multiples-of-32"],
            "an int8 file is fastest as one for any size",
        ),
        (["--format", "onnx", "--output", "a.onnx", "--check", "nowhere"], "no folder nowhere"),
        (
            ["--format", "openvino", "--output", "a.xml", "--precision", "int8", "--calibration", "nowhere"],
            "no folder nowhere",
        ),
    ],
)
def test_bad_arguments_are_one_line_and_leave_no_file(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_line_error: Callable[[], str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "indoor", *arguments]) == 2
    assert message in one_line_error()
    assert not list(tmp_path.iterdir())
