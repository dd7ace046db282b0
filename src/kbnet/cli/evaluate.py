"""``kbnet evaluate``: errors and speed on sequences with ground truth, beside interpolation, as table, JSON and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kbnet.cli.arguments import (
    Device,
    OptionalFolder,
    OptionalPreset,
    Precision,
    SequenceFolders,
    SparseDepthFolders,
    Switch,
    Weights,
)

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.evaluation import Part
    from kbnet.summary import Summary

PIPED_WIDTH = 200
"""Columns a table may take where stdout is no terminal, so that nothing is cut off in a file."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Measure completed depth on sequences with ground truth: errors, their spread over frames, and speed."""

    sequences: SequenceFolders
    """Sequence folders: K.txt, image/, sparse depth and ground_truth/."""
    weights: Weights = "indoor"
    """Bundled weights by name, a .safetensors file, or a published .pth (which needs --preset)."""
    sparse_depth: SparseDepthFolders = ("sparse_depth",)
    """Folders of sparse depth inside each sequence, such as sparse_depth_500; each is evaluated."""
    baselines: Switch = False
    """Evaluate nearest and linear interpolation of the sparse points too."""
    preset: OptionalPreset = None
    """Ground truth to judge: 0.2 to 5 m (void, the default) or 0 to 100 m (kitti). Architecture of a published .pth."""
    every: int = 1
    """Evaluate every Nth frame."""
    output: OptionalFolder = None
    """Folder for summary.json and frames.csv."""
    device: Device = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ..."""
    precision: Precision = "auto"
    """Number format of the network's convolutions; auto is float32."""

    def run(self) -> None:
        """Evaluate, print the table, write the files."""
        import kbnet
        from kbnet.cli.progress import frame_progress
        from kbnet.evaluation import EVALUATION_LIMITS, baseline_methods, evaluate, network_method
        from kbnet.summary import write_summary

        parts = self._parts()
        limits = EVALUATION_LIMITS[self.preset or "void"]
        architecture = self.preset if Path(self.weights).suffix == ".pth" else None
        completer = kbnet.load(self.weights, preset=architecture, device=self.device, precision=self.precision)
        methods = [network_method(completer)] + (baseline_methods() if self.baselines else [])
        with frame_progress() as progress:
            task = progress.add_task("evaluating", total=sum(len(part.frames(self.every)) for part in parts))
            summary = evaluate(
                parts,
                methods,
                limits=limits,
                every=self.every,
                table=self.output / "frames.csv" if self.output else None,
                on_frame=lambda: progress.advance(task),
            )
        _print_table(_table(summary))
        print(f"mean ± standard deviation over frames; ground truth between {limits[0]:g} and {limits[1]:g} m")
        if self.output:
            settings = {
                "weights": self.weights,
                "sequences": [str(folder) for folder in self.sequences],
                "sparse_depth": list(self.sparse_depth),
                "limits_m": list(limits),
                "every": self.every,
                "device": str(completer.device),
                "precision": completer.precision,
            }
            write_summary(self.output / "summary.json", summary, settings)
            print(f"wrote {self.output / 'summary.json'} and {self.output / 'frames.csv'}")

    def _parts(self) -> list[Part]:
        from kbnet.data.sequence import Sequence
        from kbnet.evaluation import Part

        if not self.sequences:
            raise ValueError("expected at least one sequence folder, got none; see kbnet evaluate --help")
        if self.every < 1:
            raise ValueError(f"expected --every of at least 1 frame, got {self.every}; 1 evaluates every frame")
        names = distinct_names(self.sequences)
        return [
            Part(Sequence(folder, sparse_depth=sparse_depth), name, sparse_depth)
            for sparse_depth in dict.fromkeys(self.sparse_depth)
            for name, folder in names.items()
        ]


def distinct_names(folders: tuple[Path, ...]) -> dict[str, Path]:
    """Name folders by their last part, or by as many of their last parts as it takes to tell them apart.

    Example:
        >>> list(distinct_names((Path("/a/train/room"), Path("/a/test/room"))))
        ['train/room', 'test/room']
    """
    resolved = list(dict.fromkeys(folder.resolve() for folder in folders))
    for count in range(1, max(len(folder.parts) for folder in resolved) + 1):
        names = ["/".join(folder.parts[-count:]) for folder in resolved]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, resolved, strict=True))


def _table(summary: Summary) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("sparse depth", "sequence", "method"):
        table.add_column(name)
    for name in ("frames", "MAE mm", "RMSE mm", "iMAE 1/km", "iRMSE 1/km", "ms/frame", "frames/s"):
        table.add_column(name, justify="right")
    last = None
    for row in summary.rows():
        group = (row.sparse_depth, row.sequence)
        if last not in (None, group):
            table.add_section()
        last = group
        pairs = zip(row.mean.as_array(), row.std.as_array(), strict=True)
        speed = [row.milliseconds, row.frames_per_second]
        table.add_row(
            *group,
            row.method,
            str(row.frames),
            *(f"{mean:.2f} ± {std:.2f}" for mean, std in pairs),
            *("-" if value is None else f"{value:.1f}" for value in speed),
        )
    return table


def _print_table(table: Table) -> None:
    from rich.console import Console

    console = Console()
    (console if console.is_terminal else Console(width=PIPED_WIDTH)).print(table)
