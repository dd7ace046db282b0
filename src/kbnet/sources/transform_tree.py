"""Frames of a robot and how they lie to each other over time, as ROS keeps them (TF)."""

from __future__ import annotations

from array import array
from collections import defaultdict
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kbnet.frame import Float64Array
from kbnet.sources.trajectory import Trajectory

ALWAYS = float("-inf")
"""The time of a transform that does not change."""
_POSE = 8
"""Numbers in a pose: time, position, quaternion."""


class TransformTree:
    """Every frame has at most one parent; the transform to it is fixed, or a trajectory."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        # Time, position, quaternion, as plain numbers: hours of a robot are millions of poses.
        self._poses: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._motions: dict[str, Trajectory | Float64Array] = {}

    @property
    def frames(self) -> list[str]:
        """Names of all frames, sorted."""
        return sorted({*self._parents, *self._parents.values()})

    def add(
        self,
        parent: str,
        child: str,
        position: NDArray[np.floating],
        quaternion: NDArray[np.floating],
        time: float = ALWAYS,
    ) -> None:
        """Say how a frame lies in its parent; what was said of another parent of it is forgotten.

        Args:
            position: of the child's origin in the parent, (3,), metres.
            quaternion: rotation from child to parent, x y z w; one of zeros says nothing.
            time: seconds, or `ALWAYS`.
        """
        if not np.linalg.norm(quaternion) > 0:
            return
        if self._parents.get(child) != parent:
            self._parents[child] = parent
            self._poses[child] = array("d")
        self._poses[child].extend((time, *position, *quaternion))
        self._motions.pop(child, None)

    def update(self, other: TransformTree) -> None:
        """Add what another tree says; of a frame that has another parent there, that parent counts."""
        for child, parent in other._parents.items():
            if self._parents.get(child) != parent:
                self._parents[child] = parent
                self._poses[child] = array("d")
            self._poses[child].extend(other._poses[child])
            self._motions.pop(child, None)

    def moves(self, child: str) -> bool:
        """Whether the transform of a frame to its parent was given for times, not for good."""
        return child in self._parents and self._poses[child][-_POSE] != ALWAYS

    def lineage(self, frame: str) -> list[str]:
        """A frame and those above it, nearest first, at whatever time."""
        found = [frame]
        while found[-1] in self._parents and self._parents[found[-1]] not in found:
            found.append(self._parents[found[-1]])
        return found

    def ancestors(self, frame: str, time: float) -> dict[str, Float64Array]:
        """A frame and those above it, nearest first, as far as the transforms at that time are known.

        Returns:
            Of each, ``T_ancestor_frame``, (4, 4), metres.
        """
        found: dict[str, Float64Array] = {frame: np.eye(4)}
        for child, parent in pairwise(self.lineage(frame)):
            step = self._at(child, time)
            if step is None:
                break
            found[parent] = step @ found[child]
        return found

    def between(self, target: str, target_time: float, source: str, source_time: float) -> Float64Array | None:
        """How the source lay at its time, seen from the target at its own time.

        Goes through the highest frame that both are known in, so the motion of a robot between the two times is
        taken into account where it was measured.

        Returns:
            ``T_target_source``, (4, 4), metres; None where no frame is known in which both lie.
        """
        above_source, above_target = self.ancestors(source, source_time), self.ancestors(target, target_time)
        shared = [frame for frame in above_target if frame in above_source]
        if not shared:
            return None
        return np.asarray(np.linalg.solve(above_target[shared[-1]], above_source[shared[-1]]), np.float64)

    def _at(self, child: str, time: float) -> Float64Array | None:
        if child not in self._motions:
            self._motions[child] = self._motion(child)
        motion = self._motions[child]
        return motion.at(time) if isinstance(motion, Trajectory) else motion

    def _motion(self, child: str) -> Trajectory | Float64Array:
        """How a frame moves in its parent; what says the same at all times holds between and beyond them too."""
        poses = np.array(self._poses[child]).reshape(-1, _POSE)
        if self.moves(child) and np.ptp(poses[:, 1:], axis=0).any():
            return Trajectory(poses[:, 0], poses[:, 1:4], poses[:, 4:])
        transform: Float64Array = np.eye(4)
        transform[:3, :3], transform[:3, 3] = Rotation.from_quat(poses[-1, 4:]).as_matrix(), poses[-1, 1:4]
        return transform
