"""Voxel cloud: the points of many frames, averaged in voxels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, ImageArray, IntArray
from kbnet.report.fusion.view import DepthView

_BITS = 21
"""Bits of a voxel's index along each axis; three indices make a key of 63 bits."""

DETAIL = 0.015
"""Default edge of a voxel, as a share of the median depth."""


def fitting_voxel(depth: FloatArray) -> float:
    """Default edge of a voxel: 1, 2 or 5 times a power of ten, about 1.5 % of the median depth.

    Args:
        depth: depth of a frame, (H, W), metres; 0 = unmeasured.

    Returns:
        Edge, metres.

    >>> fitting_voxel(np.array([0.0, 1.9, 2.1])), fitting_voxel(np.array([14.0]))
    (0.02, 0.2)
    """
    measured = depth[depth > 0]
    wanted = DETAIL * float(np.median(measured)) if measured.size else 0.02
    power = math.floor(math.log10(wanted))
    return min((float(f"{digit}e{power}") for digit in (1, 2, 5, 10)), key=lambda edge: abs(math.log(edge / wanted)))


class VoxelCloud:
    """Cloud with at most one point per voxel; memory grows with the surface, not with the number of frames.

    Args:
        voxel: edge of a voxel, metres.

    Raises:
        KBNetError: the edge is not positive.

    Example:
        >>> cloud = VoxelCloud(0.1)
        >>> near, other = np.array([[0.02, 0, 1], [0.04, 0, 1]]), np.array([[0.06, 0, 1], [0.9, 0, 1]])
        >>> cloud.add_points(near, np.array([[0, 0, 0], [200, 0, 0]], np.uint8))
        >>> cloud.add_points(other, np.array([[100, 0, 0], [9, 9, 9]], np.uint8))
        >>> points, colours = cloud.points(seen=2)
        >>> points.astype(float).round(3).tolist(), colours.tolist()
        ([[0.04, 0.0, 1.0]], [[100, 0, 0]])
    """

    def __init__(self, voxel: float) -> None:
        if not voxel > 0:
            raise KBNetError(f"expected voxels with an edge of more than 0 m, got {voxel:g}; 0.02 suits a room")
        self.voxel = voxel
        self._cubes: IntArray = np.empty(0, np.int64)
        # For each voxel: number of points, number of frames, and sums of x, y, z, red, green, blue.
        self._sums: Float64Array = np.empty((0, 8))

    def __len__(self) -> int:
        """Number of voxels with a point."""
        return len(self._cubes)

    def add(self, view: DepthView) -> None:
        """Add the points of one frame, see :meth:`add_points`."""
        self.add_points(*view.points())

    def add_points(self, points: NDArray[np.floating], colours: ImageArray) -> None:
        """Add the points of one frame.

        Args:
            points: (N, 3), metres, in the world.
            colours: RGB, (N, 3), uint8.
        """
        if not len(points):
            return
        cubes, which = np.unique(self._numbers(points), return_inverse=True)
        columns = [np.ones(len(points)), *points.T, *colours.T]
        sums = np.stack([np.bincount(which, column, len(cubes)) for column in columns], axis=1)
        sums = np.insert(sums, 1, 1.0, axis=1)
        at = np.searchsorted(self._cubes, cubes)
        known = np.zeros(len(cubes), np.bool_)
        inside = at < len(self._cubes)
        known[inside] = self._cubes[at[inside]] == cubes[inside]
        self._sums[at[known]] += sums[known]
        self._cubes = np.insert(self._cubes, at[~known], cubes[~known])
        self._sums = np.insert(self._sums, at[~known], sums[~known], axis=0)

    def points(self, seen: int = 1) -> tuple[FloatArray, ImageArray]:
        """Cloud of the mean point and colour of each voxel.

        Args:
            seen: least number of frames with a point in a voxel.

        Returns:
            Points, (N, 3), float32 metres, and their colours, (N, 3), uint8.
        """
        sums = self._sums[self._sums[:, 1] >= seen]
        means = sums[:, 2:] / sums[:, :1]
        return means[:, :3].astype(np.float32), np.rint(means[:, 3:]).astype(np.uint8)

    def _numbers(self, points: NDArray[np.floating]) -> IntArray:
        half = 1 << (_BITS - 1)
        along = np.floor(points / self.voxel)
        if np.abs(along).max() >= half:
            raise KBNetError(
                f"expected points within {half * self.voxel:.0f} m of the world's origin for voxels of "
                f"{self.voxel:g} m, got one {np.abs(points).max():.0f} m away; choose larger voxels, or check the poses"
            )
        x, y, z = (along.astype(np.int64) + half).T
        numbers: IntArray = (x << (2 * _BITS)) | (y << _BITS) | z
        return numbers
