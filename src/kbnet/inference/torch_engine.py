"""Engine of torch: channels-last memory, cached rays of a fixed camera, CUDA graphs on a GPU."""

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
"""Held during the capture of a CUDA graph. cuDNN's search is set for the whole process, and a capture begins with a
synchronisation, which is an error during another capture."""


class TorchEngine:
    """Engine of torch; on a CUDA device with one captured graph for each of the last four sizes.

    Args:
        network: network; a copy is moved to the device and folded.
        precision: float32, bfloat16, or float16 on a CUDA device.
    """

    name = "torch"

    def __init__(self, network: DepthNetwork, device: torch.device, precision: str) -> None:
        ready: DepthNetwork = copy.deepcopy(network).eval().requires_grad_(False).fold().to(device, DTYPES[precision])
        # Channels-last convolutions are faster on CPU and GPU, with equal results.
        ready = ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.__setstate__((ready, device, precision))

    def __getstate__(self) -> tuple[DepthNetwork, torch.device, str]:
        """State for pickle, without graphs."""
        return self._network, self._device, self.precision

    def __setstate__(self, state: tuple[DepthNetwork, torch.device, str]) -> None:
        self._network, self._device, self.precision = state
        network, device = self._network, self._device
        self._rays = _CameraMemory(network)
        self._graphs: PerSize[_Key, _CapturedGraph] = PerSize(lambda key: _CapturedGraph(network, key.inputs(device)))

    def __call__(
        self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor, scaffold: Tensor | None = None
    ) -> Tensor:
        """Same as `KBNet.forward`; inputs can be on any device, depth is on that of ``image``."""
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
    """Cache of the network's ray terms while K and size do not change.

    Threads with one camera share it. Camera, size and terms are replaced as one tuple, so they are always consistent.
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
        """Input memory with an image, a depth and a camera for the warm-up."""
        one = torch.ones(self.batch, 1, self.height, self.width, device=device)
        image = _channels_last(one.repeat(1, 3, 1, 1))
        K = torch.eye(3, device=device).repeat(self.batch, 1, 1)
        return NetworkInputs(image, one, one.clone(), K, one.clone() if self.has_scaffold else None)


class _CapturedGraph:
    """CUDA graph of a network for one input size: one launch per frame instead of one per operator.

    The graph computes the rays, which costs less on a GPU than a comparison of cameras. All threads and CUDA streams
    share the memory of inputs and depth; one call uses it at a time.
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
                    for _ in range(3):  # cuDNN's search for the fastest kernels is impossible in a capture
                        network(*inputs)
                torch.cuda.current_stream().wait_stream(stream)
                self._graph = torch.cuda.CUDAGraph()
                # By default, other threads that compute with other graphs would end the capture.
                with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                    self._depth: Tensor = network(*inputs)
        finally:
            torch.backends.cudnn.benchmark = searches

    def __call__(self, image: Tensor, *others: Tensor | None) -> Tensor:
        """Depth on the device of ``image``, in new memory."""
        stream = torch.cuda.current_stream(self._depth.device)
        with self._lock:
            stream.wait_event(self._done)  # the previous call can be on another stream
            with torch.inference_mode():
                for memory, given in zip(self._inputs, (image, *others), strict=True):
                    if memory is not None and given is not None:
                        memory.record_stream(stream)  # not reused before this stream has finished
                        memory.copy_(given)
                self._graph.replay()
            depth = self._depth.to(image.device, copy=True)  # out of inference mode: a tensor like any other
            self._done.record(stream)
        return depth


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
