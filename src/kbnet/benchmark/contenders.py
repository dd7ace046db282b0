"""Contenders of the speed benchmark: the plain baseline, and every engine in every precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from kbnet.benchmark.made_frame import made_frame, preset_for
from kbnet.benchmark.plain_kbnet import is_published_architecture, plain_network
from kbnet.errors import KBNetError
from kbnet.export.openvino import export_openvino
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.engine_names import EngineName, Precision
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import prepare_inputs
from kbnet.network.kbnet import KBNet

PLAIN = "plain"
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "bfloat16", "int8")


@dataclass(frozen=True)
class Contender:
    """Contender: one engine and precision that completes the frames of a case.

    Attributes:
        network: function from image in 0..1, sparse depth, validity, K and scaffold to depth, as KBNet.forward.
        complete: function from image (uint8), sparse depth and K to depth: the whole completion.
        difference: relative difference of its depth from eager float32: the largest; for int8 the mean.
    """

    engine: str
    precision: str
    network: Callable[..., Tensor]
    complete: Callable[[Tensor, Tensor, Tensor], Tensor]
    difference: float = math.nan


def contender(network: DepthNetwork, engine: EngineName, precision: Precision, device: torch.device) -> Contender:
    """Contender with an engine of this package.

    For int8, the calibration uses synthetic frames, which is sufficient for speed but not for accuracy.

    Raises:
        ModuleNotFoundError: the engine is not installed.
        KBNetError: the engine does not offer the precision on the device.
    """
    if (engine, precision, device.type) == ("openvino", "int8", "cpu"):
        preset = preset_for(network.config.max_depth)
        frames = [made_frame(320, 240, preset, seed) for seed in (1, 2, 3)]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "int8.xml"
            export_openvino(network, path, frames[:1], origin={}, calibration=frames)
            completer = DepthCompleter(path, engine=engine)
    else:
        completer = DepthCompleter(network, device=str(device), precision=precision, engine=engine)
    return Contender(engine, precision, completer.run_network, completer)


def plain_contender(network: DepthNetwork, device: torch.device) -> Contender | None:
    """Contender with the plain baseline, after this package's outlier rejection; None for other architectures."""
    if not isinstance(network, KBNet) or not is_published_architecture(network.config):
        return None
    plain = plain_network(network).to(device)

    def forward(image: Tensor, sparse_depth: Tensor, validity: Tensor, K: Tensor, scaffold: Tensor | None) -> Tensor:
        depth: Tensor = plain(image, sparse_depth, validity, K)
        return depth

    def complete(image: Tensor, sparse_depth: Tensor, intrinsics: Tensor) -> Tensor:
        return forward(*prepare_inputs(image.float() / 255, sparse_depth, intrinsics, network.config))

    return Contender(PLAIN, "float32", forward, complete)


def contenders(
    network: DepthNetwork,
    engines: Sequence[EngineName],
    precisions: Sequence[Precision],
    device: torch.device,
    leave_out: Callable[[str, Exception], None],
) -> Iterator[Contender]:
    """All contenders: the plain baseline if it fits the network, then every engine in every precision.

    Without requested precisions, every engine has all of its own. ``leave_out`` is called with the reason for a missing
    engine, and for a requested precision that is unavailable or needs another package.
    """
    if plain := plain_contender(network, device):
        yield plain
    for engine in engines:
        refused: dict[str, Exception] = {}
        for precision in precisions or PRECISIONS:
            try:
                yield contender(network, engine, precision, device)
            except (ModuleNotFoundError, KBNetError) as error:
                refused[f"{engine} {precision}"] = error
        if len(refused) == len(precisions or PRECISIONS):
            leave_out(engine, next(iter(refused.values())))
            continue
        for name, reason in refused.items():
            if precisions or isinstance(reason, ModuleNotFoundError):
                leave_out(name, reason)
