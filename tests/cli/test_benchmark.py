"""kbnet benchmark: every contender beside plain in table and JSON, training apart, Ctrl-C keeps what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kbnet.benchmark.inference
import kbnet.benchmark.measurement
import kbnet.cli.benchmark
from kbnet.benchmark.measurement import take_turns
from kbnet.cli.main import main

INFERENCE = ["--parts", "inference", "--sizes", "40x32", "--engines", "torch", "--precisions", "float32", "bfloat16"]
FAST = ["benchmark", "--quick", "--device", "cpu"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rounds and small matrix products: bfloat16 is emulated where the processor lacks it, at 1 GFLOP a second."""
    monkeypatch.setattr(kbnet.cli.benchmark, "QUICK_ROUNDS", 2)
    monkeypatch.setitem(kbnet.benchmark.measurement.PRODUCT_SIZE, "cpu", 128)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_benchmark_lays_every_precision_at_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "benchmark.json"
    assert main([*FAST, *INFERENCE, "--output", str(output)]) == 0
    rows = read(output)["inference"]
    assert [(row["engine"], row["precision"]) for row in rows] == [
        ("plain", "float32"),
        ("torch", "float32"),
        ("torch", "bfloat16"),
    ]
    assert rows[0]["times_plain"] == 1
    assert all(row["difference"] <= (row["tolerance"] or 0) for row in rows)
    for row in rows:
        assert row["network_ms_first_decile"] <= row["network_ms"] <= row["network_ms_last_decile"]
        assert row["gflop_per_second"] > 0
    rate = read(output)["matrix_product_gflop_per_second"][0]["float32"]
    assert rows[0]["share_of_matrix_rate"] == pytest.approx(rows[0]["gflop_per_second"] / rate)
    out = capsys.readouterr().out
    assert out.count("40x32") == 3
    assert f"wrote {output}" in out


def test_benchmark_interrupted_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(timed: Any, device: Any, *, rounds: int, warmup: int) -> None:
        take_turns(timed, device, rounds=1, warmup=0)
        raise KeyboardInterrupt

    monkeypatch.setattr(kbnet.benchmark.inference, "take_turns", interrupted)
    output = tmp_path / "benchmark.json"
    assert main([*FAST, *INFERENCE, "--output", str(output)]) == 130
    assert [row["rounds"] for row in read(output)["inference"]] == [1, 1, 1]
    written = capsys.readouterr()
    assert "plain" in written.out
    assert written.err == f"kbnet: interrupted; {output} holds what was measured\n"


def test_benchmark_times_loader_and_steps_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, output = tmp_path / "tiny.toml", tmp_path / "benchmark.json"
    recipe.write_text('batch_size = 2\npose_encoder = "plain"\n[augmentation]\ncrop = [32, 48]\n')
    flags = ["--parts", "training", "--recipe", str(recipe), "--workers", "0", "--output", str(output)]
    assert main([*FAST, *flags]) == 0
    rows = read(output)["training"]
    assert [row["part"] for row in rows] == [
        "loader",
        "step plain",
        "step float32",
        "step bfloat16",
        "loader and step float32",
    ]
    assert all(row["samples_per_second"] > 0 for row in rows)
    kept = {row["part"]: row["memory_mib"] for row in rows}
    assert kept["step bfloat16"] < kept["step float32"] < kept["step plain"]
    assert "tiny" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--sizes", "640"], "such as 640x480, got '640'"),
        (["--rounds", "0"], "at least 1, got 0"),
        (["--batch-sizes", "0"], "batch sizes of at least 1, got 0"),
        (["--sizes", "16x16"], "at least 32 pixels each"),
        (["--device", "nonsense"], "expected a usable device, got 'nonsense'"),
    ],
)
def test_benchmark_refuses_in_one_line(flags: list[str], named: str, one_line_error: Any, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "none.json")]
    assert main(["benchmark", "--device", "cpu", "--parts", "inference", *flags, *output]) == 2
    assert named in one_line_error()
