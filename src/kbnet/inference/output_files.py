"""Kinds of files that are written for every completed frame."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kbnet.files import atomic_path
from kbnet.frame import FloatArray, Frame
from kbnet.frames.depth_png import UNITS_PER_METRE, write_depth_png


class CompletedFrame(NamedTuple):
    """A frame with its dense depth, (H, W), float32 metres, and the expected error of it, if that was asked for."""

    frame: Frame
    depth: FloatArray
    expected_error: FloatArray | None


@dataclass(frozen=True)
class FileKind:
    """A file of every frame: ``<folder>/<frame><suffix>``.

    Attributes:
        write: writes the file, whole or not at all. A function of a module, since worker processes get it.
    """

    folder: str
    suffix: str
    write: Callable[[Path, CompletedFrame], None]
    needs_error: bool = False


def _write_depth(path: Path, completed: CompletedFrame) -> None:
    write_depth_png(path, completed.depth)


def _write_npy(path: Path, completed: CompletedFrame) -> None:
    content = io.BytesIO()  # NumPy does not say why it cannot write a file
    np.save(content, completed.depth)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _write_confidence(path: Path, completed: CompletedFrame) -> None:
    assert completed.expected_error is not None
    # Never 0, which means unmeasured in a depth map.
    write_depth_png(path, np.maximum(completed.expected_error, np.float32(1 / UNITS_PER_METRE)))


DEPTH = FileKind("depth", ".png", _write_depth)
NPY = FileKind("npy", ".npy", _write_npy)
CONFIDENCE = FileKind("confidence", ".png", _write_confidence, needs_error=True)
