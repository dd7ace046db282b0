"""``python benchmarks/accuracy.py`` on a small room: what it writes, and that it does nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies.learning import Snapshot
from studies.standing import mean_ratios, standings

from kbnet.evaluation.metrics import DepthErrors
from kbnet.evaluation.summary import SummaryRow
from kbnet.interruption import Interrupted
from kbnet.training.config import TrainingConfig

Load = Callable[[str], Any]


def row(method: str, mae_mm: float, *, sparse_depth: str = "many", sequence: str = "room") -> SummaryRow:
    errors = DepthErrors(mae_mm, 2 * mae_mm, 1.0, 2.0)
    return SummaryRow(method, sparse_depth, sequence, 3, errors, errors, None, 0)


BASELINES = [row("nearest", 200), row("linear", 100), row("nearest", 500, sparse_depth="few")]
BASELINES += [row("linear", 400, sparse_depth="few")]


def test_standings_take_seeds_together_beside_interpolation() -> None:
    seeds = [[row("kbnet", 80), row("kbnet", 400, sparse_depth="few")], [row("kbnet", 60)]]
    found = standings(BASELINES, {"ours": seeds})
    assert [(one.sparse_depth, one.method, one.seeds) for one in found] == [
        ("many", "nearest", 1),
        ("many", "linear", 1),
        ("many", "ours", 2),
        ("few", "nearest", 1),
        ("few", "linear", 1),
        ("few", "ours", 1),
    ]
    ours = found[2]
    assert (ours.mean.mae_mm, ours.ratio) == (70.0, 0.7)
    assert ours.std is not None
    assert ours.std.mae_mm == 10.0
    assert found[5].std is None


def test_mean_ratios_count_every_kind_of_points_alike() -> None:
    rows = [row("kbnet", 80), row("kbnet", 200, sparse_depth="few"), row("kbnet", 1, sequence="elsewhere")]
    assert mean_ratios(rows, BASELINES) == {"room": pytest.approx((0.8 + 0.5) / 2)}


@pytest.mark.usefixtures("plain_engine")
def test_command_trains_judges_and_does_nothing_twice(
    load: Load, room: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faster.toml").write_text('base = "tiny.toml"\n[schedule]\nlearning_rates = [3e-3]\n', encoding="utf-8")
    output = tmp_path / "out"
    command = load("accuracy").Command(
        recipes=(recipe, tmp_path / "faster.toml"),
        train=(room,),
        test=(room,),
        seeds=(1,),
        steps=4,
        snapshots=2,
        every_frames=4,
        set=("losses.smoothness=0.1",),
        device="cpu",
        output=output,
    )
    command.run()
    said = capsys.readouterr().out
    assert "step 4/4" in said
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")
    written = (output / "results.json").read_text(encoding="utf-8")
    results = json.loads(written)
    assert results["made_with"]["versions"]["torch"]
    assert [(run["recipe"], run["seed"]) for run in results["runs"]] == [("tiny", 1), ("faster", 1)]
    for run in results["runs"]:
        assert run["config"]["losses"]["smoothness"] == 0.1
        assert [stage["step"] for stage in run["stages"]] == [2, 4]
    lines = (output / "table.txt").read_text(encoding="utf-8").splitlines()
    methods = [line.split()[2] for line in lines if line.strip().startswith("sparse_depth ")]
    assert methods == ["nearest", "linear", "tiny", "faster"]

    command.run()
    assert "step" not in capsys.readouterr().out.replace("steps", "").replace("ms/step", "")
    again = json.loads((output / "results.json").read_text(encoding="utf-8"))
    assert again["runs"] == results["runs"]


@pytest.mark.usefixtures("plain_engine")
def test_command_plans_steps_by_the_time_that_each_takes(
    load: Load, room: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studies import equal_compute

    (tmp_path / "slow.toml").write_text('base = "tiny.toml"\n[augmentation]\ncrop = [60, 80]\n', encoding="utf-8")
    monkeypatch.setattr(equal_compute, "seconds_per_step", lambda configs: {"tiny": 0.25, "slow": 0.5})
    output = tmp_path / "out"
    command = load("accuracy").Command(
        recipes=(recipe, tmp_path / "slow.toml"),
        train=(room,),
        test=(room,),
        seconds=1.5,
        snapshots=1,
        every_frames=8,
        device="cpu",
        output=output,
    )
    command.run()
    runs = json.loads((output / "results.json").read_text(encoding="utf-8"))["runs"]
    assert {run["recipe"]: run["config"]["schedule"]["steps"] for run in runs} == {"tiny": 6, "slow": 3}
    assert {run["recipe"]: run["config"]["schedule"]["warmup_steps"] for run in runs} == {"tiny": 2, "slow": 1}
    assert not (output / "curves.png").exists()


@pytest.mark.usefixtures("plain_engine")
def test_command_shows_what_is_there_when_interrupted_and_leaves_out_what_diverged(
    load: Load,
    room: Path,
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of three recipes the first diverges, the second is trained, and Ctrl-C comes in the third."""
    from studies import study

    def learn(config: TrainingConfig, *arguments: Any) -> list[Snapshot]:
        if config.output.parent.name == "diverging":
            raise FloatingPointError("the loss of step 3 is nan")
        if config.output.parent.name == "late":
            raise Interrupted("stopped at step 1")
        return train_it(config, *arguments)

    train_it = study.learn
    monkeypatch.setattr(study, "learn", learn)
    for name in ("diverging", "late"):
        (tmp_path / f"{name}.toml").write_text('base = "tiny.toml"\n', encoding="utf-8")
    command = load("accuracy").Command(
        recipes=(tmp_path / "diverging.toml", recipe, tmp_path / "late.toml"),
        train=(room,),
        test=(room,),
        steps=1,
        every_frames=8,
        device="cpu",
        output=tmp_path / "out",
    )
    with pytest.raises(SystemExit) as stop:
        command.run()
    assert stop.value.code == 130
    said = capsys.readouterr().out
    assert "left out: the loss of step 3 is nan" in said
    assert "wrote results.json" in said
    assert [run["recipe"] for run in json.loads((tmp_path / "out" / "results.json").read_text())["runs"]] == ["tiny"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 3, "seconds": 2.0}, "got both"),
        ({"recipes": ()}, "expected recipes"),
        ({"recipes": (Path("recipe.json"),)}, "as .toml files"),
        ({"set": ("schedule.decay=linear",)}, "in --set"),
    ],
)
def test_command_says_what_is_wrong(
    load: Load, room: Path, recipe: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    arguments = {"recipes": (recipe,), "train": (room,), "test": (room,), "output": tmp_path / "out", **changes}
    with pytest.raises(ValueError, match=message):
        load("accuracy").Command(**arguments).run()
