"""Progress of a run: log, TensorBoard events, and reports for a progress display."""

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

from kbnet.evaluation.metrics import DepthErrors
from kbnet.files import remove_link
from kbnet.report.colour import colourise
from kbnet.training.batch import TripletBatch
from kbnet.training.step import StepResult

SAMPLES = 2
"""Number of shown samples of a batch, one row each."""
POINT_SIZE = 5
"""Width of a sparse point in pictures, pixels."""
MARGIN = 2
"""White margin between pictures, pixels."""
ERROR_SHARE = 0.1
"""Largest error of the colour scale, as a share of the largest depth."""


@dataclass(frozen=True)
class ProgressReport:
    """Progress report of a run.

    Attributes:
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
        """Write the pictures and histograms of :mod:`kbnet.training.monitor`."""
        if self._events is None:
            return
        for tag, picture in picture_rows(batch, result).items():
            self._events.add_image(tag, picture, step)
        for tag, values in histograms(batch, result).items():
            self._events.add_histogram(tag, values, step)

    def close(self) -> None:
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


def picture_rows(batch: TripletBatch, result: StepResult) -> dict[str, Tensor]:
    """Pictures of a step by tag. A tag names the columns from left to right; each row is a sample.

    - ``image/...``: image at t; reconstruction from t-1 and its absolute error; the same from t+1.
    - ``depth/...``: prediction; input sparse depth; error at all measured points; ground truth and error, if there is
      any. Depth: near is yellow, the largest depth of the picture is purple. Errors: small is purple, a tenth of that
      depth is yellow. Unmeasured is black.

    Returns:
        RGB in 0..1 by tag, (3, rows, columns), pixels.
    """
    image = batch.image[:SAMPLES]
    images = [("input", image)]
    for name, reconstruction in zip(("from_previous", "from_next"), result.reconstructions, strict=False):
        shown = reconstruction.detach()[:SAMPLES]
        images += [(name, shown), ("error", (shown - image).abs())]

    depth = result.depth.detach()[:SAMPLES].float()
    sparse, truth = batch.sparse_depth[:SAMPLES], batch.ground_truth[:SAMPLES]
    limit = max(float(depth.max()), float(sparse.max()), float(truth.max()))
    maps = [
        ("prediction", _coloured(depth, limit)),
        ("sparse_input", _coloured(_enlarged(batch.input_depth[:SAMPLES]), limit)),
        ("error", _coloured_error(_enlarged(_error(depth, sparse)), ERROR_SHARE * limit)),
    ]
    if truth.any():
        maps += [
            ("ground_truth", _coloured(truth, limit)),
            ("error", _coloured_error(_error(depth, truth), ERROR_SHARE * limit)),
        ]
    return {
        f"{kind}/{'-'.join(name for name, _ in columns)}": _joined([column for _, column in columns])
        for kind, columns in (("image", images), ("depth", maps))
    }


def histograms(batch: TripletBatch, result: StepResult) -> dict[str, Tensor]:
    """Values of the whole batch by tag, 1-D: depths and translations in metres, rotation angles in degrees.

    Tags without values, such as missing ground truth, are omitted.
    """
    values = {
        "depth/prediction_m": result.depth.detach().float().flatten(),
        "depth/sparse_m": batch.sparse_depth[batch.sparse_depth > 0],
        "depth/ground_truth_m": batch.ground_truth[batch.ground_truth > 0],
    }
    for name, transform in zip(("to_previous", "to_next"), result.poses, strict=False):
        pose = transform.detach().float()
        for axis, letter in enumerate("xyz"):
            values[f"pose/{name}_{letter}_m"] = pose[:, axis, 3]
        values[f"pose/{name}_rotation_deg"] = _angle_deg(pose[:, :3, :3])
    return {tag: one.cpu() for tag, one in values.items() if one.numel() > 0}


def _error(depth: Tensor, measured: Tensor) -> Tensor:
    """Absolute difference at measured pixels, slightly above 0, because 0 is unmeasured; 0 elsewhere."""
    return torch.where(measured > 0, (depth - measured).abs().clamp_min(1e-6), 0.0)


def _enlarged(points: Tensor) -> Tensor:
    """Points enlarged to visible squares."""
    return F.max_pool2d(points, POINT_SIZE, stride=1, padding=POINT_SIZE // 2)


def _coloured(depth: Tensor, limit: float) -> Tensor:
    """Colour depth, (B, 1, H, W), metres: RGB in 0..1, (B, 3, H, W)."""
    coloured = [torch.from_numpy(colourise(one, 0.0, limit)) for one in depth[:, 0].cpu().numpy()]
    return torch.stack(coloured).permute(0, 3, 1, 2) / 255


def _coloured_error(error: Tensor, limit: float) -> Tensor:
    """Colour errors in the same way; large errors are bright, as in the image row."""
    return _coloured(torch.where(error > 0, (limit - error).clamp_min(1e-6), 0.0), limit)


def _joined(columns: list[Tensor]) -> Tensor:
    """Join columns of (B, 3, H, W) each to one picture with B rows."""
    padded = [F.pad(column.cpu().float().clamp(0, 1), [MARGIN] * 4, value=1.0) for column in columns]
    return torch.cat(list(torch.cat(padded, dim=3)), dim=1)


def _angle_deg(rotations: Tensor) -> Tensor:
    """Angles of rotations (B, 3, 3), degrees; from sine and cosine, because the cosine loses small angles."""
    skew = rotations - rotations.transpose(1, 2)
    sine = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]]).norm(dim=0) / 2
    cosine = (rotations.diagonal(dim1=1, dim2=2).sum(dim=1) - 1) / 2
    return torch.rad2deg(torch.atan2(sine, cosine))
