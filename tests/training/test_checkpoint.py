"""The state of a run on disk."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from fuzz.limits import largest_file

from kbnet.errors import KBNetError
from kbnet.training.checkpoint import (
    STATE_FILE,
    load_state,
    restore_optimizer,
    restore_weights,
    restored_errors,
    save_state,
)


def test_state_comes_back(tmp_path: Path) -> None:
    state = {
        "step": 3,
        "best": None,
        "average": None,
        "step_module": {"a": torch.arange(3.0)},
        "optimizer": {"groups": [{"lr": 1e-4, "betas": (0.9, 0.999)}]},
    }
    save_state(tmp_path / "run", state)
    loaded = load_state(tmp_path / "run")
    assert torch.equal(loaded["step_module"].pop("a"), state["step_module"].pop("a"))  # type: ignore[attr-defined]
    assert loaded == state


def test_a_failed_save_keeps_the_older_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"step": 1, "best": None, "average": None, "step_module": {}, "optimizer": {}}
    save_state(tmp_path, state)

    def fail(state: Any, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_state(tmp_path, {**state, "step": 2})
    assert load_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_a_missing_state_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"state\.pt in the run folder .*; was it ever trained\?"):
        load_state(tmp_path)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    save_state(tmp_path, {"weights": torch.zeros(1000)})
    (tmp_path / STATE_FILE).write_bytes((tmp_path / STATE_FILE).read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"state\.pt is damaged"):
        load_state(tmp_path)


def test_code_in_a_state_is_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    save_state(tmp_path, {"step": Payload()})
    with pytest.raises(ValueError, match="damaged or not a state"):
        load_state(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{"weight": 1}, [3]])
def test_something_else_in_the_place_of_a_state_is_refused(tmp_path: Path, content: Any) -> None:
    save_state(tmp_path, content)
    with pytest.raises(ValueError, match=r"step_module in .*state\.pt, but it is not a state of kbnet train"):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("step", "3", "expected step of type int in .*, got str"),
        ("step", True, "expected step of type int in .*, got bool"),
        ("step", -1, "expected a step of at least 0 in .*, got -1"),
        ("step_module", [1], "expected step_module of type dict in .*, got list"),
        ("optimizer", None, "expected optimizer of type dict in .*, got NoneType"),
        ("best", 1.0, "expected best of type dict in .*, got float"),
        ("average", "none", "expected average of type dict in .*, got str"),
    ],
)
def test_a_state_with_values_of_another_type_is_one_line(tmp_path: Path, key: str, value: Any, message: str) -> None:
    state = {"step": 1, "best": None, "average": None, "step_module": {}, "optimizer": {}}
    save_state(tmp_path, {**state, key: value})
    with pytest.raises(KBNetError, match=message):
        load_state(tmp_path)


def test_best_errors_of_a_state_are_numbers(tmp_path: Path) -> None:
    assert restored_errors(None, tmp_path) is None
    names = ("mae_mm", "rmse_mm", "imae_per_km", "irmse_per_km")
    errors = restored_errors(dict.fromkeys(names, 1.0), tmp_path)
    assert errors is not None
    assert (errors.mae_mm, errors.mare) == (1.0, None)
    assert restored_errors(asdict(errors), tmp_path) == errors
    assert restored_errors({**asdict(errors), "mare": 0.5}, tmp_path) == replace(errors, mare=0.5)
    for values in (
        {"mae_mm": 1.0},
        dict.fromkeys(names, "1"),
        {**asdict(errors), "mare": "1"},
        dict.fromkeys(names, float("nan")),
    ):
        with pytest.raises(KBNetError, match="expected errors as numbers as best"):
            restored_errors(values, tmp_path)


def test_weights_of_a_state_are_finite(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 1)
    restore_weights(module, module.state_dict(), tmp_path)
    with pytest.raises(KBNetError, match=r"expected finite weights, but .*state\.pt holds NaN or infinity in weight"):
        restore_weights(module, {**module.state_dict(), "weight": torch.full((1, 2), torch.nan)}, tmp_path)


def test_groups_of_a_damaged_optimizer_state_are_one_line(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.AdamW([parameter])
    good = optimizer.state_dict()
    odd = {**good["param_groups"][0], "betas": (torch.zeros(2), torch.zeros(2))}
    with pytest.raises(KBNetError, match="expected second_moment_decay as in the state"):
        restore_optimizer(optimizer, {**good, "param_groups": [odd]}, tmp_path)
    for state in ({}, {"param_groups": [3]}, {**good, "state": 3}):
        with pytest.raises(KBNetError, match=r"state\.pt"):
            restore_optimizer(optimizer, state, tmp_path)
    restore_optimizer(optimizer, good, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exp_avg", torch.zeros(7)),
        ("exp_avg", torch.zeros(1, dtype=torch.float64).expand(2**35)),
        ("exp_avg", torch.zeros(2).to_sparse()),
        ("exp_avg", torch.zeros(2, device="meta")),
        ("exp_avg_sq", torch.tensor([0.0, torch.nan])),
        ("exp_avg_sq", None),
        ("step", torch.zeros(2)),
        ("step", torch.tensor(-5.0)),
    ],
)
def test_moments_that_the_optimizer_would_fail_with_are_one_line(tmp_path: Path, name: str, value: Any) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    for moments in ({0: {**state["state"][0], name: value}}, {0: {"step": torch.ones(())}}, {1: state["state"][0]}):
        with pytest.raises(KBNetError, match="does not fit the optimiser"):
            restore_optimizer(optimizer, {**state, "state": moments}, tmp_path)


def test_a_state_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with largest_file(20_000), pytest.raises(OSError, match=rf"File too large; .*: '{tmp_path}/{STATE_FILE}'"):
        save_state(tmp_path, {"step": 1, "step_module": {"a": torch.zeros(100_000)}})
    assert not list(tmp_path.iterdir())


def test_a_state_without_the_moments_of_its_steps_is_refused(tmp_path: Path) -> None:
    state = {"step": 0, "best": None, "average": None, "step_module": {}, "optimizer": {"state": {}}}
    save_state(tmp_path, state)
    assert load_state(tmp_path) == state
    save_state(tmp_path, {**state, "step": 3})
    with pytest.raises(KBNetError, match=r"expected moments of the optimiser after step 3 .*, got none"):
        load_state(tmp_path)
