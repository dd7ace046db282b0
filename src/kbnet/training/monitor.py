"""What a run tells while it goes: a log, TensorBoard scalars and pictures, and reports for a progress display."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from kbnet.metrics import DepthErrors
from kbnet.report.colour import colourise
from kbnet.training.batch import TripletBatch
from kbnet.training.step import StepResult

PICTURES = 2
"""Samples of a batch that are shown."""

POINT_SIZE = 5
"""Width of a sparse point in pictures, pixels."""


@dataclass(frozen=True)
class Report:
    """Where a run stands.

    Attributes:
        step: steps done.
        steps: steps of the whole run.
        losses: mean over the steps since the last report: ``total`` and the unweighted terms.
        samples_per_second: over the same steps, all processes together.
        message: something worth a line of its own, such as a validation result.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    samples_per_second: float
    message: str = ""


class Monitor:
    """Writes ``train.log`` and TensorBoard events into a run folder; a process that is not ``active`` writes nothing.

    Args:
        folder: the run folder.
        steps: steps of the whole run.
        first_step: steps done before; events written after it by a run that was cut off are dropped.
        on_report: called with every report.
        active: whether this is the process that reports.
    """

    def __init__(
        self, folder: Path, steps: int, first_step: int, on_report: Callable[[Report], None] | None, *, active: bool
    ) -> None:
        self._steps = steps
        self._on_report = on_report if active and on_report is not None else lambda report: None
        self._sums: dict[str, Tensor] = {}
        self._samples, self._since = 0, time.perf_counter()
        self._pending = 0
        self._log = self._events = None
        if active:
            folder.mkdir(parents=True, exist_ok=True)
            self._log = (folder / "train.log").open("a", encoding="utf-8", buffering=1)
            self._events = SummaryWriter(str(folder / "events"), purge_step=first_step + 1)

    def add(self, result: StepResult, samples: int) -> None:
        """Take in one step."""
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
        self._on_report(Report(step, self._steps, losses, rate))
        self._sums, self._samples, self._pending = {}, 0, 0
        self._since = time.perf_counter()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """What takes no part in the measurement of speed."""
        began = time.perf_counter()
        yield
        self._since += time.perf_counter() - began

    def say(self, step: int, message: str) -> None:
        """Write a line of its own."""
        self._line(f"step {step}/{self._steps}  {message}")
        self._on_report(Report(step, self._steps, {}, 0.0, message))

    def validation(self, step: int, errors: DepthErrors, *, best: bool) -> None:
        """Write validation errors."""
        self._scalars(step, {f"validation/{name}": value for name, value in vars(errors).items()})
        self.say(
            step,
            f"validation: MAE {errors.mae_mm:.2f} mm  RMSE {errors.rmse_mm:.2f} mm  "
            f"iMAE {errors.imae_per_km:.2f} 1/km  iRMSE {errors.irmse_per_km:.2f} 1/km"
            + ("  (best so far)" if best else ""),
        )

    def pictures(self, step: int, batch: TripletBatch, result: StepResult) -> None:
        """Write images, reconstructions and their errors, depth, and its errors at points and ground truth."""
        if self._events is None:
            return
        self._images(step, "image/at_t", batch.image)
        for name, reconstruction in zip(("from_previous", "from_next"), result.reconstructions, strict=False):
            self._images(step, f"image/{name}", reconstruction)
            self._images(step, f"image/{name}_error", (reconstruction - batch.image).abs())
        limit = float(torch.maximum(result.depth.detach().max(), batch.sparse_depth.max()))
        for name, depth, measured in (
            ("prediction", result.depth, None),
            ("sparse_input", batch.input_depth, None),
            ("sparse_error", (result.depth - batch.sparse_depth).abs(), batch.sparse_depth),
            ("ground_truth", batch.ground_truth, None),
            ("ground_truth_error", (result.depth - batch.ground_truth).abs(), batch.ground_truth),
        ):
            shown = depth if measured is None else torch.where(measured > 0, depth.clamp_min(1e-6), 0.0)
            if name.startswith("sparse"):
                shown = F.max_pool2d(shown, POINT_SIZE, stride=1, padding=POINT_SIZE // 2)
            top = limit if measured is None else limit / 10
            coloured = [colourise(one, 0.0, top) for one in shown[:PICTURES, 0].detach().float().cpu().numpy()]
            pictures = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in coloured])
            self._events.add_images(f"depth/{name}", pictures, step)
        self._events.add_histogram("depth/prediction_m", result.depth.detach().float(), step)

    def close(self) -> None:
        """Flush and close the files."""
        if self._events is not None:
            self._events.close()
        if self._log is not None:
            self._log.close()

    def _images(self, step: int, name: str, images: Tensor) -> None:
        if self._events is not None:
            self._events.add_images(name, images[:PICTURES].detach().float().clamp(0, 1), step)

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def _line(self, text: str) -> None:
        if self._log is not None:
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
