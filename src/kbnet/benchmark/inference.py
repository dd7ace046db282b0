"""Time of completing a frame: every engine and precision and the plain baseline, in turn."""

from __future__ import annotations

import functools
import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from kbnet.benchmark.contenders import PLAIN, Contender, contender, plain_contender
from kbnet.benchmark.made_frame import made_frame
from kbnet.benchmark.measurement import Timed, matrix_product, take_turns
from kbnet.benchmark.plain_kbnet import PlainKBNet, is_published_architecture
from kbnet.errors import KBNetError
from kbnet.frame import Frame
from kbnet.inference.engine import TOLERANCE, EngineName, Precision
from kbnet.network.config import KBNetConfig
from kbnet.network.depth_network import DepthNetwork
from kbnet.network.inputs import frame_tensors, working_inputs
from kbnet.network.kbnet import KBNet
from kbnet.network.siblings.config import NetworkConfig
from kbnet.network.working_size import enlarged_batch, enlargement
from kbnet.weights.depth_network import load_network

FRESH = "fresh"
KITTI_SIZE = (1216, 352)
RATES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Precisions of the timed matrix products; 8-bit convolutions are compared with the 16-bit rate."""
CALLS = 2
"""Number of calls; the first can include initialisation."""


@dataclass(frozen=True)
class Case:
    """Benchmark case.

    Attributes:
        weights: an argument of `kbnet.load`, or ``fresh`` for random weights.
        width, height: size of the frame, pixels.
    """

    weights: str
    width: int
    height: int
    batch: int = 1

    def __str__(self) -> str:
        return f"{self.weights} {self.width}x{self.height}, batch {self.batch}"

    @property
    def preset(self) -> str:
        """Preset: KITTI's for a frame of KITTI's size, else VOID's."""
        return "kitti" if (self.width, self.height) == KITTI_SIZE else "void"

    def network(self) -> DepthNetwork:
        """Network of the weights, or the published network of the preset with random weights (Kaiming)."""
        if self.weights != FRESH:
            return load_network(self.weights)
        torch.manual_seed(0)
        return KBNet(KBNetConfig.preset(self.preset, weight_init="kaiming")).eval()

    def frame(self) -> Frame:
        return made_frame(self.width, self.height, self.preset)


class RepeatedFrame:
    """Frame as tensors on a device, repeated ``batch`` times, for the whole completion and for the network."""

    def __init__(self, frame: Frame, batch: int, config: NetworkConfig, device: torch.device) -> None:
        one = frame_tensors(frame.image, frame.sparse_depth, frame.intrinsics)
        image, sparse_depth, intrinsics = (x.repeat(batch, *[1] * (x.ndim - 1)).to(device) for x in one)
        self.frame = (image, sparse_depth, intrinsics)
        times = enlargement((frame.size[0], frame.size[1]), config.working_side)
        self.network, _ = working_inputs(*enlarged_batch(image, sparse_depth, intrinsics, times), config)


