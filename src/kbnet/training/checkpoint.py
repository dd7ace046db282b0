"""Checkpoint of a training run: writing, reading and restoring everything that a resumed run needs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kbnet.errors import KBNetError
from kbnet.evaluation.metrics import DepthErrors
from kbnet.files import atomic_path
from kbnet.weights.pickle_file import load_pickle
from kbnet.weights.safetensors_file import check_dense, check_finite, misfit

STATE_FILE = "state.pt"
STATE_TYPES: dict[str, tuple[type, ...]] = {
    "step": (int,),
    "step_module": (dict,),
    "optimizer": (dict,),
    "best": (dict, type(None)),
    "average": (dict, type(None)),
}
"""Keys of a state and the types of their values."""

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of every parameter, besides the number of its steps."""
RESUMED_OPTIMIZER_SETTINGS = {
    "weight_decay": "weight_decay",
    "betas": "second_moment_decay",
}
"""Values of a parameter group that a resumed run must keep, and the settings of the config that they come from."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to ``folder/state.pt``; an older state is kept until the new one is complete.

    Raises:
        OSError: the file cannot be written, for example because the disk is full.
    """
    with atomic_path(folder / STATE_FILE, durable=True) as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(state, file)
        except RuntimeError as error:  # torch's own, in place of that of the file
            raise error.__context__ or error from None


def check_no_run(folder: Path, weights: str) -> None:
    """Refuse a folder with a state or weights, which a new run would replace.

    Raises:
        KBNetError: there are some.
    """
    for name, resume in ((STATE_FILE, f"go on with --resume {folder}, or "), (weights, "")):
        if (folder / name).exists():
            raise KBNetError(f"{folder} holds a run already ({name}); {resume}choose another --output")


def load_state(folder: Path) -> dict[str, Any]:
    """Read a state from :func:`save_state`, without running code in it.

    Raises:
        FileNotFoundError: the folder holds no state.
        KBNetError: the state is damaged, or the file holds something else.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"expected {STATE_FILE} in the run folder {folder}, but there is none; was it ever trained?"
        )
    try:
        state: dict[str, Any] = load_pickle(path)
    except Exception as error:  # torch raises many types for damaged and unsafe files
        raise KBNetError(
            f"{path} is damaged or not a state of kbnet train; start anew from the weights beside it"
        ) from error
    if not isinstance(state, dict) or not state.keys() >= STATE_TYPES.keys():
        raise KBNetError(
            f"expected {', '.join(sorted(STATE_TYPES))} in {path}, but it is not a state of kbnet train; "
            "start anew from the weights beside it"
        )
    for key, types in STATE_TYPES.items():
        if not isinstance(state[key], types) or isinstance(state[key], bool):
            raise KBNetError(
                f"expected {key} of type {types[0].__name__} in {path}, got {type(state[key]).__name__}; the file is "
                "damaged: start anew from the weights beside it"
            )
    if state["step"] < 0:
        raise KBNetError(f"expected a step of at least 0 in {path}, got {state['step']}; the file is damaged")
    if state["step"] and state["optimizer"].get("state") == {}:
        raise KBNetError(
            f"expected moments of the optimiser after step {state['step']} in {path}, got none; the file is damaged: "
            "start anew from the weights beside it"
        )
    return state


def restore_weights(module: nn.Module, tensors: dict[str, Any], folder: Path) -> None:
    """Load the weights of a state into a module.

    Raises:
        KBNetError: they are of another network, or hold NaN.
    """
    try:
        check_dense(tensors, str(folder / STATE_FILE))
        module.load_state_dict(tensors)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise KBNetError(f"the state in {folder} is of another network; resume with its config") from error
    check_finite(module.state_dict(), str(folder / STATE_FILE))


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any], folder: Path) -> None:
    """Load the moments and parameter groups of a state into an optimiser.

    Raises:
        KBNetError: the state is damaged, of an older version, or of other settings of the optimiser.
    """
    groups = state.get("param_groups")
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise KBNetError(f"{folder / STATE_FILE} is damaged (no param_groups); start anew from the weights beside it")
    if len(groups) != len(optimizer.param_groups):
        raise KBNetError(f"the state in {folder} is of another version of kbnet; start from its last.safetensors")
    names = ", ".join(RESUMED_OPTIMIZER_SETTINGS.values())
    remedy = f"resume with the {names} of {folder / 'config.toml'}"
    for saved, group in zip(groups, optimizer.param_groups, strict=True):
        for key, setting in RESUMED_OPTIMIZER_SETTINGS.items():
            if repr(saved.get(key)) != repr(group[key]):  # a tensor has no truth
                raise KBNetError(
                    f"expected {setting} as in the state in {folder}, got another value "
                    f"({key} {group[key]}, in the state {saved.get(key)}); {remedy}"
                )
    try:
        _check_moments(optimizer, state["state"], str(folder / STATE_FILE))
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state["state"]})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise KBNetError(
            f"{folder / STATE_FILE} does not fit the optimiser ({error}); start anew from the weights beside it"
        ) from error


def _check_moments(optimizer: torch.optim.Optimizer, moments: dict[int, dict[str, Tensor]], origin: str) -> None:
    """Check that parameters have whole moments of their shape: torch takes any, and fails at the next step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, of_one in moments.items():
        expected = {name: tuple(parameters[index].shape) for name in MOMENTS} | {"step": ()}
        if described := misfit(expected, of_one):
            raise KBNetError(f"moments of parameter {index}: {described}")
        check_dense(of_one, origin)
        check_finite(of_one, origin)
        if of_one["step"] < 0:
            raise KBNetError(f"step {of_one['step']} of parameter {index}")


def restored_errors(values: dict[str, Any] | None, folder: Path) -> DepthErrors | None:
    """Best validation errors of a state; None before the first validation.

    Raises:
        KBNetError: the values are not those of the errors.
    """
    if values is None:
        return None
    known = {"mare": None} | values  # states of older versions have no mare
    names = {field.name for field in fields(DepthErrors)}
    numbers = [value for name, value in known.items() if name != "mare" or value is not None]
    if known.keys() != names or not all(isinstance(value, float) and value >= 0 for value in numbers):
        raise KBNetError(
            f"expected errors as numbers as best in {folder / STATE_FILE}, got {values}; "
            "start anew from the weights beside it"
        )
    return DepthErrors(**known)
