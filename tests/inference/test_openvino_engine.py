from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kbnet.export.onnx import example_inputs
from kbnet.export.openvino import openvino_model
from kbnet.inference import openvino_engine
from kbnet.inference.openvino_engine import OpenVinoEngine
from kbnet.network.config import KBNetConfig
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import NetworkInputs
from kbnet.network.kbnet import KBNet


def small_network() -> KBNet:
    torch.manual_seed(0)
    return KBNet(KBNetConfig(image_filters=(8,) * 6, depth_filters=(8,) * 6, decoder_filters=(8,) * 5)).eval()


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.05)])
def test_engine_gives_the_networks_depth_on_a_real_frame(
    real_frame: tuple[DepthNetwork, NetworkInputs, Tensor], precision: str, tolerance: float
) -> None:
    network, inputs, expected = real_frame
    found = OpenVinoEngine(network, precision)(*inputs)  # type: ignore[arg-type]
    torch.testing.assert_close(found[:, :1], expected[:, :1], rtol=tolerance, atol=0)
    if precision == "float32":
        torch.testing.assert_close(found[:, 1:], expected[:, 1:], rtol=tolerance, atol=0)
    else:  # at edges the expected error of few pixels is far off in 16 bits (sigmoid of a rounded logit)
        relative = (found[:, 1:] / expected[:, 1:] - 1).abs()
        assert (relative > 0.5).float().mean() < 1e-4


def test_engine_takes_changing_sizes_and_batches() -> None:
    network = small_network()
    engine = OpenVinoEngine(network)
    for height, width, batch in [(64, 96, 1), (40, 33, 2), (64, 96, 2), (64, 96, 1)]:
        inputs = example_inputs(network.config, height, width, batch)
        with torch.no_grad():
            torch.testing.assert_close(engine(*inputs), network(*inputs), rtol=1e-4, atol=0)


def test_results_do_not_share_memory() -> None:
    network = small_network()
    engine = OpenVinoEngine(network)
    inputs = example_inputs(network.config, 64, 96)
    first = engine(*inputs)
    kept = first.clone()
    engine(inputs[0], inputs[1] * 3, *inputs[2:])
    assert torch.equal(first, kept)


def test_model_has_torchs_threads_and_is_bound_to_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound, the workers of `kbnet complete --workers` would all compute on the first core."""
    import openvino

    compile_model, compiled = openvino.Core.compile_model, []

    def keep(*given: Any) -> Any:
        compiled.append(compile_model(*given))
        return compiled[-1]

    monkeypatch.setattr(openvino.Core, "compile_model", keep)
    network = small_network()
    OpenVinoEngine(network)(*example_inputs(network.config, 64, 96))
    assert compiled[0].get_property("ENABLE_CPU_PINNING") is False
    assert compiled[0].get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads()


def test_engine_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "available", lambda: False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kbnet\[export\]'"):
        OpenVinoEngine(small_network())


def test_file_without_its_other_half_is_named(tmp_path: Path) -> None:
    (tmp_path / "network.xml").write_text("<net")
    with pytest.raises(FileNotFoundError, match=r"with its \.bin beside it, but there is no .*network\.bin"):
        OpenVinoEngine(tmp_path / "network.xml")


def test_file_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "network.xml").write_text("<net")
    (tmp_path / "network.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot be read \(.*\); export it again") as raised:
        OpenVinoEngine(tmp_path / "network.xml")
    assert "\n" not in str(raised.value)


def test_file_that_kbnet_did_not_write_is_refused(tmp_path: Path) -> None:
    import openvino

    openvino.save_model(openvino_model(small_network()), tmp_path / "network.xml")
    with pytest.raises(ValueError, match="make it with kbnet export"):
        OpenVinoEngine(tmp_path / "network.xml")


def test_size_or_operator_that_openvino_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    def refuse(*_: object) -> None:
        raise RuntimeError("Exception from src/core.cpp:1:\nShape mismatch")

    monkeypatch.setattr(openvino.Core, "compile_model", refuse)
    with pytest.raises(ValueError, match=r"build the network for 96x64 \(Shape mismatch\); choose another size"):
        OpenVinoEngine(small_network())(*example_inputs(KBNetConfig(), 64, 96))
