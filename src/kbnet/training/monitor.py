"""Progress of a run: log, TensorBoard events, and reports for a progress display."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from kbnet.evaluation.metrics import DepthErrors
from kbnet.files import remove_link
from kbnet.training.batch import TripletBatch
from kbnet.training.pictures import histograms, picture_rows
from kbnet.training.step import StepResult


@dataclass(frozen=True)
class ProgressReport:
    """Progress report of a run.

    Attributes:
        step: steps done.
        steps: steps of the whole run.
        losses: mean over the steps since the last report: ``total`` and the unweighted terms.
        samples_per_second: over the same steps, all processes together.
        message: text for a separate line, such as a validation result.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    samples_per_second: float
    message: str = ""


OnReport = Callable[[ProgressReport], None]
"""Function that receives every report."""


class Monitor:
    """Writer of ``train.log`` and TensorBoard events in a run folder; inactive processes write nothing.

    Args:
        first_step: steps done before; later events of an interrupted run are dropped.
        active: whether this is the process that reports.
    """

    def __init__(self, folder: Path, steps: int, first_step: int, on_report: OnReport | None, *, active: bool) -> None:
        self._steps = steps
        self._on_report = on_report if active and on_report is not None else lambda report: None
        self._sums: dict[str, Tensor] = {}
        self._samples, self._since = 0, time.perf_counter()
        self._pending = 0
        self._log = self._events = None
        if active:
            folder.mkdir(parents=True, exist_ok=True)
            self._log = remove_link(folder / "train.log").open("a", encoding="utf-8", buffering=1)
            self._events = SummaryWriter(str(folder / "events"), purge_step=first_step + 1)

    def add(self, result: StepResult, samples: int) -> None:
        """Add the result of one step."""
        for name, value in {"total": result.total, **result.terms}.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value.detach()
        self._samples += samples
        self._pending += 1

    def report(self, step: int, learning_rate: float, gradient_norm: float) -> None:
        """Write the means of the steps since the last report."""
        seconds = time.perf_counter() - self._since
        losses = {name: float(value) / self._pending for name, value in self._sums.items()}
        rate = self._samples / seconds
        self._scalars(step, {f"loss/{name}": value for name, value in losses.items()})
        self._scalars(
            step, {"learning_rate": learning_rate, "gradient_norm": gradient_norm, "samples_per_second": rate}
        )
        terms = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        self._line(
            f"step {step}/{self._steps}  {terms}  rate {learning_rate:.2e}  gradient {gradient_norm:.3f}  "
            f"{rate:.1f} samples/s"
        )
        self._on_report(ProgressReport(step, self._steps, losses, rate))
        self._sums, self._samples, self._pending = {}, 0, 0
        self._since = time.perf_counter()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Context whose time is excluded from the measured speed."""
        began = time.perf_counter()
        yield
        self._since += time.perf_counter() - began

    def say(self, step: int, message: str) -> None:
        """Write a separate line."""
        self._line(f"step {step}/{self._steps}  {message}")
        self._on_report(ProgressReport(step, self._steps, {}, 0.0, message))

    def validation(self, step: int, errors: DepthErrors, *, best: bool) -> None:
        """Write validation errors."""
        known = {name: value for name, value in vars(errors).items() if value is not None}
        self._scalars(step, {f"validation/{name}": value for name, value in known.items()})
        self.say(
            step,
            f"validation: MAE {errors.mae_mm:.2f} mm  RMSE {errors.rmse_mm:.2f} mm  "
            f"iMAE {errors.imae_per_km:.2f} 1/km  iRMSE {errors.irmse_per_km:.2f} 1/km"
            + ("  (best so far)" if best else ""),
        )

    def pictures(self, step: int, batch: TripletBatch, result: StepResult) -> None:
        """Write the pictures and histograms of :mod:`kbnet.training.pictures`."""
        if self._events is None:
            return
        for tag, picture in picture_rows(batch, result).items():
            self._events.add_image(tag, picture, step)
        for tag, values in histograms(batch, result).items():
            self._events.add_histogram(tag, values, step)

    def close(self) -> None:
        """Flush and close the files."""
        if self._events is not None:
            self._events.close()
        if self._log is not None:
            self._log.close()

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def _line(self, text: str) -> None:
        if self._log is not None:
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
