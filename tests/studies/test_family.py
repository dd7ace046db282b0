"""``python benchmarks/family.py`` on a small room: every network of the family in one table, nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = ("augmentation.crop=[48, 64]", "batch_size=2", "points.count=[100, 200]")


@pytest.fixture
def command(
    load: Callable[[str], Any], room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """One step of every network, whose time is not measured."""
    from studies import equal_compute

    monkeypatch.setattr(load("family"), "RATES", (1e-3,))
    monkeypatch.setattr(equal_compute, "seconds_per_step", lambda configs: dict.fromkeys(configs, 1.0))

    def make(**changes: Any) -> Any:
        settings = {
            "train": (room,),
            "test": (room,),
            "sparse_depth": "sparse_depth",
            "seconds": 1.0,
            "trial_seconds": 1.0,
            "every_frames": 8,
            "rounds": 1,
            "set": SMALL,
            "output": tmp_path / "family",
        }
        return load("family").Command(**{**settings, **changes})

    return make


@pytest.mark.slow
@pytest.mark.usefixtures("plain_engine")
def test_every_network_is_trained_evaluated_and_timed_once(
    command: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(networks=("kbnet", "fusionnet")).run()
    lines = [json.loads(line) for line in (tmp_path / "family" / "results.jsonl").read_text().splitlines()]
    assert [(line["network"], line["steps"], line["parameters"]) for line in lines] == [
        ("kbnet", 1, 6_294_212),  # weights that nothing reads are not stored
        ("fusionnet", 1, 9_622_048),
    ]
    assert all(line["times_linear"]["room"] > 0 for line in lines)
    table = (tmp_path / "family" / "table.md").read_text(encoding="utf-8").splitlines()
    assert table[0] == "| network | parameters | ms a frame | learning rate | steps | room | mean |"
    assert table[2].startswith("| KBNet, as published | 6.3 M |")
    assert "fusionnet/scaffnet: 1 steps" in capsys.readouterr().out

    command(networks=("fusionnet", "kbnet")).run()
    assert "1 steps" not in capsys.readouterr().out


def test_what_is_missing_is_said(command: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="to train on and to test on"):
        command(test=()).run()
