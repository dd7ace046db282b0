"""Triangle soups: corners, texture coordinates and normals of every triangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kbnet.frame import FloatArray

Int32Array = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """T triangles, each with its own corners.

    Attributes:
        corners: (T, 3, 3), metres.
        uv: texture coordinates in repeats of the texture, (T, 3, 2); v points down the picture.
        normals: unit normals at the corners, (T, 3, 3).
        material: index of the material, (T,).
    """

    corners: FloatArray
    uv: FloatArray
    normals: FloatArray
    material: Int32Array

    @cached_property
    def low(self) -> FloatArray:
        """Least x, y, z, (3,), metres."""
        return np.array([self.corners[..., axis].min() for axis in range(3)], np.float32)

    @cached_property
    def high(self) -> FloatArray:
        """Largest x, y, z, (3,), metres."""
        return np.array([self.corners[..., axis].max() for axis in range(3)], np.float32)

    def moved(self, yaw_rad: float = 0.0, to: Sequence[float] = (0.0, 0.0, 0.0)) -> Mesh:
        """Turn about y (z towards x), then shift, metres."""
        if yaw_rad == 0:
            return replace(self, corners=self.corners + np.array(to, np.float32))
        R = rotation_y(yaw_rad)
        return replace(self, corners=self.corners @ R.T + np.array(to, np.float32), normals=self.normals @ R.T)

    def scaled(self, factors: Sequence[float] | FloatArray) -> Mesh:
        """Scale along x, y and z."""
        scale = np.array(factors, np.float32)
        return replace(self, corners=self.corners * scale, normals=unit(self.normals / scale))

    def transformed(self, R: FloatArray) -> Mesh:
        """Apply a rotation, (3, 3)."""
        return replace(self, corners=self.corners @ R.T, normals=self.normals @ R.T)

    def with_material(self, material: int) -> Mesh:
        """The same shape, of one material."""
        return replace(self, material=np.full(len(self.material), material, np.int32))


def flat_mesh(corners: FloatArray, material: int = 0, uv: FloatArray | None = None) -> Mesh:
    """Triangles with the normals of their planes.

    Args:
        corners: (T, 3, 3), metres.
        uv: (T, 3, 2), repeats; None = metres along the two axes nearest to each plane.
    """
    corners = np.ascontiguousarray(corners, np.float32)
    normals = np.repeat(plane_normals(corners)[:, None], 3, axis=1)
    return Mesh(corners, box_uv(corners) if uv is None else uv, normals, np.full(len(corners), material, np.int32))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """One soup of all triangles."""
    return Mesh(
        np.concatenate([mesh.corners for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.material for mesh in meshes]),
    )


def box_uv(corners: FloatArray) -> FloatArray:
    """Texture coordinates by projection along the axis nearest to each plane's normal, (T, 3, 2), metres.

    v runs down walls, so that pictures stand upright.
    """
    axis = np.abs(plane_normals(corners)).argmax(axis=1)
    along = np.array([[2, 1], [0, 2], [0, 1]])[axis]
    uv = np.take_along_axis(corners, along[:, None, :], axis=2)
    uv[..., 1] *= np.where(axis == 1, 1, -1)[:, None]
    return np.ascontiguousarray(uv, np.float32)


def plane_normals(corners: FloatArray) -> FloatArray:
    """Unit normals of triangles, (T, 3)."""
    return unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1 along the last axis; zero stays zero."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    scaled: FloatArray = (vectors / np.maximum(length, 1e-12)[..., None]).astype(np.float32)
    return scaled


def rotation_y(angle_rad: float) -> FloatArray:
    """Rotation about y, (3, 3); a positive angle turns z towards x."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], np.float32)
