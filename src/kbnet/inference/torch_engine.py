"""The network in torch: channels-last, the viewing rays of a fixed camera kept, compiled or not, as CUDA graphs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from kbnet.inference.per_size import PerSize
from kbnet.network.encoder import RayTerms
from kbnet.network.kbnet import KBNet

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

Inputs: TypeAlias = "tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]"
"""As `KBNet.forward` takes them, without ray terms."""


class TorchEngine:
    """A `kbnet.inference.engine.Engine`: on a CUDA device one captured graph for each of the last four sizes.

    Args:
        network: any; a copy of it is moved and folded.
        device: where to compute.
        precision: float32, bfloat16, or on a CUDA device float16.
        compiled: by ``torch.compile``, anew for each size, as far as torch's limit of recompilations goes.
    """

    def __init__(self, network: KBNet, device: torch.device, precision: str, *, compiled: bool = False) -> None:
        self.name = "compiled" if compiled else "torch"
        self.precision = precision
        self._device = device
        ready: KBNet = copy.deepcopy(network).eval().requires_grad_(False).fold().to(device, DTYPES[precision])
        # Convolutions over channels-last memory are faster on the CPU and on a GPU, with the same result.
        self._network: KBNet = ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._run: Callable[..., Tensor] = _compile(self._network, device) if compiled else self._network
        self._rays = _CameraMemory(self._network)
        self._graphs: PerSize[_Key, _CapturedGraph] = PerSize(lambda key: _CapturedGraph(self._run, key.inputs(device)))

    def __call__(
        self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor, scaffold: Tensor | None = None
    ) -> Tensor:
        """As `KBNet.forward`; the inputs may be on any device, depth comes back on that of ``image``."""
        batch, _, height, width = image.shape
        inputs: Inputs = (image, sparse_depth, validity, intrinsics, scaffold)
        with torch.inference_mode():
            if self._device.type == "cuda":
                depth = self._graphs[_Key(batch, height, width, scaffold is not None)](*inputs)
            else:
                maps = [_channels_last(x.to(self._device)) for x in inputs[:3]]
                K = intrinsics.to(self._device)
                scaffold = None if scaffold is None else scaffold.to(self._device)
                depth = self._run(*maps, K, scaffold, self._rays(K, image.shape[-2:]))
        # Out of inference mode, and out of the graph's memory: a tensor like any other, and the caller's own.
        return depth.to(image.device, copy=True)


class _CameraMemory:
    """What the network makes of the camera, for as long as neither K nor the size changes."""

    def __init__(self, network: KBNet) -> None:
        self._network = network
        self._known: tuple[Tensor, torch.Size, RayTerms] | None = None

    def __call__(self, intrinsics: Tensor, size: torch.Size) -> RayTerms:
        known = self._known
        if known is None or known[1] != size or not torch.equal(known[0], intrinsics):
            terms = self._network.ray_terms(intrinsics, size)
            known = self._known = (intrinsics.clone(), size, [(_channels_last(a), _channels_last(b)) for a, b in terms])
        return known[2]


class _Key(NamedTuple):
    batch: int
    height: int
    width: int
    has_scaffold: bool

    def inputs(self, device: torch.device) -> Inputs:
        """Memory for inputs; an image, a depth, a camera that a warm-up can compute with."""
        one = torch.ones(self.batch, 1, self.height, self.width, device=device)
        image = _channels_last(one.repeat(1, 3, 1, 1))
        K = torch.eye(3, device=device).repeat(self.batch, 1, 1)
        return image, one, one.clone(), K, one.clone() if self.has_scaffold else None


class _CapturedGraph:
    """A network for one size of input, started by the CPU once a frame instead of once an operator.

    The rays are computed inside: on a GPU that costs less than asking whether the camera is still the same.
    """

    def __init__(self, network: Callable[..., Tensor], inputs: Inputs) -> None:
        self._inputs = inputs
        searches, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
        try:
            with torch.cuda.device(inputs[0].device):
                stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(stream):
                    for _ in range(3):  # compiles, and lets cuDNN find its fastest kernels, which a capture cannot
                        network(*inputs)
                torch.cuda.current_stream().wait_stream(stream)
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph):
                    self._depth = network(*inputs)
        finally:
            torch.backends.cudnn.benchmark = searches

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        """Depth, in memory that the next call overwrites."""
        for memory, given in zip(self._inputs, inputs, strict=True):
            if memory is not None and given is not None:
                memory.copy_(given)
        self._graph.replay()
        return self._depth


def _compile(network: KBNet, device: torch.device) -> Callable[..., Tensor]:
    compiled: Callable[..., Tensor] = torch.compile(network)
    if device.type != "cpu":
        return compiled

    def frozen(*inputs: Tensor | RayTerms | None) -> Tensor:
        # Weights become constants in the layout the convolutions want, with activations fused into them. Read when the
        # network is traced, which is why it is no option of torch.compile.
        with torch._inductor.config.patch(freezing=True):
            return compiled(*inputs)

    return frozen


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
