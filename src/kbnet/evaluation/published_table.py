"""The published table as data (published system, section 7), and the rows of VOICED, ScaffNet, FusionNet."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kbnet.errors import KBNetError
from kbnet.evaluation.ground_truth import EVALUATION_LIMITS
from kbnet.evaluation.metrics import DepthErrors
from kbnet.weights.names import SIBLING_FILES, find_weights


@dataclass(frozen=True)
class PublishedRow:
    """Row of the published table, with what is needed to reproduce it.

    Attributes:
        key: name on the command line, and of the folder of results.
        title: name in tables.
        weights: name of the published weights.
        frames: list of frames, relative to the folder of the data sets.
        count: number of frames of the published errors.
        limits: range of the evaluated ground truth, metres, both excluded. None: an online benchmark without public
            ground truth.
        mean: published errors.
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


def _on_void_1500(key: str, title: str, weights: str, mean: DepthErrors) -> PublishedRow:
    """A row of VOICED, ScaffNet or FusionNet: the PyTorch version, retrained, as its README gives it."""
    return PublishedRow(
        key=f"{key}-void-1500",
        title=f"{title} VOID 1500",
        weights=weights,
        frames="void/void_1500_test.csv",
        count=800,
        limits=VOID,
        mean=mean,
        prepare="void {data}/void --densities 1500",
    )


PUBLISHED_ROWS = (
    PublishedRow(
        key="kitti-validation",
        title="KITTI validation",
        weights="kitti",
        frames="kitti/validation.csv",
        count=1000,
        limits=KITTI,
        mean=DepthErrors(260.44, 1126.85, 1.03, 3.20),
        std=DepthErrors(92.735, 398.888, 0.285, 1.915),
        milliseconds=15.19,
        prepare="kitti {data}/kitti --splits validation",
    ),
    PublishedRow(
        key="kitti-test",
        title="KITTI test",
        weights="kitti",
        frames="kitti/test.csv",
        count=1000,
        limits=None,
        mean=DepthErrors(256.76, 1069.47, 1.02, 2.95),
        milliseconds=15.19,
        prepare="kitti {data}/kitti --splits test",
    ),
    PublishedRow(
        key="void-1500",
        title="VOID 1500",
        weights="void1500",
        frames="void/void_1500_test.csv",
        count=800,
        limits=VOID,
        mean=DepthErrors(39.80, 95.86, 21.16, 49.72),
        std=DepthErrors(27.521, 67.776, 24.340, 62.204),
        milliseconds=13.00,
        prepare="void {data}/void --densities 1500",
        note=_BOTH_POOLS,
    ),
    PublishedRow(
        key="void-500",
        title="VOID 500",
        weights="void1500",
        frames="void/void_500_test.csv",
        count=800,
        limits=VOID,
        mean=DepthErrors(77.70, 172.49, 38.87, 85.59),
        milliseconds=13.00,
        prepare="void {data}/void --densities 500",
        note=_WHICH_WEIGHTS,
    ),
    PublishedRow(
        key="void-150",
        title="VOID 150",
        weights="void1500",
        frames="void/void_150_test.csv",
        count=800,
        limits=VOID,
        mean=DepthErrors(131.54, 263.54, 66.84, 128.29),
        milliseconds=13.00,
        prepare="void {data}/void --densities 150",
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
    _on_void_1500("voiced", "VOICED", "voiced", DepthErrors(75.78, 142.76, 39.40, 71.81)),
    _on_void_1500("scaffnet", "ScaffNet", "scaffnet-scenenet", DepthErrors(61.10, 130.90, 45.66, 134.44)),
    _on_void_1500("fusionnet", "FusionNet", "fusionnet-void", DepthErrors(54.11, 116.96, 34.00, 68.99)),
    PublishedRow(
        key="scaffnet-kitti-validation",
        title="ScaffNet KITTI val.",
        weights="scaffnet-vkitti",
        frames="kitti/validation.csv",
        count=1000,
        limits=KITTI,
        mean=DepthErrors(346.67, 1390.27, 1.56, 5.04),
        prepare="kitti {data}/kitti --splits validation",
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
