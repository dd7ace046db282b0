"""Every engine that is installed: its depth, its picking, its refusals, its memory."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kbnet.inference import engine as engines
from kbnet.inference import onnxruntime_engine, openvino_engine
from kbnet.inference.engine import TOLERANCE, Engine, EngineName, Precision, make_engine, open_engine, pick
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.kbnet import KBNet
from kbnet.points.outlier_rejection import unoccluded_points
from kbnet.weights.depth_network import load_network

CPU = torch.device("cpu")

WAYS: list[tuple[EngineName, Precision]] = [
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnxruntime", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
]


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(way))
def way(request: pytest.FixtureRequest) -> tuple[EngineName, Precision]:
    module = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine}.get(request.param[0])
    if module is not None and not module.available():
        pytest.skip(f"{request.param[0]} is not installed")
    way: tuple[EngineName, Precision] = request.param
    return way


@pytest.fixture(scope="module")
def engine_of() -> Callable[[KBNet, tuple[EngineName, Precision]], Engine]:
    """An engine for a network of the module, made once."""
    return cache(lambda network, way: make_engine(network, engine=way[0], device=CPU, precision=way[1]))


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 96), (45, 67)])
def test_every_engine_keeps_its_tolerance_and_takes_batches(
    way: tuple[EngineName, Precision],
    network: KBNet,
    engine_of: Callable[..., Engine],
    make_inputs: Callable[..., Any],
    size: tuple[int, int],
) -> None:
    engine = engine_of(network, way)
    assert (engine.name, engine.precision) == way
    inputs = make_inputs(2, *size)
    depth = engine(*inputs)
    assert (depth.shape, depth.dtype) == ((2, 1, *size), torch.float32)
    torch.testing.assert_close(depth, network(*inputs), rtol=TOLERANCE[way[1]], atol=0)


@pytest.fixture(scope="module")
def recorded_network(shared: Path) -> DepthNetwork:
    """The network of the recordings; read only."""
    return load_network(shared / "golden" / "kbnet-void-seed1.pth", preset="void")


# In 16 bits the smaller recording alone: processors without them emulate them, at 1 GFLOP a second.
RECORDINGS = [
    (way, file) for way in WAYS for file in ("depth_void", "depth_void_odd") if way[1] == "float32" or "odd" in file
]


@torch.no_grad()
@pytest.mark.parametrize(
    ("way", "file"),
    RECORDINGS,
    indirect=["way"],
    ids=lambda value: "-".join([*value] if isinstance(value, tuple) else [value]),
)
def test_every_engine_keeps_its_tolerance_to_the_recorded_depth(
    way: tuple[EngineName, Precision],
    recorded_network: DepthNetwork,
    engine_of: Callable[..., Engine],
    shared: Path,
    file: str,
) -> None:
    with np.load(shared / "golden" / f"{file}.npz") as recorded:
        image = torch.from_numpy(recorded["image"]).permute(2, 0, 1)[None].float() / 255
        points, K = (
            torch.from_numpy(recorded["sparse_depth"])[None, None],
            torch.from_numpy(recorded["intrinsics"])[None],
        )
        expected = recorded["depth"]
    engine = engine_of(recorded_network, way)
    depth = engine(image, points, unoccluded_points(points), K)[0, 0]
    np.testing.assert_allclose(depth.numpy(), expected, rtol=TOLERANCE[way[1]])


@torch.no_grad()
@pytest.mark.parametrize("network", ["published"], indirect=True)
def test_another_camera_or_size_needs_no_restart(
    way: tuple[EngineName, Precision],
    network: KBNet,
    engine_of: Callable[..., Engine],
    make_inputs: Callable[..., Any],
) -> None:
    engine = engine_of(network, way)
    for size, focal_length in (((64, 64), 60), ((64, 64), 30), ((33, 64), 30), ((64, 64), 60)):
        inputs = make_inputs(1, *size, focal_length=focal_length)
        torch.testing.assert_close(engine(*inputs), network(*inputs), rtol=TOLERANCE[way[1]], atol=0)


@pytest.mark.parametrize("network", ["published"], indirect=True)
@pytest.mark.parametrize("way", [way for way in WAYS if way != ("torch", "bfloat16")], indirect=True, ids="-".join)
def test_hundreds_of_frames_take_no_memory(
    way: tuple[EngineName, Precision],
    network: KBNet,
    engine_of: Callable[..., Engine],
    make_inputs: Callable[..., Any],
) -> None:
    """Of the whole process, at its peak: a leak of one map of 128x128 numbers a frame would be 16 MiB.

    Not in 16 bits with torch, which is the same engine: processors without them take half a minute for it.
    """
    engine = engine_of(network, way)
    frames = [make_inputs(1, 128, 128, seed=seed, focal_length=60 + seed) for seed in range(2)]

    def run(count: int) -> int:
        for index in range(count):
            engine(*frames[index * 4 // count % 2])
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = run(24)
    assert run(256) - before < 8 * 1024


def test_auto_takes_openvino_then_onnxruntime_then_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: set[str] = {"onnxruntime", "openvino"}
    monkeypatch.setattr(engines.openvino_engine, "available", lambda: "openvino" in installed)
    monkeypatch.setattr(engines.onnxruntime_engine, "available", lambda: "onnxruntime" in installed)
    assert pick(CPU, "bfloat16") == pick(CPU, "float32") == "openvino"
    assert pick(torch.device("cuda"), "float32") == "torch"
    installed.remove("openvino")
    assert (pick(CPU, "float32"), pick(CPU, "bfloat16")) == ("onnxruntime", "torch")
    installed.clear()
    assert pick(CPU, "float32") == "torch"


@pytest.mark.parametrize(
    ("engine", "precision", "device", "message"),
    [
        ("tensorrt", "auto", "cpu", "expected one of auto, torch, .*, got 'tensorrt'"),
        ("torch", "float8", "cpu", "expected one of auto, float32, .*, got 'float8'"),
        ("torch", "float16", "cpu", "float16 is for CUDA devices, got cpu"),
        ("auto", "int8", "cpu", r"make a file \(kbnet export --precision int8\)"),
        ("onnxruntime", "bfloat16", "cpu", "onnxruntime offers float32, got bfloat16"),
        ("openvino", "float16", "cpu", "openvino offers float32 and bfloat16 on the CPU, got float16 on cpu"),
        ("openvino", "float32", "cuda", "openvino offers float32 and bfloat16 on the CPU, got float32 on cuda"),
    ],
)
def test_what_no_engine_offers_is_refused(
    network: KBNet, engine: Any, precision: Any, device: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make_engine(network, engine=engine, device=torch.device(device), precision=precision)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "engine", "device", "message"),
    [
        ("network.xml", "torch", "cpu", r"expected engine auto or openvino for .*network\.xml, got torch"),
        ("network.onnx", "openvino", "cpu", r"expected engine auto or onnxruntime for .*network\.onnx, got openvino"),
        ("network.xml", "auto", "cuda", r"OpenVINO computes on the CPU, got cuda for .*network\.xml"),
        ("network.pt2", "auto", "cpu", r"expected an exported file \(\.onnx or \.xml\), got .*network\.pt2"),
    ],
)
def test_a_file_is_for_its_own_engine(tmp_path: Path, file: str, engine: Any, device: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_engine(tmp_path / file, engine=engine, device=torch.device(device))
