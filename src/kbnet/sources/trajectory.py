"""Where a camera was at any time, between the times at which that was measured."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frame import Float64Array
from kbnet.frames.image_file import read_numbers
from kbnet.sources.clock import to_seconds

LONGEST_GAP_S = 0.25
"""Between two poses farther apart none is interpolated: a motion capture that lost the camera leaves such gaps."""
ROUNDING_S = 1e-6
"""Before the first and after the last pose: rounding of Unix times to float64."""
LARGEST = 1e12
"""Of the numbers of a pose; larger ones are none."""
LONGEST_ERROR = 0.1
"""By which the length of quaternions, the median, may differ from 1."""
_POSITIONS, _QUATERNIONS = ("t{}", "p{}", "{}", "p_RS_R_{}"), ("q{}", "q_{}", "q_RS_{}")
"""What files call x, y, z of a position, and x, y, z, w of a quaternion."""

_OF_BODY = re.compile(r"\s*#.*(p_RS_R_x|\bq\s+p\s+v\b)")
"""Header of EuRoC, whose S is the IMU, and of OpenVINS' state."""


class Trajectory:
    """Poses over time.

    Attributes:
        times: increasing, (N,), seconds.
        of_body: the file says that these are poses of the body (IMU), not of the camera.
    """

    def __init__(
        self, times: Float64Array, positions: Float64Array, quaternions: Float64Array, *, of_body: bool = False
    ) -> None:
        """Sort poses by time.

        Args:
            times: (N,), seconds, in any order; of equal ones the first counts.
            positions: of the camera in the world, (N, 3), metres.
            quaternions: camera to world as x y z w, (N, 4); their length does not matter.

        Raises:
            KBNetError: there is no pose, or a quaternion is zero.
        """
        if not len(times):
            raise KBNetError("expected poses, got none; leave them out, or check the file")
        self.of_body = of_body
        self.times, order = np.unique(times, return_index=True)
        self._positions = positions[order]
        self._rotations = Rotation.from_quat(quaternions[order])

    def at(self, time: float) -> Float64Array | None:
        """``T_world_camera`` at a time, (4, 4), float64: linear between two poses, the rotation along its arc.

        Returns:
            None before the first pose, after the last, and between two more than `LONGEST_GAP_S` apart.
        """
        first, last = self.times[[0, -1]]
        if first - ROUNDING_S <= time <= last + ROUNDING_S:
            time = float(np.clip(time, first, last))
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

    Where a comment names the columns, they may be in another order and may be followed by others, which are ignored:

    - OpenVINS, recorded from a topic: ``time tx ty tz qx qy qz qw Pr11 Pr12 ...``, the covariances;
    - OpenVINS, its whole state: ``time q p v ...``, that is qx qy qz qw tx ty tz. Its q is JPL's from world to body,
      whose numbers are those of Hamilton's from body to world;
    - EuRoC and TUM-VI: ``timestamp [ns], p_RS_R_x [m], ..., q_RS_w [], q_RS_x [], ...``, qw before qx.

    Times may be in nanoseconds.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it holds something else, or no pose.
    """
    numbers = read_numbers(path, "a trajectory", table=True)
    lines = read_text(path, errors="replace").splitlines()
    columns = next(filter(None, map(_named_columns, lines)), None)
    widths = {len(words) for line in lines if (words := line.partition("#")[0].replace(",", " ").split())}
    width = widths.pop() if len(widths) == 1 else 0
    if width <= max(columns or (0,)) or (columns is None and width != 8):
        raise KBNetError(
            f"expected lines of 8 numbers (time tx ty tz qx qy qz qw), got {numbers.size} numbers in {path}; check it, "
            "or name further columns in a first line '# time tx ty tz qx qy qz qw ...'"
        )
    if columns is None and any("," in line.partition("#")[0] for line in lines):
        raise KBNetError(
            f"{path} has commas, as of programs that write qw before qx (VINS), and names no columns; write them as a "
            "first line, '# time tx ty tz qw qx qy qz' or '# time tx ty tz qx qy qz qw'"
        )
    rows = numbers.reshape(-1, width)[:, columns or range(8)]
    known = (np.abs(rows[:, 1:]) < LARGEST).all(axis=1) & np.isfinite(rows[:, 0]) & rows[:, 4:].any(axis=1)
    if not known.all():
        warnings.warn(f"left out: {(~known).sum()} of {len(rows)} rows of {path} that hold no pose", stacklevel=2)
    rows = rows[known]
    length = float(np.median(np.linalg.norm(rows[:, 4:], axis=1))) if len(rows) else 1.0
    if abs(length - 1) > LONGEST_ERROR:
        raise KBNetError(
            f"expected qx qy qz qw of length 1 after time tx ty tz in {path}, got {length:.3g}; correct the order of "
            "its columns, or name them in a first line '# time tx ty tz qx qy qz qw'"
        )
    try:
        times = to_seconds(rows[:, 0], f"times in {path}")
        of_body = columns is not None and any(map(_OF_BODY.match, lines))
        return Trajectory(times, rows[:, 1:4], rows[:, 4:], of_body=of_body)
    except ValueError as error:
        raise KBNetError(f"{path}: {error}") from None


def read_camera_trajectory(path: Path, times: Sequence[float] = ()) -> Trajectory | None:
    """Poses of the camera from a file as :func:`read_tum_trajectory` reads.

    Returns:
        None, with a warning, where none is at the times, or the file says that they are of the body, not the camera.
    """
    trajectory = read_tum_trajectory(path)
    if not trajectory.of_body:
        if not times or any(trajectory.at(time) is not None for time in times):
            return trajectory
        warnings.warn(
            f"no image has a pose: images span {min(times):.3f} to {max(times):.3f} s, {path} "
            f"{trajectory.times[0]:.3f} to {trajectory.times[-1]:.3f} s; check that both have one clock",
            stacklevel=3,
        )
        return None
    warnings.warn(
        f"{path} is not used: its poses are of the body (IMU), as its first line says; multiply each by the camera's "
        "place in the body, and name the columns 'time tx ty tz qx qy qz qw'",
        stacklevel=3,
    )
    return None


def _named_columns(line: str) -> list[int] | None:
    """Where a comment says that time, tx ty tz and qx qy qz qw are; None if it does not."""
    if not line.lstrip().startswith("#"):
        return None
    names = re.sub(r"\[[^][]*\]|\([^()]*\)", "", line.strip(" #\t")).replace(",", " ").split()
    if names[1:3] == ["q", "p"]:
        return [0, 5, 6, 7, 1, 2, 3, 4]
    wanted = [{name.format(axis) for name in _POSITIONS} for axis in "xyz"]
    wanted += [{name.format(axis) for name in _QUATERNIONS} for axis in "xyzw"]
    found = [next((index for index, name in enumerate(names) if name in one), 0) for one in wanted]
    return [0, *found] if all(found) else None
