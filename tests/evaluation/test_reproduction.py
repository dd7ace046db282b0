"""The published table as data, and rows measured again: numbers, verdicts, what is missing, what is done already."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kbnet.evaluation import reproduction
from kbnet.evaluation.metrics import DepthErrors
from kbnet.evaluation.reproduction import PUBLISHED_ROWS, ReproducedRow, measure, published_rows
from kbnet.evaluation.summary import SummaryRow
from kbnet.frame import FloatArray, Frame
from kbnet.network.config import KBNetConfig

ROWS = {row.key: row for row in PUBLISHED_ROWS}
VOID_1500 = ROWS["void-1500"]


def _measured(errors: DepthErrors, frames: int = 800) -> SummaryRow:
    return SummaryRow("kbnet", "sparse_depth", "void-1500", frames, errors, errors, 1.0, frames)


def test_published_rows_are_those_of_the_publication(shared: Path) -> None:
    text = (shared / "spec" / "published-system.md").read_text(encoding="utf-8")
    for row in PUBLISHED_ROWS[:6]:
        line = next(line for line in text.splitlines() if line.startswith(f"| {row.title} "))
        cells = [cell.strip() for cell in line.strip("|").split("|")[1:5]]
        assert [float(cell.split()[0]) for cell in cells] == row.mean.as_array()[:4].tolist()
        if row.std is not None:
            assert [float(cell.split("±")[1].strip("()")) for cell in cells] == row.std.as_array()[:4].tolist()
        else:
            assert "±" not in line


def test_rows_of_the_siblings_are_those_of_their_repositories(shared: Path) -> None:
    text = (shared / "spec" / "family.md").read_text(encoding="utf-8")
    published = {
        name: [float(cell) for cell in cells.split("|")[:4]]
        for name, cells in re.findall(r"^\| \*\*(\w+), (?:validation, )?PyTorch[^|]*\|(.*)$", text, re.MULTILINE)
        for name in [f"{name} KITTI" if "1390.27" in cells else name]
    }
    rows = PUBLISHED_ROWS[6:]
    assert [published[name] for name in ("VOICED", "ScaffNet", "FusionNet", "ScaffNet KITTI")] == [
        row.mean.as_array()[:4].tolist() for row in rows
    ]
    assert len(published) == len(rows)


def test_published_rows_keep_the_order_of_the_table() -> None:
    assert published_rows(()) == list(PUBLISHED_ROWS)
    assert [row.key for row in published_rows(["nyu-v2", "void-150", "nyu-v2"])] == ["void-150", "nyu-v2"]
    with pytest.raises(ValueError, match=r"expected rows of kitti-validation, kitti-test, .*, got 'void'"):
        published_rows(["void-150", "void"])


@pytest.mark.parametrize(
    ("factor", "within"), [(1.0, True), (1.009, True), (0.991, True), (1.011, False), (0.98, False)]
)
def test_comparison_is_within_tolerance_only_if_all_errors_are(factor: float, within: bool) -> None:
    errors = replace(VOID_1500.mean, irmse_per_km=VOID_1500.mean.irmse_per_km * factor)
    comparison = ReproducedRow(VOID_1500, _measured(errors), 0.01, 1)
    assert comparison.within is within
    assert comparison.difference == pytest.approx(
        {"mae_mm": 0, "rmse_mm": 0, "imae_per_km": 0, "irmse_per_km": factor - 1}
    )
    assert comparison.verdict == ("within 1 %" if within else "NOT within 1 %")


def test_comparison_says_what_it_does_not_cover() -> None:
    assert "(799 of 800 frames)" in ReproducedRow(VOID_1500, _measured(VOID_1500.mean, 799), 0.01, 1).verdict
    quick = ReproducedRow(VOID_1500, _measured(VOID_1500.mean, 80), 0.01, 10)
    assert quick.within is None
    assert quick.verdict == "quick look, stride 10"


def test_missing_names_the_command_for_each_thing(published_data: Path, kbnet_home: Path, tmp_path: Path) -> None:
    data = published_data
    assert VOID_1500.missing(data) == []
    assert ROWS["void-500"].missing(data) == [
        f"data {data / 'void/void_500_test.csv'}: kbnet prepare void {data}/void --densities 500"
    ]
    (kbnet_home / "weights" / "kitti.safetensors").unlink()
    weights, listed = ROWS["kitti-test"].missing(tmp_path / "my data")
    assert weights.startswith("weights kitti: kbnet weights download (")
    assert listed.endswith(f"kbnet prepare kitti '{tmp_path / 'my data'}'/kitti --splits test")


class Constant:
    """A network that knows one depth, and counts how often it is asked."""

    calls = 0

    config = KBNetConfig()
    device = "cpu"
    engine = "torch"
    precision = "float32"

    def __call__(self, frame: Frame) -> FloatArray:
        type(self).calls += 1
        return np.full(frame.size, 2.5, np.float32)


@pytest.fixture
def constant(monkeypatch: pytest.MonkeyPatch) -> type[Constant]:
    """Such a network in place of every other."""
    monkeypatch.setattr(Constant, "calls", 0)
    monkeypatch.setattr(reproduction, "load", lambda source, device: Constant())
    return Constant


def test_measure_evaluates_the_list_and_writes_beside_it_what_it_did(
    published_data: Path, constant: type[Constant], tmp_path: Path
) -> None:
    totals: list[int] = []
    row = measure(VOID_1500, published_data, tmp_path / "out", on_frame=totals.append)
    assert (row.frames, totals, constant.calls) == (4, [4] * 4, 4)
    assert row.mean.mae_mm == pytest.approx(500)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"summary.json", "frames.csv"}
    assert measure(VOID_1500, published_data, tmp_path / "out") == row
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]["limits_m"] == [0.2, 5.0]


@pytest.mark.filterwarnings("ignore:4 of 4 frames")
def test_measure_judges_within_the_limits_of_the_row(
    published_data: Path, constant: type[Constant], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="could be judged between 2 and 5 m"):
        measure(replace(VOID_1500, limits=(2.0, 5.0)), published_data, tmp_path / "out")


def test_measure_does_a_row_again_only_where_something_changed(
    published_data: Path,
    constant: type[Constant],
    kbnet_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def calls(**options: object) -> int:
        before = constant.calls
        measure(VOID_1500, published_data, tmp_path / "out", **options)  # type: ignore[arg-type]
        return constant.calls - before

    assert (calls(), calls()) == (4, 0)
    assert calls(overwrite=True) == 4
    assert (calls(every=2), calls(every=2), calls()) == (2, 0, 4)
    with (published_data / VOID_1500.frames).open("a") as file:
        file.write("\n")
    assert (calls(), calls()) == (4, 0)
    weights = kbnet_home / "weights" / "void1500.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert (calls(), calls()) == (4, 0)
    monkeypatch.setattr(constant, "device", "cuda:0")
    assert (calls(), calls()) == (4, 0)
    (tmp_path / "out" / "summary.json").write_text("cut")
    assert (calls(), calls()) == (4, 0)