class CaseTimes:
    """Times of all contenders of one case, also of an interrupted measurement.

    Args:
        leave_out: called with a contender that cannot complete the case, and the reason.
    """

    def __init__(
        self,
        case: Case,
        network: DepthNetwork,
        entrants: Sequence[Contender],
        device: torch.device,
        leave_out: Callable[[str, Exception], None],
    ) -> None:
        self.case, self.device = case, device
        inputs = RepeatedFrame(case.frame(), case.batch, network.config, device)
        reference = eager_float32(network, inputs)
        self.entrants: list[Contender] = []
        for each in entrants:
            try:
                # A copy, because an engine is used for other cases too.
                self.entrants.append(replace(each, difference=_difference(each, inputs, reference)))
            except (KBNetError, RuntimeError) as error:
                leave_out(f"{each.engine} {each.precision} of {case}", error)
        self.networks = [Timed(functools.partial(each.network, *inputs.network)) for each in self.entrants]
        self.frames = [Timed(functools.partial(each.complete, *inputs.frame)) for each in self.entrants]
        self.products = {name: matrix_product(device, dtype) for name, dtype in RATES.items()}
        self.gflop = published_gflop(case) if is_published_architecture(network.config) else None
        self.memory_mib: list[float | None] = [None] * len(self.entrants)

    def measure(self, rounds: int, warmup: int) -> None:
        """Measure all contenders in turn; after an interruption, the times so far are kept."""
        turns = [*(timed for timed, _ in self.products.values()), *self.networks, *self.frames]
        with torch.no_grad(), _quiet():
            take_turns(turns, self.device, rounds=rounds, warmup=warmup)

    def rates(self) -> dict[str, float]:
        """Rate of matrix products by precision, GFLOP/s; empty before the first round."""
        return {name: gflop / timed.median for name, (timed, gflop) in self.products.items() if timed.seconds}

    def rows(self) -> list[dict[str, Any]]:
        """One row of plain values for each contender with at least one time."""
        done = zip(self.entrants, self.networks, self.frames, self.memory_mib, strict=True)
        return [self._row(*each) for each in done if each[2].seconds]

    def _row(self, entrant: Contender, network: Timed, frame: Timed, memory: float | None) -> dict[str, Any]:
        plain = self.networks[0].median if self.entrants[0].engine == PLAIN else None
        rate = self.rates()["float32" if entrant.precision == "float32" else "bfloat16"]
        speed = None if self.gflop is None else self.gflop / network.median
        deciles = quantiles(network.seconds, n=10, method="inclusive") if len(network.seconds) > 1 else network.seconds
        return {
            "weights": self.case.weights,
            "size": f"{self.case.width}x{self.case.height}",
            "batch": self.case.batch,
            "engine": entrant.engine,
            "precision": entrant.precision,
            "network_ms": 1000 * network.median,
            "network_ms_first_decile": 1000 * deciles[0],
            "network_ms_last_decile": 1000 * deciles[-1],
            "frame_ms": 1000 * frame.median,
            "frames_per_second": self.case.batch / frame.median,
            "times_plain": None if plain is None else plain / network.median,
            "gflop_per_second": speed,
            "share_of_matrix_rate": None if speed is None else speed / rate,
            "memory_mib": memory,
            "difference": entrant.difference,
            "tolerance": tolerance(entrant),
            "rounds": len(frame.seconds),
        }


def tolerance(entrant: Contender) -> float | None:
    """Tolerance of :attr:`Contender.difference` for the contender's precision; None for the plain baseline."""
    return None if entrant.engine == PLAIN else TOLERANCE.get(entrant.precision)


@torch.no_grad()
def eager_float32(network: DepthNetwork, inputs: RepeatedFrame) -> Tensor:
    """Reference depth: plain baseline, else the network in eager float32, without TF32."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        device = inputs.frame[0].device
        plain = plain_contender(network, device)
        depth: Tensor = (plain.network if plain else network.to(device))(*inputs.network)
    return depth


@torch.no_grad()
def _difference(entrant: Contender, inputs: RepeatedFrame, reference: Tensor) -> float:
    with _quiet():
        depth = entrant.network(*inputs.network)
    difference = (depth / reference - 1).abs()
    if not torch.isfinite(difference).all():
        raise KBNetError("its depth is not finite")
    return float(difference.mean() if entrant.precision == "int8" else difference.max())


@functools.cache
def _gflop_of(width: int, height: int, preset: str) -> float:
    plain = PlainKBNet(KBNetConfig.preset(preset)).to("meta")
    image, depth = torch.empty(1, 3, height, width, device="meta"), torch.empty(1, 1, height, width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain(image, depth, depth, torch.empty(1, 3, 3, device="meta"))
    return float(counter.get_total_flops() / 1e9)


def published_gflop(case: Case) -> float:
    """GFLOP of the published network on the frames of a case: two per multiplication in its convolutions.

    >>> round(published_gflop(Case("fresh", 640, 480)), 1)
    72.3
    """
    return case.batch * _gflop_of(case.width, case.height, case.preset)


@contextmanager
def _quiet() -> Iterator[None]:
    """Context without warnings, because tracing engines emit many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
        entrant = plain_contender(network, device)
    else:
        entrant = contender(network, cast(EngineName, engine), cast(Precision, precision), device)
    assert entrant is not None, "the yardstick is a KBNet"
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
