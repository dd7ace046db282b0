"""``python benchmarks/same_result.py --sequences SEQUENCE ...``: what may differ between two ways to complete a frame.

Each way is compared with frames one by one in torch on one thread: the largest and the mean relative difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro
from command import check_at_least, start

from kbnet.cli.error_table import new_table, show_table
from kbnet.errors import KBNetError
from kbnet.inference.engine_names import EngineName

if TYPE_CHECKING:
    from kbnet.frame import FloatArray, Frame
    from kbnet.inference.completer import DepthCompleter

ENGINES: tuple[EngineName, ...] = ("onnxruntime", "openvino")
Depths = list["FloatArray"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Compare batches, threads and engines with frames that torch completes one by one on one thread."""

    sequences: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="SEQUENCE ...", help_behavior_hint="(required)")]
    """Sequence folders, or lists of frames; the frames of each have one size."""
    sparse_depth: str = "sparse_depth"
    """Folder of sparse depth in the sequence, or column of the list."""
    weights: str = "indoor"
    """Bundled or local weights by name, or a .safetensors file."""
    frames: int = 4
    """Frames of each sequence, at even distances."""
    batches: tuple[int, ...] = (4,)
    """Frames that are completed together."""
    threads: tuple[int, ...] = (2,)
    """Threads of torch."""

    def run(self) -> None:
        """Complete in every way, and print the differences."""
        import torch

        import kbnet

        if not self.sequences:
            raise KBNetError("expected --sequences to complete; see --help")
        check_at_least(self, frames=1, batches=1, threads=1)
        chosen = list(map(self._frames, self.sequences))
        torch.set_num_threads(1)
        completer = kbnet.load(self.weights, engine="torch", device="cpu", precision="float32")
        reference = _complete(chosen, partial(_one_by_one, completer))
        table = new_table(("compared with frames one by one",), ("largest", "mean"))

        def add(name: str, complete: Callable[[list[Frame]], Depths]) -> None:
            depths = _complete(chosen, complete)
            difference = [np.abs(one / other - 1) for one, other in zip(depths, reference, strict=True)]
            largest, mean = max(map(np.max, difference)), np.mean([np.mean(one) for one in difference])
            table.add_row(name, f"{largest:.1e}", f"{mean:.1e}")

        for size in self.batches:
            add(f"batches of {size}", partial(_in_batches, completer, size))
        for threads in self.threads:
            torch.set_num_threads(threads)
            add(f"{threads} threads", partial(_one_by_one, completer))
        torch.set_num_threads(1)
        for engine in ENGINES:
            other = kbnet.load(self.weights, engine=engine, device="cpu", precision="float32")
            add(engine, partial(_one_by_one, other))
        show_table(table, [f"relative difference of depth, {self.weights}, {len(reference)} frames, float32"], None)

    def _frames(self, path: Path) -> list[Frame]:
        from kbnet.frames.open import open_frames

        source = open_frames(path, sparse_depth=self.sparse_depth)
        indices = np.rint(np.linspace(0, len(source) - 1, min(self.frames, len(source)))).astype(int)
        return [source.frame(int(index)) for index in indices]


def _complete(chosen: list[list[Frame]], complete: Callable[[list[Frame]], Depths]) -> Depths:
    return [depth for frames in chosen for depth in complete(frames)]


def _one_by_one(completer: DepthCompleter, frames: list[Frame]) -> Depths:
    return [completer(frame) for frame in frames]


def _in_batches(completer: DepthCompleter, size: int, frames: list[Frame]) -> Depths:
    import torch

    depths: Depths = []
    for begin in range(0, len(frames), size):
        part = frames[begin : begin + size]
        image = torch.from_numpy(np.stack([frame.image.transpose(2, 0, 1) for frame in part]))
        sparse = torch.from_numpy(np.stack([frame.sparse_depth[None] for frame in part]))
        K = torch.from_numpy(np.stack([frame.intrinsics for frame in part]))
        depths += list(completer(image, sparse, K)[:, 0].numpy())
    return depths


if __name__ == "__main__":
    start(Command)
