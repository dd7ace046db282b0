"""What ``kbnet benchmark`` has measured: its tables and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from kbnet.cli.error_table import new_table, show_table
from kbnet.cli.known_errors import one_line, say

if TYPE_CHECKING:
    from rich.table import Table

    from kbnet.benchmark.inference import CaseTimes


@dataclass
class BenchmarkReport:
    """What was measured so far."""

    path: Path
    environment: dict[str, object]
    inference: list[dict[str, Any]] = field(default_factory=list)
    training: list[dict[str, Any]] = field(default_factory=list)
    rates: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """What could not be measured, and why."""

    def leave_out(self, name: str, error: Exception) -> None:
        """Remember what could not be measured and why."""
        self.left_out[name] = one_line(error)

    def add(self, comparison: CaseTimes) -> None:
        """Take the rows of a comparison, if there are any, and write."""
        if rows := comparison.rows():
            self.inference += rows
            self.rates.append({"size": rows[0]["size"], "batch": rows[0]["batch"], **comparison.rates()})
        self.write()

    def write(self) -> None:
        """Write all so far; the file appears whole or not at all."""
        from kbnet.files import write_json

        content = {
            "environment": self.environment,
            "matrix_product_gflop_per_second": self.rates,
            "inference": self.inference,
            "training": self.training,
            "left_out": self.left_out,
        }
        write_json(self.path, content)

    def finish(self) -> None:
        """Write, and print the tables and what they mean."""
        self.write()
        if self.inference:
            show_table(_inference_table(self.inference), _inference_notes(self.rates))
        if self.training:
            kept = "peak on the device" if self.environment["device"] == "cuda" else "kept for the backward pass"
            notes = ["medians of steps timed in turn; × plain: how many times the speed of plain in the same rounds"]
            show_table(_training_table(self.training), [*notes, f"MiB: {kept}"])
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            say(f"left out  {', '.join(names)}: {reason}")
        e = self.environment
        load = "unknown" if e["load_average"] is None else e["load_average"]
        say(f"measured on {e['device_name']}, {e['threads']} threads, load {load} at the start")
        say(f"wrote {self.path}")


def _inference_table(rows: list[dict[str, Any]]) -> Table:
    table = new_table(
        ("weights", "size", "batch", "engine", "precision"),
        ("network ms", "frame ms", "frames/s", "× plain", "GFLOP/s", "share", "MiB", "difference", "tolerance"),
    )
    formats = {
        "network_ms": "{:.2f}",
        "frame_ms": "{:.2f}",
        "frames_per_second": "{:.1f}",
        "times_plain": "{:.2f}",
        "gflop_per_second": "{:.0f}",
        "share_of_matrix_rate": "{:.0%}",
        "memory_mib": "{:.0f}",
        "difference": "{:.1e}",
        "tolerance": "{:.0e}",
    }
    last = None
    for row in rows:
        group = (row["weights"], row["size"], row["batch"])
        if last not in (None, group):
            table.add_section()
        last = group
        table.add_row(*map(str, group), row["engine"], row["precision"], *_cells(row, formats))
    return table


def _inference_notes(rates: list[dict[str, Any]]) -> list[str]:
    products = ", ".join(
        f"{median(rate[name] for rate in rates):.0f} GFLOP/s in {name}" for name in ("float32", "bfloat16")
    )
    return [
        "medians; network: tensors to depth; frame, and frames/s: with checks, outlier removal and scaffold",
        "× plain: how many times the speed of plain's network in the same rounds; GFLOP: of the published network",
        f"share: of this machine's matrix products in the same rounds ({products}); int8 is laid against bfloat16",
        "MiB: peak of a fresh process; difference: largest relative one (int8: mean) of depth to eager float32",
    ]


def _training_table(rows: list[dict[str, Any]]) -> Table:
    table = new_table(("training", "crop", "batch", "part"), ("samples/s", "ms/batch", "× plain", "MiB"))
    formats = {
        "samples_per_second": "{:.2f}",
        "median_batch_ms": "{:.1f}",
        "times_plain": "{:.2f}",
        "memory_mib": "{:.0f}",
    }
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("training", "crop", "batch", "part")), *_cells(row, formats))
    return table


def _cells(row: dict[str, Any], formats: dict[str, str]) -> list[str]:
    return ["-" if row[key] is None else form.format(row[key]) for key, form in formats.items()]
