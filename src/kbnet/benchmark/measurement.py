"""Time measurement with device synchronisation, rate of matrix products, and measurement conditions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

import torch

from kbnet.environment import environment

PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}
"""Size of the square matrices by kind of device."""


@dataclass
class Timed:
    """Work with its measured times, one per round."""

    work: Callable[[], object]
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median time, seconds."""
        return median(self.seconds)


def take_turns(timed: Sequence[Timed], device: torch.device, *, rounds: int, warmup: int) -> None:
    """Measure every work once per round, so that a slower machine affects all of them."""
    for number in range(warmup + rounds):
        for each in timed:
            seconds = seconds_taken(each.work, device)
            if number >= warmup:
                each.seconds.append(seconds)


def seconds_taken(work: Callable[[], object], device: torch.device) -> float:
    """Wall-clock time of ``work``, seconds, with the device synchronised before and after."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Synchronise with the device; on a CPU nothing happens."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_product(device: torch.device, dtype: torch.dtype) -> tuple[Timed, float]:
    """Product of two large square matrices for timing, and its GFLOP.

    On a CUDA device, float32 has the rounding of convolutions: TF32 unless it is switched off.
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


def conditions(device: torch.device) -> dict[str, object]:
    """Measurement conditions: versions, device, threads, load, and rounding of float32.

    ``tf32_convolutions`` is torch's default on a CUDA device: inputs of float32 convolutions have 10 bits.
    """
    known = environment()
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        **known,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else known["cpu"],
        "cuda": torch.version.cuda,
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "tf32_convolutions": device.type == "cuda" and torch.backends.cudnn.allow_tf32,
    }
