"""The gap to the neighbours follows from how far the camera moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kbnet.frames.sequence import Sequence
from kbnet.training.neighbour_gap import Gap, choose_gap

WriteSequence = Callable[..., Path]


@pytest.fixture
def moving(write_sequence: WriteSequence) -> Callable[[float], Sequence]:
    """24 frames of a wall 2 m ahead, past which the camera goes so many metres a frame."""

    def make(step: float) -> Sequence:
        folder = write_sequence(frames=24)
        for index in range(24):
            pose = np.eye(4)
            pose[0, 3] = step * index
            np.savetxt(folder / "absolute_pose" / f"{index:04}.txt", pose)
        return Sequence(folder)

    return make


@pytest.mark.parametrize(("step", "gap"), [(0.06, 3), (0.15, 1), (0.5, 1), (0.001, 6)])
def test_the_widest_gap_within_a_tenth_of_the_depth(moving: Callable[[float], Sequence], step: float, gap: int) -> None:
    chosen = choose_gap(moving(step))
    assert chosen.frames == gap
    assert chosen.baseline == pytest.approx(gap * step / 2)


def test_a_given_gap_is_measured_too(moving: Callable[[float], Sequence]) -> None:
    assert choose_gap(moving(0.1), 4) == Gap(4, pytest.approx(0.2))


def test_without_poses_the_next_frame_is_the_neighbour(write_sequence: WriteSequence) -> None:
    sequence = Sequence(write_sequence(poses=False))
    assert choose_gap(sequence) == Gap(1)
    assert choose_gap(sequence, 2) == Gap(2)


def test_frames_without_a_pose_are_passed_over(moving: Callable[[float], Sequence]) -> None:
    sequence = moving(0.06)
    for index in (3, 4, 11):
        (sequence.folder / "absolute_pose" / f"{index:04}.txt").unlink()
    assert choose_gap(sequence) == Gap(3, pytest.approx(0.09))
