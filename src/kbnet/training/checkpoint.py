"""The state of a run on disk: enough to go on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from kbnet.atomic import atomic_path

STATE_FILE = "state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to ``folder/state.pt``; an older state stays until the new one is whole."""
    with atomic_path(folder / STATE_FILE) as temporary:
        torch.save(state, temporary)


def load_state(folder: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote, running no code in it.

    Raises:
        FileNotFoundError: the folder holds no state.
        ValueError: the state is damaged.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"expected {STATE_FILE} in the run folder {folder}, but there is none; was it ever trained?"
        )
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged and for unsafe files
        raise ValueError(
            f"{path} is damaged or not a state of kbnet train; start anew from the weights beside it"
        ) from error
    return state
