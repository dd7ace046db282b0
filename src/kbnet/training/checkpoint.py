"""The state of a run on disk: enough to go on as if it had never stopped."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import torch

from kbnet.errors import KBNetError
from kbnet.files import atomic_path

STATE_FILE = "state.pt"
KEYS = frozenset({"step", "step_module", "optimizer", "best", "average"})
"""What a state holds."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to ``folder/state.pt``; an older state stays until the new one is whole.

    Raises:
        OSError: it cannot be written, as where the disk is full.
    """
    with atomic_path(folder / STATE_FILE, durable=True) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # all that torch says of a write that failed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def load_state(folder: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote, running no code in it.

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
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged and for unsafe files
        raise KBNetError(
            f"{path} is damaged or not a state of kbnet train; start anew from the weights beside it"
        ) from error
    if not isinstance(state, dict) or not state.keys() >= KEYS:
        raise KBNetError(
            f"expected {', '.join(sorted(KEYS))} in {path}, but it is not a state of kbnet train; "
            "start anew from the weights beside it"
        )
    return state
