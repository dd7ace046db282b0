"""The clock that waits for the GPU and takes turns, the machine's matrix-product rate, and what was measured on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

import torch

from kbnet.files import environment

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


def conditions(device: torch.device) -> dict[str, object]:
    """What a figure depends on besides the code: versions, device, threads, load, and how float32 is rounded.

    ``tf32_convolutions`` is torch's own default on a CUDA device: inputs of float32 convolutions keep 10 bits.
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
