"""Where a camera was at any time, between the times at which that was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from kbnet.data.image_file import read_numbers

Floats = NDArray[np.float64]

LONGEST_GAP_S = 0.25
"""Between two poses farther apart none is interpolated: a motion capture that lost the camera leaves such gaps."""


class Trajectory:
    """Poses over time.

    Attributes:
        times: increasing, (N,), seconds.
    """

    def __init__(self, times: Floats, positions: Floats, quaternions: Floats) -> None:
        """Sort poses by time.

        Args:
            times: (N,), seconds, in any order; of equal ones the first counts.
            positions: of the camera in the world, (N, 3), metres.
            quaternions: camera to world as x y z w, (N, 4); their length does not matter.

        Raises:
            ValueError: there is no pose, or a quaternion is zero.
        """
        if not len(times):
            raise ValueError("expected poses, got none; leave them out, or check the file")
        self.times, order = np.unique(times, return_index=True)
        self._positions = positions[order]
        self._rotations = Rotation.from_quat(quaternions[order])

    def at(self, time: float) -> Floats | None:
        """``T_world_camera`` at a time, (4, 4), float64: linear between two poses, the rotation along its arc.

        Returns:
            None before the first pose, after the last, and between two more than `LONGEST_GAP_S` apart.
        """
        after = int(np.searchsorted(self.times, time))
        if after == len(self.times):
            return None
        exact = bool(self.times[after] == time)
        if not exact and (after == 0 or self.times[after] - self.times[after - 1] > LONGEST_GAP_S):
            return None
        pair = [after, after] if exact else [after - 1, after]
        share = 0.0 if exact else (time - self.times[pair[0]]) / (self.times[pair[1]] - self.times[pair[0]])
        T_world_camera = np.eye(4)
        T_world_camera[:3, :3] = Slerp([0, 1], self._rotations[pair])(share).as_matrix()
        T_world_camera[:3, 3] = (1 - share) * self._positions[pair[0]] + share * self._positions[pair[1]]
        return T_world_camera


def read_tum_trajectory(path: str | Path) -> Trajectory:
    """Read poses as TUM RGB-D and most odometries write them: ``time tx ty tz qx qy qz qw`` a line, ``#`` comments.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else, or no pose.
    """
    numbers = read_numbers(path, "a trajectory")
    if numbers.size == 0 or numbers.size % 8:
        raise ValueError(
            f"expected lines of 8 numbers (time tx ty tz qx qy qz qw), got {numbers.size} numbers in {path}; check it"
        )
    rows = numbers.reshape(-1, 8)
    try:
        return Trajectory(rows[:, 0], rows[:, 1:4], rows[:, 4:])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
