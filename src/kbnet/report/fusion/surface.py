"""Surface fusion: a truncated signed distance function (Curless and Levoy, 1996) by Open3D."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray, ImageArray
from kbnet.report.fusion.view import DepthView

TRUNCATION = 4.0
"""Truncation distance, voxels."""

BLOCK = 8
"""Voxels along the edge of an allocated block."""


class Surface:
    """Truncated signed distance function on the voxels near measured surfaces.

    Args:
        voxel: edge of a voxel, metres.

    Raises:
        ModuleNotFoundError: Open3D is not installed.
    """

    def __init__(self, voxel: float) -> None:
        import open3d as o3d

        self.voxel = voxel
        self._o3d: Any = o3d
        one, three = (1,), (3,)
        self._grid = self._o3d.t.geometry.VoxelBlockGrid(
            attr_names=("tsdf", "weight", "color"),
            attr_dtypes=(self._o3d.core.float32,) * 3,
            attr_channels=(one, one, three),
            voxel_size=voxel,
            block_resolution=BLOCK,
            block_count=4096,
        )

    def add(self, view: DepthView) -> None:
        if not view.depth.any():
            return
        depth = self._image(view.depth)
        colour = self._image((view.image / 255).astype(np.float32))
        K = view.intrinsics.astype(np.float64)
        # Open3D truncates pixel coordinates, which assumes pixel centres at halves.
        K[:2, 2] += 0.5
        intrinsics, T_camera_world = map(self._o3d.core.Tensor, (K, np.linalg.inv(view.T_world_camera)))
        limits = (1.0, float(view.depth.max()) + self.voxel, TRUNCATION)
        blocks = self._grid.compute_unique_block_coordinates(depth, intrinsics, T_camera_world, *limits)
        self._grid.integrate(blocks, depth, colour, intrinsics, intrinsics, T_camera_world, *limits)

    def mesh(self, seen: int = 1) -> tuple[FloatArray, ImageArray, NDArray[np.int32]]:
        """Extract the surface as triangles.

        Args:
            seen: least number of frames that measured a voxel.

        Returns:
            Corners, (N, 3), float32 metres in the world, their colours, (N, 3), uint8, and the three corners of each
            triangle, (M, 3), counted from 0.
        """
        used = self._grid.hashmap().active_buf_indices().to(self._o3d.core.int64)
        looked = self._grid.attribute("weight")[used].numpy()
        if not looked.size or looked.max() < seen:  # Open3D raises RuntimeError on an empty grid
            return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.int32)
        mesh = self._grid.extract_triangle_mesh(seen - 0.5)
        colours = np.rint(255 * mesh.vertex.colors.numpy().clip(0, 1)).astype(np.uint8)
        return mesh.vertex.positions.numpy(), colours, mesh.triangle.indices.numpy().astype(np.int32)

    def _image(self, pixels: FloatArray) -> Any:
        return self._o3d.t.geometry.Image(self._o3d.core.Tensor(np.ascontiguousarray(pixels)))
