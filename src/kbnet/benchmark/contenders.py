"""The ways to complete a frame that are laid side by side: the yardstick, and every engine in every precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from kbnet.benchmark.made_frame import made_frame
from kbnet.benchmark.plain_kbnet import is_published_architecture, plain_network
from kbnet.completion import DepthCompleter
from kbnet.data.outliers import kept_points
from kbnet.data.scaffold import scaffold_from_points
from kbnet.export.description import describe
from kbnet.export.openvino import INFO, openvino_model, quantise
from kbnet.inference.engine import EngineName, Precision, make_engine
from kbnet.inference.openvino_engine import OpenVinoEngine
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet

PLAIN = "plain"


@dataclass
class Contender:
    """One way to complete the frames of a case.

    Attributes:
        engine, precision: what it is called.
        network: image in 0..1, sparse depth, validity, K, scaffold to depth, as KBNet.forward.
        complete: image (uint8), sparse depth, K to depth: all that a user waits for.
        difference: largest relative difference of its depth from eager float32.
    """

    engine: str
    precision: str
    network: Callable[..., Tensor]
    complete: Callable[[Tensor, Tensor, Tensor], Tensor]
    difference: float = math.nan


def prepared(
    sparse_depth: Tensor, intrinsics: Tensor, config: KBNetConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Sparse depth, validity, K and scaffold, as a network takes them after the image."""
    validity = kept_points(sparse_depth, intrinsics, **config.outlier_removal)
    return sparse_depth, validity, intrinsics, scaffold_from_points(sparse_depth * validity, config.scaffold)


def contender(network: KBNet, engine: EngineName, precision: Precision, device: torch.device) -> Contender:
    """An engine of this package, as a user gets it.

    Raises:
        ModuleNotFoundError: the engine is not installed.
        ValueError: the engine does not offer the precision on the device.
    """
    if precision == "int8" and engine == "openvino" and device.type == "cpu":
        with quantised_file(network) as path:
            return Contender(engine, precision, OpenVinoEngine(path), DepthCompleter(path, device="cpu", engine=engine))
    made = make_engine(network, engine=engine, device=device, precision=precision)
    completer = DepthCompleter(network, device=str(device), precision=precision, engine=engine)
    return Contender(engine, precision, made, completer)


@contextmanager
def quantised_file(network: KBNet) -> Iterator[Path]:
    """An OpenVINO file in int8 with ranges from made frames: for its speed; `kbnet export` takes the user's own frames.

    Raises:
        ModuleNotFoundError: onnx, openvino or nncf is not installed.
    """
    import openvino

    preset = "kitti" if network.config.max_depth > 50 else "void"
    frames = [made_frame(320, 240, preset, seed) for seed in (1, 2, 3)]
    model = quantise(openvino_model(network), network.config, frames)
    for key, text in {**describe(network.config, {}), "precision": "int8"}.items():
        model.set_rt_info(text, [INFO, key])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        yield path


def plain_contender(network: KBNet, device: torch.device) -> Contender:
    """The yardstick; outlier removal before it is this package's."""
    plain = plain_network(network).to(device)

    def forward(image: Tensor, sparse_depth: Tensor, validity: Tensor, K: Tensor, scaffold: Tensor | None) -> Tensor:
        depth: Tensor = plain(image, sparse_depth, validity, K)
        return depth

    def complete(image: Tensor, sparse_depth: Tensor, intrinsics: Tensor) -> Tensor:
        return forward(image.float() / 255, *prepared(sparse_depth, intrinsics, network.config))

    return Contender(PLAIN, "float32", forward, complete)


def contenders(
    network: KBNet,
    engines: Sequence[EngineName],
    precisions: Sequence[Precision],
    device: torch.device,
    leave_out: Callable[[str, Exception], None],
) -> Iterator[Contender]:
    """The yardstick where it fits the network, then every engine in every precision that there is.

    ``leave_out`` is told of each that there is not, and why.
    """
    if is_published_architecture(network.config):
        yield plain_contender(network, device)
    for engine in engines:
        for precision in precisions:
            try:
                yield contender(network, engine, precision, device)
            except (ModuleNotFoundError, ValueError) as error:
                leave_out(f"{engine} {precision}", error)
