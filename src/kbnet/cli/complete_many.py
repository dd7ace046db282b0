"""``kbnet complete-many``: dense depth of many sequences, on all cores or several machines."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from kbnet.cli.arguments import Device, Folder, OptionalPreset, Sources, SparseDepth, Weights
from kbnet.errors import KBNetError
from kbnet.inference.engine_names import EngineName, Precision

if TYPE_CHECKING:
    from kbnet.frames.frame_source import FrameSource
    from kbnet.inference.depth_origin import Origin
    from kbnet.inference.workers import Outcome


@dataclass(frozen=True, kw_only=True)
class Command:
    """Complete many sequences and lists to dense depth, in several processes, on one machine or more.

    Example:  kbnet complete-many data/rooms/* --output OUT

    Depth is written to OUT/<source>/depth/<name>.png, as kbnet complete writes it to the folder OUT/<source>. Frames
    whose files exist are skipped: a run that was cut off goes on when it is started again. A frame that cannot be
    completed stops no other; such frames are counted at the end, with the exit code 2.
    """

    sources: Sources
    """Sequence folders, or .csv lists of frames; each of another name."""
    output: Folder
    """Folder for the results."""
    sparse_depth: SparseDepth = None
    """Folder in every sequence, or column of every list (default: sparse_depth)."""
    weights: Weights = "indoor"
    """Bundled or local weights by name (kbnet weights list), a .safetensors file, a published .pth (with --preset), or
    an exported .onnx or .xml (kbnet export), which every machine finds under the same path."""
    preset: OptionalPreset = None
    """Architecture of a published .pth."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")] = None
    """Processes that complete frames (default: as many as there is room for)."""
    threads: int = 1
    """Threads of each."""
    gpus: float = 0.0
    """GPUs of each; 0.25 lets four share one."""
    address: Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT|auto", help_behavior_hint="")] = None
    """A running Ray cluster whose machines see the same files; else one is started here for this run."""
    device: Device = "auto"
    """Where each computes: auto, cpu, cuda."""
    precision: Precision = "auto"
    """Number format of the network's convolutions; auto is float32, or that of an exported file, such as int8."""
    engine: EngineName = "auto"
    """What computes; auto is the fastest that is installed, or that of an exported file."""

    def run(self) -> None:
        """Complete what is not done yet."""
        from kbnet.cli.progress import frame_progress
        from kbnet.frames.open import open_prepared
        from kbnet.inference.completer import DepthCompleter, open_weights
        from kbnet.inference.depth_origin import network_origin
        from kbnet.inference.workers import Workers, check_distinct, complete_many

        if not self.sources:
            raise KBNetError("expected at least one sequence folder or list, got none; see kbnet complete-many --help")
        sources = [open_prepared(path, sparse_depth=self.sparse_depth or "sparse_depth") for path in self.sources]
        network = open_weights(self.weights, preset=self.preset)
        device = "cpu" if self.device == "auto" and not self.gpus else self.device  # Ray hides GPUs nobody asked for
        make = partial(DepthCompleter, network, device=device, precision=self.precision, engine=self.engine)
        workers = Workers(self.workers, self.threads, self.gpus, self.address)
        check_distinct(sources)
        if not self.gpus:
            make()  # what does not fit is told here, before a worker starts
        origin = network_origin(self.weights, preset=self.preset, precision=self.precision)
        for source in sources:
            self._check_origin(source, origin)
        with frame_progress() as progress:
            bar = progress.add_task("completing", total=None)

            def show(outcome: Outcome) -> None:
                done = outcome.completed + len(outcome.errors)
                progress.update(bar, completed=done, total=outcome.frames - outcome.skipped)

            outcome = complete_many(sources, self.output, make, workers, on_frame=show)
        _tell(outcome, self.output)

    def _check_origin(self, source: FrameSource, network: Origin) -> None:
        """Record what the depth of a source is made with; depth that something else made must not lie beside it."""
        from kbnet.inference.depth_origin import depth_origin, record_origin

        folder = self.output / source.name
        frames = {name: partial(source.frame, index) for index, name in enumerate(source.names)}
        origin, misfit = depth_origin(folder, frames, network)
        if misfit:
            raise KBNetError(f"{folder / 'depth'} holds depth {misfit}; choose another --output")
        record_origin(folder, origin)


def _tell(outcome: Outcome, output: Path) -> None:
    for text, frames in outcome.warnings.items():
        warnings.warn(f"{text} ({len(frames)} frames, first {frames[0]})", stacklevel=2)
    skipped = f"; skipped {outcome.skipped} that were done" if outcome.skipped else ""
    print(f"completed {outcome.completed} of {outcome.frames} frames in {output}{skipped}")
    if outcome.errors:
        first, error = next(iter(outcome.errors.items()))
        raise KBNetError(
            f"{len(outcome.errors)} of {outcome.frames} frames could not be completed, first {first}: {error}; "
            "correct them, then run the same command again"
        )
