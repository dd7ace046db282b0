"""Recorded arrays of ``shared/golden``, and their arrays as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = Mapping[str, NDArray[Any]]


class Recording(dict[str, NDArray[Any]]):
    """The arrays of one file, which remembers those that were looked at."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            super().__init__({name: arrays[name] for name in arrays})
        self.unread = set(self)

    def __getitem__(self, name: str) -> NDArray[Any]:
        self.unread.discard(name)
        return super().__getitem__(name)


def images(array: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) or (B, H, W, 3), uint8, to (B, 3, H, W) in 0..1."""
    return torch.from_numpy(array.reshape(-1, *array.shape[-3:])).permute(0, 3, 1, 2).contiguous().float() / 255


def maps(array: NDArray[np.float32]) -> Tensor:
    """(H, W) or (B, H, W) to (B, 1, H, W)."""
    return torch.from_numpy(array.reshape(-1, 1, *array.shape[-2:]))


def matrix(array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(array)[None]


def error_of_largest(value: Tensor, recorded: NDArray[np.float32]) -> float:
    """Largest difference, as a part of the largest recorded value."""
    return float(np.abs(value.detach().numpy() - recorded).max() / np.abs(recorded).max())
