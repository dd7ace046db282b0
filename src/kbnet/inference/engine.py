"""Engines that run a network, their precisions, and the automatic choice."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import get_args

import torch

from kbnet.errors import KBNetError
from kbnet.inference import onnxruntime_engine, openvino_engine
from kbnet.inference.array_engine import ArrayEngine
from kbnet.inference.engine_names import EngineName, Precision
from kbnet.inference.torch_engine import TorchEngine
from kbnet.inference.weights_files import EXPORTED
from kbnet.network.depth_network import DepthNetwork

__all__ = ["TOLERANCE", "Engine", "EngineName", "Precision", "make_engine", "open_engine", "pick"]

TOLERANCE = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.1, "int8": 0.1}
"""Largest relative difference of depth from eager float32, by precision: at every pixel; for int8 the mean.

Measured on real frames with the former bundled weights: float32 6e-7, bfloat16 0.7 %; with random weights, which let
small differences grow, bfloat16 5.4 %. With random weights and depth up to 100 m it was 20 % at the worst pixel of
a frame.

On a CUDA device torch rounds the inputs of float32 convolutions to 10 bits, as everywhere (TF32); 1e-4 holds there with
``torch.backends.cudnn.allow_tf32 = False``.
"""

Engine = TorchEngine | ArrayEngine
"""A network that is ready to run: its ``name`` and ``precision``, never ``auto``, and a call as `KBNet.forward`, whose
result is float32 metres, (B, 1 or 2, H, W), on the device of ``image``."""


def make_engine(
    network: DepthNetwork, *, engine: EngineName = "auto", device: torch.device, precision: Precision = "auto"
) -> Engine:
    """Make an engine from a copy of a network.

    Args:
        network: network; not changed.
        engine: ``torch``; ``onnxruntime`` (float32) or ``openvino`` (on the CPU), which take seconds at the first
            frame of a size; or ``auto``: the fastest that is installed, see :func:`pick`.
        precision: ``auto`` for float32; ``float16`` on CUDA devices only.

    Raises:
        ModuleNotFoundError: the engine is not installed.
        KBNetError: the engine does not offer the precision on the device.
    """
    for value, kind in ((engine, EngineName), (precision, Precision)):
        if value not in get_args(kind):
            raise KBNetError(f"expected one of {', '.join(get_args(kind))}, got '{value}'")
    chosen = "float32" if precision == "auto" else precision
    if chosen == "int8":
        raise KBNetError("int8 needs frames to measure on: make a file (kbnet export --precision int8), and load that")
    name = pick(device, chosen) if engine == "auto" else engine
    if name == "openvino":
        if device.type != "cpu" or chosen not in ("float32", "bfloat16"):
            raise KBNetError(f"openvino offers float32 and bfloat16 on the CPU, got {chosen} on {device}")
        return openvino_engine.OpenVinoEngine(network, chosen)
    if name == "onnxruntime":
        if chosen != "float32":
            raise KBNetError(f"onnxruntime offers float32, got {chosen}; choose engine='torch' or 'openvino'")
        return onnxruntime_engine.OnnxRuntimeEngine(network, device)
    if chosen == "float16" and device.type != "cuda":
        raise KBNetError(f"float16 is for CUDA devices, got {device}; choose bfloat16 or float32")
    return TorchEngine(network, device, chosen)


def open_engine(
    path: Path, *, engine: EngineName = "auto", device: torch.device, precision: Precision = "auto"
) -> ArrayEngine:
    """Open an engine from a file of ``kbnet export``: ONNX Runtime for ``.onnx``, OpenVINO for ``.xml``, also int8.

    Raises:
        ModuleNotFoundError: the engine is not installed.
        FileNotFoundError: there is no such file.
        KBNetError: the file is not from kbnet, or does not match engine, device or precision.
    """
    if path.suffix not in EXPORTED:
        raise KBNetError(f"expected an exported file ({' or '.join(EXPORTED)}), got {path}; kbnet.load takes weights")
    name = EXPORTED[path.suffix]
    if engine not in ("auto", name):
        raise KBNetError(f"expected engine auto or {name} for {path}, got {engine}; other engines take the weights")
    if name == "onnxruntime":
        opened: ArrayEngine = onnxruntime_engine.OnnxRuntimeEngine(path, device)
    elif device.type != "cpu":
        raise KBNetError(f"OpenVINO computes on the CPU, got {device} for {path}; leave out the device")
    else:
        opened = openvino_engine.OpenVinoEngine(path, "bfloat16" if precision == "bfloat16" else "float32")
    if precision not in ("auto", opened.precision):
        raise KBNetError(f"expected precision auto or {opened.precision} for {path}, got {precision}")
    return opened


def pick(device: torch.device, precision: str) -> EngineName:
    """Fastest installed engine for a device and precision, by measurements of `kbnet benchmark`.

    On the CPU the order is OpenVINO, ONNX Runtime, torch, whose graph is not fused.
    """
    if device.type == "cpu" and precision in ("float32", "bfloat16") and openvino_engine.available():
        return "openvino"
    if device.type == "cpu" and precision == "float32" and onnxruntime_engine.available():
        return "onnxruntime"
    return "torch"


class OfProcess:
    """Base of what computes with the threads of its process."""

    _process = 0
    """Of the first call."""

    def __getstate__(self) -> bytes:
        """One piece, since multiprocessing would send a file descriptor for each tensor, and at most 250."""
        return pickle.dumps({**self.__dict__, "_process": 0})

    def __setstate__(self, state: bytes) -> None:
        self.__dict__.update(pickle.loads(state))

    def check_process(self, engine: str) -> None:
        """Refuse a process that was forked after the first call: it would wait for threads that it lacks, for ever.

        Raises:
            KBNetError: it was, and the engine needs threads.
        """
        self._process = self._process or os.getpid()
        if self._process != os.getpid() and (engine == "openvino" or torch.get_num_threads() > 1):
            remedy = "" if engine == "openvino" else ", or call torch.set_num_threads(1) in this one"
            raise KBNetError(
                "expected the process that used this completer first, got one forked from it, which lacks its "
                f"threads; start processes by multiprocessing.get_context('spawn'){remedy}"
            )
