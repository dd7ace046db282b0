"""``python benchmarks/robustness.py`` on a small room: every curve with its picture, and the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies.condition_curves import judge_curve, spread_indices
from studies.degradation import Condition, Curve

from kbnet.evaluation.methods import baseline_methods
from kbnet.evaluation.summary import Summary, SummaryRow
from kbnet.frames.frame_source import FrameSource
from kbnet.frames.sequence import Sequence
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.weights.depth_network import save_network

Load = Callable[[str], Any]
SMALL: dict[str, Any] = {"image_filters": (8,) * 6, "depth_filters": (8,) * 6, "decoder_filters": (8,) * 5}


def test_spread_indices_are_even_and_stay_within() -> None:
    assert spread_indices(8, 2) == [2, 6]
    assert spread_indices(3, 10) == [0, 1, 2]
    with pytest.raises(ValueError, match="at least 1 frame"):
        spread_indices(8, 0)


def judged(curve: Curve, room: Path) -> list[SummaryRow]:
    summary = Summary()
    standard = Condition(200, 0.01, 0.0)
    sequences: dict[str, FrameSource] = {"room": Sequence(room)}
    judge_curve(curve, sequences, baseline_methods(), summary, standard=standard, frames=3, limits=(0.2, 9.0))
    return summary.rows()


def test_judge_curve_finds_the_noise_and_draws_the_same_again(room: Path) -> None:
    curve = Curve("noise", "range_noise", (0.0, 0.2), "noise, %", 100.0)
    rows = judged(curve, room)
    mae = {(row.sparse_depth, row.method): row.mean.mae_mm for row in rows}
    assert mae.keys() == {(f"noise, %: {level}", method) for level in (0, 20) for method in ("nearest", "linear")}
    assert all(row.frames == 3 for row in rows)
    assert mae["noise, %: 20", "linear"] > mae["noise, %: 0", "linear"] + 50
    assert judged(curve, room) == rows, "draws depend on sequence and frame alone"


@pytest.mark.usefixtures("plain_engine")
def test_command_writes_a_picture_a_curve_and_one_table(
    load: Load, room: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = []
    for scaling in ("exact", "published"):
        weights.append(tmp_path / f"{scaling}.safetensors")
        save_network(KBNet(KBNetConfig(intrinsics_scaling=scaling, **SMALL)), weights[-1])
    output = tmp_path / "out"
    load("robustness").Command(
        sequences=(room,),
        weights=tuple(map(str, weights)),
        frames=1,
        curves=("blur", "range_noise"),
        points=50,
        limits=(0.2, 9.0),
        device="cpu",
        output=output,
    ).run()
    assert {path.name for path in output.iterdir()} == {"robustness.png", "robustness.json", "table.txt"}
    assert (output / "robustness.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((output / "robustness.json").read_text(encoding="utf-8"))
    names = {"exact.safetensors", "published.safetensors", "nearest", "linear"}
    assert {row["method"] for row in written["results"]} == names
    assert len(written["results"]) == len(names) * 2 * 5
    assert written["settings"]["weights"]["published.safetensors"]["network"]["intrinsics_scaling"] == "published"
    said = capsys.readouterr().out
    assert "range noise, % of depth: 10" in said
    assert "exact.safetensors × linear" in said


def test_command_needs_sequences(load: Load) -> None:
    with pytest.raises(ValueError, match="expected --sequences"):
        load("robustness").Command(sequences=()).run()
