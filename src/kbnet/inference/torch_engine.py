"""The network in torch: channels-last, the viewing rays of a fixed camera kept, as CUDA graphs on a GPU."""

from __future__ import annotations

import copy
import threading
from typing import NamedTuple

import torch
from torch import Tensor

from kbnet.inference.per_size import PerSize
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.encoder import RayTerms
from kbnet.network.inputs import NetworkInputs

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_CAPTURING = threading.Lock()
"""Held while a CUDA graph is captured: cuDNN's search is switched for the whole process, and a capture begins with a
synchronisation of the device, which is an error beside another capture."""


class TorchEngine:
    """A `kbnet.inference.engine.Engine`: on a CUDA device one captured graph for each of the last four sizes.

    Args:
        network: any; a copy of it is moved and folded.
        device: where to compute.
        precision: float32, bfloat16, or on a CUDA device float16.
    """

    name = "torch"

    def __init__(self, network: DepthNetwork, device: torch.device, precision: str) -> None:
        ready: DepthNetwork = copy.deepcopy(network).eval().requires_grad_(False).fold().to(device, DTYPES[precision])
        # Convolutions over channels-last memory are faster on the CPU and on a GPU, with the same result.
        ready = ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.__setstate__((ready, device, precision))

    def __getstate__(self) -> tuple[DepthNetwork, torch.device, str]:
        """What pickle keeps: no graphs."""
        return self._network, self._device, self.precision

    def __setstate__(self, state: tuple[DepthNetwork, torch.device, str]) -> None:
        self._network, self._device, self.precision = state
        network, device = self._network, self._device
        self._rays = _CameraMemory(network)
        self._graphs: PerSize[_Key, _CapturedGraph] = PerSize(lambda key: _CapturedGraph(network, key.inputs(device)))

    def __call__(
        self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor, scaffold: Tensor | None = None
    ) -> Tensor:
        """As `KBNet.forward`; the inputs may be on any device, depth comes back on that of ``image``."""
        batch, _, height, width = image.shape
        inputs = NetworkInputs(image, sparse_depth, validity, intrinsics, scaffold)
        if self._device.type == "cuda":
            with torch.inference_mode():
                graph = self._graphs[_Key(batch, height, width, scaffold is not None)]
            return graph(*inputs)
        with torch.inference_mode():
            maps = [_channels_last(x.to(self._device)) for x in inputs[:3]]
            K = intrinsics.to(self._device)
            scaffold = None if scaffold is None else scaffold.to(self._device)
            depth: Tensor = self._network(*maps, K, scaffold, self._rays(K, image.shape[-2:]))
        return depth.to(image.device, copy=True)  # out of inference mode: a tensor like any other


class _CameraMemory:
    """What the network makes of the camera, for as long as neither K nor the size changes.

    Threads with one camera share it. Camera, size and terms are replaced as one tuple, so no thread sees those of two.
    """

    def __init__(self, network: DepthNetwork) -> None:
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

    def inputs(self, device: torch.device) -> NetworkInputs:
        """Memory for inputs; an image, a depth, a camera that a warm-up can compute with."""
        one = torch.ones(self.batch, 1, self.height, self.width, device=device)
        image = _channels_last(one.repeat(1, 3, 1, 1))
        K = torch.eye(3, device=device).repeat(self.batch, 1, 1)
        return NetworkInputs(image, one, one.clone(), K, one.clone() if self.has_scaffold else None)


class _CapturedGraph:
    """A network for one size of input, started by the CPU once a frame instead of once an operator.

    The rays are computed inside: on a GPU that costs less than asking whether the camera is still the same.
    The memory for inputs and depth is one for all threads and CUDA streams. Each call has it to itself.
    """

    def __init__(self, network: DepthNetwork, inputs: NetworkInputs) -> None:
        self._inputs = inputs
        self._lock = threading.Lock()
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with _CAPTURING:
            self._capture(network, inputs)

    def _capture(self, network: DepthNetwork, inputs: NetworkInputs) -> None:
        searches, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
        try:
            with torch.cuda.device(inputs[0].device):
                stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(stream):
                    for _ in range(3):  # lets cuDNN find its fastest kernels, which a capture cannot
                        network(*inputs)
                torch.cuda.current_stream().wait_stream(stream)
                self._graph = torch.cuda.CUDAGraph()
                # Other threads go on computing with other graphs, which by default would end the capture.
                with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                    self._depth: Tensor = network(*inputs)
        finally:
            torch.backends.cudnn.benchmark = searches

    def __call__(self, image: Tensor, *others: Tensor | None) -> Tensor:
        """Depth on the device of ``image``, in memory of the caller's own."""
        stream = torch.cuda.current_stream(self._depth.device)
        with self._lock:
            stream.wait_event(self._done)  # the call before may have been on another stream
            with torch.inference_mode():
                for memory, given in zip(self._inputs, (image, *others), strict=True):
                    if memory is not None and given is not None:
                        memory.record_stream(stream)  # not to be reused before this stream is done with it
                        memory.copy_(given)
                self._graph.replay()
            depth = self._depth.to(image.device, copy=True)  # out of inference mode: a tensor like any other
            self._done.record(stream)
        return depth


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
