"""What the measuring commands share: a clock that waits for the GPU, what was measured on, tables and JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from kbnet.atomic import atomic_path

PIPED_WIDTH = 160
"""Columns a table may take where stdout is no terminal, so that nothing is cut off in a file."""


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


def environment(device: torch.device) -> dict[str, object]:
    """What a figure depends on besides the code: versions, device, threads, and how float32 is rounded.

    ``tf32_convolutions`` is torch's own default on a CUDA device: inputs of float32 convolutions keep 10 bits.
    """
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in ("kbnet", "torch")}},
        "cuda": torch.version.cuda,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "tf32_convolutions": device.type == "cuda" and torch.backends.cudnn.allow_tf32,
    }


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write plain values; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
    """Print a table whose first ``words`` columns hold words and the others figures."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < words else "right")
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=PIPED_WIDTH)).print(table)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """The processor's name as Linux knows it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
