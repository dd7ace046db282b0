"""``python benchmarks/published_timing.py``: time of a network as the published scripts measure it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from command import check_at_least, start

from kbnet.cli.arguments import Device, OptionalPreset, SeveralWeights, Sources
from kbnet.cli.error_table import new_table, show_table
from kbnet.cli.evaluate import distinct_names
from kbnet.errors import KBNetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from kbnet.frame import Frame
    from kbnet.inference.completer import DepthCompleter


@dataclass(frozen=True, kw_only=True)
class Command:
    """Time the network's forward call alone, without waiting for the device, first frame included.

    On a GPU this is the time to queue the work, not to do it. It can be compared with published times only;
    ``kbnet evaluate`` and ``kbnet benchmark`` wait for the device.
    """

    sources: Sources
    """Sequence folders and .csv lists of frames."""
    weights: SeveralWeights = ("indoor",)
    """Bundled or local weights by name, .safetensors files, or published .pth (with --preset)."""
    sparse_depth: str = "sparse_depth"
    """Folder of sparse depth in each sequence, or column of lists."""
    preset: OptionalPreset = None
    """Architecture of a published .pth."""
    every: int = 1
    """Time every Nth frame."""
    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""

    def run(self) -> None:
        """Time every network on every source and print the table."""
        import kbnet
        from kbnet.frames.open import open_frames

        check_at_least(self, every=1)
        if not self.sources:
            raise KBNetError("expected at least one sequence or list, got none; see --help")
        table = new_table(("sequence", "weights"), ("frames", "ms/frame"))
        for name, path in distinct_names(self.sources).items():
            source = open_frames(path, sparse_depth=self.sparse_depth)
            for weights in self.weights:
                preset = self.preset if Path(weights).suffix == ".pth" else None
                completer = kbnet.load(weights, preset=preset, device=self.device, engine="torch")
                seconds = forward_seconds(completer, (source.frame(i) for i in range(0, len(source), self.every)))
                table.add_row(name, weights, str(len(seconds)), f"{1000 * sum(seconds) / len(seconds):.2f}")
        show_table(table, ["time: the network's forward call alone, device not waited for, first frame included"], None)


def forward_seconds(completer: DepthCompleter, frames: Iterable[Frame]) -> list[float]:
    """Complete every frame; seconds of each forward call, without waiting for the device."""
    run, seconds = completer.run_network, list[float]()

    def timed(*inputs: Tensor | None) -> Tensor:
        started = time.perf_counter()
        depth = run(*inputs)
        seconds.append(time.perf_counter() - started)
        return depth

    completer.run_network = timed
    for frame in frames:
        completer(frame.image, frame.sparse_depth, frame.intrinsics)
    completer.run_network = run
    return seconds


if __name__ == "__main__":
    start(Command)
