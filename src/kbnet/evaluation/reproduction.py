"""Reproduction of the published table, row by row (published system, section 7)."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kbnet.errors import KBNetError
from kbnet.evaluation.ground_truth import EVALUATION_LIMITS, Part, evaluate, run_settings
from kbnet.evaluation.methods import NETWORK, Method
from kbnet.evaluation.metrics import DepthErrors
from kbnet.evaluation.summary import SummaryRow, read_same_run, write_summary
from kbnet.frames.open import open_prepared
from kbnet.inference.completer import load
from kbnet.weights.names import SIBLING_FILES, find_weights


@dataclass(frozen=True)
class PublishedRow:
    """Row of the published table, with what is needed to reproduce it.

    Attributes:
        key: name on the command line, and of the folder of results.
        frames: list of frames, relative to the folder of the data sets.
        count: number of frames of the published errors.
        limits: range of the evaluated ground truth, metres, both excluded. None: an online benchmark without public
            ground truth.
        std: published standard deviation over frames, or None.
        milliseconds: published time per frame on a GTX 1080 Ti, or None.
        prepare: arguments of ``kbnet prepare`` that make the list, with {data} for the folder of the data sets.
        note: what the publication does not specify.
    """

    key: str
    title: str
    weights: str
    frames: str
    count: int
    limits: tuple[float, float] | None
    mean: DepthErrors
    prepare: str
    std: DepthErrors | None = None
    milliseconds: float | None = None
    note: str = ""

    def missing(self, data: Path) -> list[str]:
        """Missing weights and data, each with the command that provides it; empty: nothing is missing."""
        missing = []
        try:
            find_weights(self.weights)
        except FileNotFoundError:
            missing.append(f"weights {self.weights}: {self._way_to_weights}")
        if not (data / self.frames).is_file():
            arguments = self.prepare.format(data=shlex.quote(str(data)))
            missing.append(f"data {data / self.frames}: kbnet prepare {arguments}")
        return missing

    @property
    def _way_to_weights(self) -> str:
        for file, sibling in SIBLING_FILES.items():
            if sibling.name == self.weights:
                return f"fetch {file} by hand, then kbnet weights import {file}"
        return "kbnet weights download (or fetched by hand: kbnet weights import pretrained_models.zip)"


_BOTH_POOLS = (
    "VOID 1500, NYU v2: the published scripts that run these weights and the one that trained them name different pool "
    "sizes; measured with the former; both: kbnet evaluate LIST --weights void1500 void1500-training-pools"
)
_WHICH_WEIGHTS = (
    "VOID 500, VOID 150: measured with the weights released for VOID 1500, the only ones; "
    "which the published numbers were made with is not stated"
)
_WHICH_LIMITS = "NYU v2: which ground truth was judged is not stated; measured within the limits of VOID, 0.2 to 5 m"
KITTI, VOID = EVALUATION_LIMITS["kitti"], EVALUATION_LIMITS["void"]


def _on_void(key: str, title: str, weights: str, mean: DepthErrors, density: int, **more: Any) -> PublishedRow:
    """A row of the 800 test frames of VOID."""
    frames, prepare = f"void/void_{density}_test.csv", f"void {{data}}/void --densities {density}"
    return PublishedRow(key, title, weights, frames, 800, VOID, mean, prepare, **more)


def _sibling_on_void(key: str, title: str, weights: str, mean: DepthErrors) -> PublishedRow:
    """A row of VOICED, ScaffNet or FusionNet: the PyTorch version, retrained, as its README gives it."""
    return _on_void(f"{key}-void-1500", f"{title} VOID 1500", weights, mean, 1500)


def _on_kitti(key: str, title: str, weights: str, mean: DepthErrors, split: str, **more: Any) -> PublishedRow:
    """A row of the 1,000 selected frames of KITTI; those of the test split have no public ground truth."""
    limits, prepare = None if split == "test" else KITTI, f"kitti {{data}}/kitti --splits {split}"
    return PublishedRow(key, title, weights, f"kitti/{split}.csv", 1000, limits, mean, prepare, **more)


PUBLISHED_ROWS = (
    _on_kitti(
        "kitti-validation",
        "KITTI validation",
        "kitti",
        DepthErrors(260.44, 1126.85, 1.03, 3.20),
        "validation",
        std=DepthErrors(92.735, 398.888, 0.285, 1.915),
        milliseconds=15.19,
    ),
    _on_kitti(
        "kitti-test", "KITTI test", "kitti", DepthErrors(256.76, 1069.47, 1.02, 2.95), "test", milliseconds=15.19
    ),
    _on_void(
        "void-1500",
        "VOID 1500",
        "void1500",
        DepthErrors(39.80, 95.86, 21.16, 49.72),
        1500,
        std=DepthErrors(27.521, 67.776, 24.340, 62.204),
        milliseconds=13.00,
        note=_BOTH_POOLS,
    ),
    _on_void(
        "void-500",
        "VOID 500",
        "void1500",
        DepthErrors(77.70, 172.49, 38.87, 85.59),
        500,
        milliseconds=13.00,
        note=_WHICH_WEIGHTS,
    ),
    _on_void(
        "void-150",
        "VOID 150",
        "void1500",
        DepthErrors(131.54, 263.54, 66.84, 128.29),
        150,
        milliseconds=13.00,
        note=_WHICH_WEIGHTS,
    ),
    PublishedRow(
        key="nyu-v2",
        title="NYU v2",
        weights="void1500",
        frames="nyu_v2/test.csv",
        count=654,
        limits=VOID,
        mean=DepthErrors(117.18, 218.67, 23.01, 47.96),
        prepare="nyu-v2 {data}/nyu_v2 --splits test",
        note=_WHICH_LIMITS,
    ),
    _sibling_on_void("voiced", "VOICED", "voiced", DepthErrors(75.78, 142.76, 39.40, 71.81)),
    _sibling_on_void("scaffnet", "ScaffNet", "scaffnet-scenenet", DepthErrors(61.10, 130.90, 45.66, 134.44)),
    _sibling_on_void("fusionnet", "FusionNet", "fusionnet-void", DepthErrors(54.11, 116.96, 34.00, 68.99)),
    _on_kitti(
        "scaffnet-kitti-validation",
        "ScaffNet KITTI val.",
        "scaffnet-vkitti",
        DepthErrors(346.67, 1390.27, 1.56, 5.04),
        "validation",
    ),
)


def published_rows(keys: Iterable[str]) -> list[PublishedRow]:
    """Rows of the given names in the order of the table; all rows without a name.

    Raises:
        KBNetError: no row has that name.
    """
    keys = list(keys)
    known = [row.key for row in PUBLISHED_ROWS]
    if unknown := [key for key in keys if key not in known]:
        raise KBNetError(
            f"expected rows of {', '.join(known)}, got '{unknown[0]}'; name some of these, or none for all"
        )
    return [row for row in PUBLISHED_ROWS if not keys or row.key in keys]


@dataclass(frozen=True)
class ReproducedRow:
    """Published row and its reproduction.

    Attributes:
        tolerance: relative difference allowed to each published error.
    """

    published: PublishedRow
    measured: SummaryRow
    tolerance: float
    every: int

    @property
    def difference(self) -> dict[str, float]:
        """Relative difference (measured - published) / published of each published error, by its name."""
        pairs = zip(self.measured.mean.as_array(), self.published.mean.as_array(), strict=True)
        names = (field.name for field in fields(DepthErrors))
        shares = {
            name: float(measured / published - 1) for name, (measured, published) in zip(names, pairs, strict=True)
        }
        return {name: share for name, share in shares.items() if not math.isnan(share)}

    @property
    def within(self) -> bool | None:
        """Whether all errors are within the tolerance, in both directions; None for a stride above 1."""
        if self.every > 1:
            return None
        return all(abs(difference) <= self.tolerance for difference in self.difference.values())

    @property
    def verdict(self) -> str:
        """Verdict sentence of ``within``."""
        if self.within is None:
            return f"quick look, stride {self.every}"
        verdict = f"{'within' if self.within else 'NOT within'} {100 * self.tolerance:g} %"
        frames, count = self.measured.frames, self.published.count
        return verdict if frames == count else f"{verdict} ({frames} of {count} frames)"


def measure(
    row: PublishedRow,
    data: Path,
    folder: Path,
    *,
    every: int = 1,
    device: str = "auto",
    overwrite: bool = False,
    on_frame: Callable[[int], None] | None = None,
) -> SummaryRow:
    """Evaluate a row with ground truth, or read the result of an equal earlier evaluation.

    Evaluations are equal if weights, list, limits, stride, device and the versions of kbnet and of the computing
    packages are. The files named in the list are not compared.

    Args:
        row: row with nothing ``missing``.
        folder: folder of summary.json and frames.csv.
        on_frame: called after each frame with the total number of frames.
    """
    assert row.limits is not None
    part = Part(open_prepared(data / row.frames), row.key, "sparse_depth")
    completer = load(row.weights, device=device)
    networks = {"kbnet": (row.weights, completer)}
    settings = run_settings([part], networks, limits=row.limits, every=every)
    if not overwrite and (done := read_same_run(folder / "summary.json", settings)):
        return done[0]
    total = len(part.frames(every))
    summary = evaluate(
        [part],
        [Method(NETWORK, completer)],
        limits=row.limits,
        every=every,
        table=folder / "frames.csv",
        on_frame=None if on_frame is None else lambda: on_frame(total),
    )
    write_summary(folder / "summary.json", summary, settings)
    return summary.rows()[0]
