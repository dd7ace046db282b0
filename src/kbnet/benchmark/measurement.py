"""The clock that waits for the GPU and takes turns, the machine's matrix-product rate, and what was measured on."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import torch

from kbnet.atomic import atomic_path

PACKAGES = ("kbnet", "torch", "onnxruntime", "openvino")
PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the square matrices that are multiplied, by kind of device."""


@dataclass
class Timed:
    """Some work and how long it took, round by round."""

    work: Callable[[], object]
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds."""
        return median(self.seconds)


def take_turns(timed: Sequence[Timed], device: torch.device, *, rounds: int, warmup: int) -> None:
    """Time every work once a round, so that a machine that slows down slows all of them.

    Args:
        timed: gets one more time each round.
        device: whose queue is empty when a time starts and when it ends.
        rounds: to time.
        warmup: rounds before those, not timed.
    """
    for number in range(warmup + rounds):
        for each in timed:
            seconds = seconds_taken(each.work, device)
            if number >= warmup:
                each.seconds.append(seconds)


def seconds_taken(work: Callable[[], object], device: torch.device) -> float:
    """Wall-clock seconds of ``work``, with the device's queue empty before it and after it."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_product(device: torch.device, dtype: torch.dtype) -> tuple[Timed, float]:
    """A product of two large square matrices, to be timed, and its GFLOP.

    On a CUDA device float32 is rounded as its convolutions round it: to TF32 unless that is switched off.
    """
    size = PRODUCT_SIZE.get(device.type, PRODUCT_SIZE["cpu"])
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
        try:
            torch.matmul(a, b)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    return Timed(multiply), 2 * size**3 / 1e9


def environment(device: torch.device) -> dict[str, object]:
    """What a figure depends on besides the code: versions, device, threads, load, and how float32 is rounded.

    ``tf32_convolutions`` is torch's own default on a CUDA device: inputs of float32 convolutions keep 10 bits.
    """
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "cuda": torch.version.cuda,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "tf32_convolutions": device.type == "cuda" and torch.backends.cudnn.allow_tf32,
    }


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write plain values; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name as Linux knows it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
