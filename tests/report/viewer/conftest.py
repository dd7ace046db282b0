"""A small sequence with poses, completed without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kbnet.frame import FloatArray, Frame
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence
from kbnet.report.viewer.completed import Completed, completed_frames

K = np.array([[50, 0, 24], [0, 50, 20], [0, 0, 1]], np.float32)


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    """Three frames of a wall that comes nearer by half a metre a frame; the camera moves along the world's x."""
    with new_sequence(tmp_path / "wall", K) as writer:
        for index in range(3):
            wall, points = np.full((40, 48), 3.0 - 0.5 * index, np.float32), np.zeros((40, 48), np.float32)
            points[::8, ::8] = wall[::8, ::8]
            pose = np.eye(4)
            pose[0, 3] = index
            image = np.full((40, 48, 3), 40 * index, np.uint8)
            writer.add(Frame(image, points, K, wall, name=f"{index}"), pose)
    return Sequence(tmp_path / "wall")


@pytest.fixture
def completed(sequence: Sequence) -> Callable[[int], Completed]:
    """The truth as completed depth, of which the lower half is said to be off by a metre."""

    def complete(frame: Frame) -> tuple[FloatArray, FloatArray]:
        assert frame.ground_truth is not None
        error = np.full(frame.size, 0.01, np.float32)
        error[20:] = 1.0
        return frame.ground_truth, error

    return completed_frames(sequence, complete)
