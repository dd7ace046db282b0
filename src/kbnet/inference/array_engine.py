"""Base of the engines that compute on arrays: ordered inputs, and one graph for each size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from kbnet.errors import KBNetError
from kbnet.export.sizes import Sizes, cheapest, check_size
from kbnet.frame import FloatArray
from kbnet.inference.per_size import PerSize
from kbnet.network.inputs import NetworkInputs, input_names
from kbnet.network.siblings.config import NetworkConfig

Run = Callable[[dict[str, FloatArray]], FloatArray]
"""Function from ordered inputs by name to depth in its own memory; thread-safe."""

Graphs = Callable[[int, int], Any]
"""Function from height and width to an engine's graph that is exact for them."""


class InputSize(NamedTuple):
    """Input size of a graph. Constants of a size, such as the grid of rays, are computed once."""

    batch: int
    height: int
    width: int
    threads: int


class ArrayEngine(ABC):
    """Engine with one graph for each of the last four sizes, with torch's number of threads.

    Args:
        graphs: result of :func:`converted_graphs` or :func:`exported_graphs`.
    """

    name: str

    def __init__(self, config: NetworkConfig, precision: str, graphs: Graphs) -> None:
        self.config = config
        self.precision = precision
        self._names = input_names(config)
        self._runs: PerSize[InputSize, Run] = PerSize(lambda size: self._build(graphs(size.height, size.width), size))

    @abstractmethod
    def _build(self, graph: Any, size: InputSize) -> Run:
        """Prepare a graph for one size."""

    def __call__(
        self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor, scaffold: Tensor | None = None
    ) -> Tensor:
        """Same as `KBNet.forward`; depth is on the device of ``image``."""
        inputs = NetworkInputs(image, sparse_depth, validity, intrinsics, scaffold)
        given = {name: x for name in self._names if (x := getattr(inputs, name)) is not None}
        unwanted = scaffold is not None and "scaffold" not in self._names
        if len(given) != len(self._names) or unwanted:
            got = len(inputs.given())
            raise KBNetError(f"expected the inputs {', '.join(self._names)}, got {got} of them")
        arrays = {name: x.detach().float().cpu().contiguous().numpy() for name, x in given.items()}
        batch, _, height, width = image.shape
        run = self._runs[InputSize(batch, height, width, torch.get_num_threads())]
        return torch.from_numpy(run(arrays)).to(image.device)


def converted_graphs(convert: Callable[[Sizes], Any]) -> Graphs:
    """Graphs of a network in memory: the cheapest exact graph for each size, converted once."""
    converted = PerSize(convert, keep=len(get_args(Sizes)))
    return lambda height, width: converted[cheapest(height, width)]


def exported_graphs(graph: Any, sizes: Sizes, path: Path) -> Graphs:
    """Graph of a file, for the sizes for which it is exact."""

    def of(height: int, width: int) -> Any:
        check_size(height, width, sizes, path)
        return graph

    return of
