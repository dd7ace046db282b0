"""Peak memory of a completion, measured in a separate process."""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import torch

from kbnet.benchmark.contenders import PLAIN, contender, plain_contender
from kbnet.benchmark.inference import Case, RepeatedFrame
from kbnet.inference.engine import EngineName, Precision
from kbnet.network.kbnet import KBNet

CALLS = 2
"""Number of calls; the first can include initialisation."""


def peak_memory_mib(case: Case, engine: str, precision: str, device: torch.device) -> float | None:
    """Peak memory of a new process that completes the frames of a case, MiB; None if the process fails.

    On the CPU: all resident memory, with Python and the engine's libraries. On a CUDA device: torch's memory there. If
    the system supports it, the measurement starts after the engine is built.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(
        target=_complete_and_tell,
        args=(there, case, engine, precision, str(device), torch.get_num_threads()),
        daemon=True,
    )
    process.start()
    there.close()
    try:
        mib: float = here.recv()
        return mib
    except EOFError:
        return None
    finally:
        process.terminate()
        process.join()


def _complete_and_tell(
    connection: Connection, case: Case, engine: str, precision: str, device_name: str, threads: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent ends this one
    torch.set_num_threads(threads)
    device, network = torch.device(device_name), case.network()
    inputs = RepeatedFrame(case.frame(), case.batch, network.config, device)
    if engine == PLAIN:
        assert isinstance(network, KBNet), "the yardstick is a KBNet"
        entrant = plain_contender(network, device)
    else:
        entrant = contender(network, cast(EngineName, engine), cast(Precision, precision), device)
    with torch.no_grad():
        entrant.complete(*inputs.frame)
        _restart_count(device)
        for _ in range(CALLS):
            entrant.complete(*inputs.frame)
    connection.send(_peak_mib(device))


def _restart_count(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: reset the peak to the present value


def _peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
