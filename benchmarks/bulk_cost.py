"""``python benchmarks/bulk_cost.py``: what a frame costs in bulk completion, and how that grows with the workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import tyro
from command import check_at_least, start

from kbnet.environment import environment
from kbnet.errors import KBNetError
from kbnet.frame import Completer, FloatArray, Frame
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.sequence import Sequence
from kbnet.inference.completer import DepthCompleter, open_weights
from kbnet.inference.engine_names import EngineName
from kbnet.inference.output_folder import OutputFolder
from kbnet.inference.workers import Workers, complete_many

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Command:
    """Complete the frames of a sequence alone, step by step, then with each number of workers in turn.

    Prints a table of each. Workers have one thread each.
    """

    sequence: tyro.conf.Positional[Path]
    """Sequence folder; at least 24 frames, or workers are told from their start only."""
    weights: str = "indoor"
    """What to complete with, as kbnet complete takes it."""
    engine: EngineName = "auto"
    """What computes."""
    workers: tuple[int, ...] = (1, 2)
    """Numbers of workers to compare."""
    rounds: int = 2
    """How often each number takes its turn."""

    def run(self) -> None:
        """Measure and print."""
        check_at_least(self, workers=1, rounds=1)
        known = environment()
        print(f"{known['cpu']}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
        sequence = Sequence(self.sequence)
        make = partial(DepthCompleter, open_weights(self.weights), device="cpu", engine=self.engine)
        print(f"{len(sequence)} frames of {sequence.name}, weights {self.weights}, engine {make().engine}\n")
        for what, amount in alone(sequence, make).items():
            print(f"| {what} | {amount} |")
        print("\n| workers | wall-clock a frame | first frame after | processor time a frame | memory of each | load |")
        print("|---|---|---|---|---|---|")
        for _ in range(self.rounds):
            for count in self.workers:
                print(f"| {count} | {' | '.join(together(sequence, make, count))} |", flush=True)


def alone(sequence: Sequence, make: Callable[[], Completer]) -> dict[str, str]:
    """Medians over the frames, in this process with one thread."""
    import torch

    torch.set_num_threads(1)
    completer = make()
    seconds: dict[str, list[float]] = {"read": [], "complete": [], "write": []}
    with TemporaryDirectory() as folder:
        for index, name in enumerate(sequence.names):
            times = [time.perf_counter()]
            frame = sequence.frame(index)
            times.append(time.perf_counter())
            depth = completer(frame)
            times.append(time.perf_counter())
            write_depth_png(Path(folder) / f"{name}.png", depth)
            times.append(time.perf_counter())
            for step, (begin, end) in zip(seconds, pairwise(times), strict=True):
                seconds[step].append(end - begin)
        written = [path.stat().st_size for path in Path(folder).iterdir()]
    read = [path.stat().st_size for name in ("image", "sparse_depth") for path in (sequence.folder / name).iterdir()]
    milliseconds = {step: f"{1000 * median(times[1:] or times):.0f} ms" for step, times in seconds.items()}
    return {
        "read and decode the frame": milliseconds["read"],
        "complete it, 1 thread": milliseconds["complete"],
        "encode and write the depth map": milliseconds["write"],
        "bytes read": f"{sum(read) / len(sequence) / 1000:.1f} kB",
        "bytes written": f"{sum(written) / len(sequence) / 1000:.1f} kB",
    }


def together(sequence: Sequence, make: Callable[[], Completer], count: int) -> list[str]:
    """Cells of a row for a number of workers; times of the files, without the first and last of each worker."""
    with TemporaryDirectory() as folder:
        diary, load, began = Path(folder) / "usage", os.getloadavg()[0], time.time()
        diary.mkdir()
        output = OutputFolder(Path(folder) / "out", sequence)
        outcome = complete_many([output], partial(noting, make, diary), Workers(count))
        if outcome.errors:
            raise KBNetError(f"expected frames that can be completed, got {next(iter(outcome.errors.items()))}")
        done = sorted(path.stat().st_mtime for path in (output.folder / "depth").rglob("*.png"))
        usage = [list(map(float, path.read_text(encoding="ascii").split())) for path in diary.iterdir()]
    kept = done[count : len(done) - count]
    processor, *memory = zip(*usage, strict=True)
    return [
        f"{1000 * (kept[-1] - kept[0]) / (len(kept) - 1):.0f} ms" if len(kept) > 1 else "-",
        f"{done[0] - began:.0f} s",
        f"{sum(processor) / len(done):.2f} s",
        ", ".join(
            f"{max(each) / MEBIBYTE:.0f} MiB {what}" for each, what in zip(memory, ("in all", "own"), strict=True)
        ),
        f"{load:.1f}",
    ]


def noting(make: Callable[[], Completer], diary: Path) -> Completer:
    """A completer that keeps a file of its process: seconds of processor time; bytes resident, and of them its own."""
    completer = make()

    def complete(frame: Frame) -> FloatArray:
        depth = completer(frame)
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
        own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        text = f"{time.process_time()} {1024 * kilobytes['Rss']} {1024 * own}"
        (diary / str(os.getpid())).write_text(text, encoding="ascii")
        return depth

    return complete


if __name__ == "__main__":
    start(Command)
