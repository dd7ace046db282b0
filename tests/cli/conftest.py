"""For commands that read frames: a small sequence on disk, and a stand-in for the network."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import kbnet
from kbnet.cli.main import main
from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import write_depth_png

DEPTH = 2.0
"""Depth of the far wall that the sequences show, metres; a nearer slope leads to it."""

WriteSequence = Callable[..., Path]


@pytest.fixture
def write_sequence(tmp_path: Path) -> WriteSequence:
    """Write a sequence of 40x48 frames with points on every fourth pixel; return its folder."""

    def write(
        name: str = "room",
        *,
        frames: int = 3,
        sparse_depths: tuple[str, ...] = ("sparse_depth",),
        truth: bool = True,
        truth_step: int = 1,
    ) -> Path:
        folder = tmp_path / name
        generator = np.random.default_rng(0)
        (folder / "image").mkdir(parents=True)
        (folder / "K.txt").write_text("50 0 24\n0 50 20\n0 0 1\n")
        for index in range(frames):
            depth = np.full((40, 48), DEPTH, np.float32)
            depth[20:] -= np.linspace(0, 1, 20, dtype=np.float32)[:, None]
            image = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / "image" / f"{index:04}.png")
            for step, sparse_depth in enumerate(sparse_depths, start=4):
                points = np.zeros_like(depth)
                points[::step, ::step] = depth[::step, ::step]
                write_depth_png(folder / sparse_depth / f"{index:04}.png", points)
            if truth:
                measured = np.zeros_like(depth)
                measured[:, ::truth_step] = depth[:, ::truth_step]
                write_depth_png(folder / "ground_truth" / f"{index:04}.png", measured)
        return folder

    return write


@dataclass
class StandIn:
    """Takes the place of `kbnet.load` and of what it returns: every pixel gets the mean depth of the points."""

    loads: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    engine: str = "torch"
    precision: str = "float32"
    fail_at: int | None = None
    failure: BaseException = field(default_factory=lambda: KBNetError("no luck"))
    device: Any = field(default_factory=lambda: torch.device("cpu"))

    def load(self, source: str, **options: Any) -> StandIn:
        self.loads.append({"source": source, **options})
        return self

    def __call__(self, frame: Frame) -> FloatArray:
        if self.calls == self.fail_at:
            raise self.failure
        self.calls += 1
        return np.full(frame.size, frame.sparse_depth[frame.sparse_depth > 0].mean(), np.float32)


@pytest.fixture
def posed_room(write_sequence: WriteSequence) -> Path:
    """Eight frames of a camera that moves sideways, with poses and without ground truth."""
    folder = write_sequence(frames=8, truth=False)
    (folder / "absolute_pose").mkdir()
    for index in range(8):
        pose = np.eye(4)
        pose[0, 3] = 0.1 * index
        np.savetxt(folder / "absolute_pose" / f"{index:04}.txt", pose)
    return folder


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Let commands load a stand-in, so that they are tried apart from the network and its weights."""
    network = StandIn()
    monkeypatch.setitem(vars(kbnet), "load", network.load)
    return network


@dataclass(frozen=True)
class Exported:
    """One small network as weights and as files of ``kbnet export``.

    ``room`` is the sequence that int8 has its ranges from, ``said`` what the export to int8 printed.
    """

    weights: Path
    onnx: Path
    int8: Path
    room: Path
    said: str


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Random weights that let the image reach the depth; int8 with ranges from one made frame."""
    from kbnet.export.onnx import export_onnx
    from kbnet.frame import Frame
    from kbnet.frames.sequence_writer import new_sequence
    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet
    from kbnet.weights.depth_network import save_network

    torch.manual_seed(0)
    filters: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}
    kind: dict[str, Any] = {"scaffold": "continued", "outlier_rule": "support", "resolution": "half"}
    network = KBNet(KBNetConfig(**filters, **kind)).eval()
    torch.nn.init.normal_(network.decoder.output.weight, std=0.1)
    generator = np.random.default_rng(0)
    points = np.zeros((40, 48), np.float32)
    points[::4, ::4] = DEPTH
    K = np.array([[50, 0, 24], [0, 50, 20], [0, 0, 1]], np.float32)
    frame = Frame(generator.integers(0, 256, (40, 48, 3), dtype=np.uint8), points, K, name="made")
    folder = tmp_path_factory.mktemp("exported")
    weights, onnx, int8, room = (folder / name for name in ("small.safetensors", "small.onnx", "int8.xml", "room"))
    save_network(network, weights)
    export_onnx(network, onnx, [frame], origin={})
    with new_sequence(room, K) as sequence:
        sequence.add(frame)
    words = ["export", weights, "--format", "openvino", "--precision", "int8", "--calibration", room, "--check", room]
    with redirect_stdout(io.StringIO()) as said:
        assert main([*map(str, words), "--output", str(int8)]) == 0
    return Exported(weights, onnx, int8, room, said.getvalue())


@pytest.fixture
def one_line_error(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Assert that all a command wrote to stderr is one line of error; return it."""

    def read() -> str:
        written = capsys.readouterr().err
        assert written.startswith("kbnet: error: ")
        assert written.count("\n") == 1
        return written

    return read


@pytest.fixture
def refusal(
    write_sequence: WriteSequence, stand_in: StandIn, one_line_error: Callable[[], str]
) -> Callable[[str, list[str]], str]:
    """The line with which a command refuses arguments, where ``{room}`` stands for a sequence."""

    def refuse(command: str, arguments: list[str]) -> str:
        room = str(write_sequence())
        assert main([command, *(word.replace("{room}", room) for word in arguments)]) == 2
        return one_line_error()

    return refuse
