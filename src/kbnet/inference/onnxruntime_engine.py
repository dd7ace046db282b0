"""The network in ONNX Runtime, float32, on the CPU or a CUDA device."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kbnet.export.description import input_names
from kbnet.export.onnx import Sizes, onnx_model
from kbnet.inference.per_size import PerSize
from kbnet.network.kbnet import KBNet


def available() -> bool:
    """Whether what the engine needs is installed."""
    return find_spec("onnxruntime") is not None and find_spec("onnx") is not None


class _Key(NamedTuple):
    batch: int
    height: int
    width: int
    threads: int


class OnnxRuntimeEngine:
    """A `kbnet.inference.engine.Engine`: one session for each of the last four sizes, with torch's number of threads.

    Args:
        network: any; converted in memory.
        device: the CPU, or a CUDA device, for which the package onnxruntime-gpu must be installed.

    Raises:
        ModuleNotFoundError: onnx or onnxruntime is not installed.
        ValueError: the device is not one that the installed ONNX Runtime computes on, or it lacks an operator.
    """

    name = "onnxruntime"
    precision = "float32"
    precision = "float32"

    def __init__(self, network: KBNet, device: torch.device) -> None:
        if not available():
            raise ModuleNotFoundError("engine onnxruntime is not installed: pip install 'kbnet[export]'")
        self._device = device
        self._providers = _providers(device)
        self._names = input_names(network.config)
        convert = cache(lambda sizes: onnx_model(network, sizes=sizes))
        self._sessions: PerSize[_Key, Any] = PerSize(lambda key: self._session(convert(sizes_of(key[1:3])), key))

    def __call__(
        self, image: Tensor, sparse_depth: Tensor, validity: Tensor, intrinsics: Tensor, scaffold: Tensor | None = None
    ) -> Tensor:
        """As `KBNet.forward`; depth comes back on the device of ``image``."""
        batch, _, height, width = image.shape
        session = self._sessions[_Key(batch, height, width, torch.get_num_threads())]
        given = [image, sparse_depth, validity, intrinsics, *([] if scaffold is None else [scaffold])]
        if len(given) != len(self._names):
            raise ValueError(f"expected the inputs {', '.join(self._names)}, got {len(given)} of them")
        feeds = {name: x.detach().float().cpu().numpy() for name, x in zip(self._names, given, strict=True)}
        return torch.from_numpy(session.run(None, feeds)[0]).to(image.device)

    def _session(self, model: bytes, key: _Key) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = key.threads
        options.log_severity_level = 3  # no remarks on its own optimisations
        # What follows from a fixed size, such as the viewing rays' grid, is then computed once.
        for name in ("batch", "height", "width"):
            options.add_free_dimension_override_by_name(name, getattr(key, name))
        try:
            return onnxruntime.InferenceSession(model, options, providers=self._providers)
        except Exception as error:  # its errors have no common class of their own
            raise ValueError(
                f"ONNX Runtime {onnxruntime.__version__} cannot build the network for {key.width}x{key.height} "
                f"({str(error).splitlines()[0]}); choose engine='torch'"
            ) from error


def sizes_of(size: tuple[int, ...]) -> Sizes:
    """Which graph is exact for an image of (height, width) pixels, and the cheaper one where both are."""
    return "any" if any(length % 32 for length in size) else "multiples of 32"


def _providers(device: torch.device) -> list[Any]:
    import onnxruntime

    if device.type == "cpu":
        return ["CPUExecutionProvider"]
    if device.type != "cuda" or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ValueError(
            f"the installed onnxruntime does not compute on {device}; install onnxruntime-gpu, or choose engine='torch'"
        )
    return [("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0}), "CPUExecutionProvider"]
