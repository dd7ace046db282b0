"""Ray casting of a room's triangles with Embree (Open3D)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kbnet.frame import BoolArray, FloatArray
from kbnet.sources.rendered.materials import MaterialTable
from kbnet.sources.rendered.mesh import Int32Array, Mesh, plane_normals, unit

START = 1e-3
"""Rays from a surface begin so far above it, metres."""
LAYERS = 4
"""Transparent texels that a ray may pass."""


@dataclass(frozen=True)
class Hits:
    """What each of N rays meets.

    Attributes:
        distance: in lengths of the ray's direction, (N,); infinite = nothing.
        triangle: its index, (N,); -1 = nothing.
        position: (N, 3), metres.
        normal: unit normal, interpolated, towards the ray's origin, (N, 3).
        plane: unit normal of the triangle's plane, towards the ray's origin, (N, 3).
        material: index, (N,); that of outdoors where nothing is met.
        albedo: linear RGB, (N, 3).
    """

    distance: FloatArray
    triangle: Int32Array
    position: FloatArray
    normal: FloatArray
    plane: FloatArray
    material: Int32Array
    albedo: FloatArray


class TriangleTree:
    """Search tree of triangles."""

    def __init__(self, corners: FloatArray) -> None:
        try:
            import open3d
        except ModuleNotFoundError:
            raise ModuleNotFoundError("open3d is needed to render rooms: pip install 'kbnet[fuse]'") from None
        self._core: Any = open3d.core
        self._scene: Any = open3d.t.geometry.RaycastingScene(nthreads=1)
        vertices = np.ascontiguousarray(corners.reshape(-1, 3), np.float32)
        triangles = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
        self._scene.add_triangles(self._core.Tensor(vertices), self._core.Tensor(triangles))
        self.planes = plane_normals(corners)

    def first(self, rays: FloatArray) -> tuple[FloatArray, Int32Array, FloatArray]:
        """What rays, (N, 6), meet first: distance, triangle (-1 = nothing), and its two barycentric coordinates."""
        found = self._scene.cast_rays(self._core.Tensor(rays), nthreads=1)
        distance: FloatArray = found["t_hit"].numpy()
        triangle = found["primitive_ids"].numpy().view(np.int32)
        triangle[~np.isfinite(distance)] = -1
        return distance, triangle, found["primitive_uvs"].numpy()

    def distances(self, origin: FloatArray, direction: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distance to what each ray meets, (N,), and the size of y of its plane's normal, (N,)."""
        rays = np.empty((len(direction), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origin, direction
        distance, triangle, _ = self.first(rays)
        return distance, np.abs(self.planes[triangle, 1])

    def is_hidden(self, origin: FloatArray, to: FloatArray, reach: float = 0.995) -> BoolArray:
        """Whether something lies within the share ``reach`` of the vectors ``to``, (N, 3), from ``origin``, (N, 3)."""
        rays = np.empty((len(to), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origin, to
        hidden: BoolArray = self._scene.test_occlusions(
            self._core.Tensor(rays), tnear=0.0, tfar=reach, nthreads=1
        ).numpy()
        return hidden


class RayScene:
    """Triangles of a room, their materials, and what is seen outdoors."""

    def __init__(self, mesh: Mesh, table: MaterialTable, outdoors: int) -> None:
        self.mesh, self.table, self._outdoors = mesh, table, outdoors
        self.tree = TriangleTree(mesh.corners)
        edges = mesh.corners[:, 1:] - mesh.corners[:, :1]
        cross = np.cross(edges[:, 0], edges[:, 1])
        area = np.sqrt(np.einsum("ti,ti->t", cross, cross))
        size = table.atlas.sizes[table.texture[mesh.material]][:, ::-1]
        texel = (mesh.uv[:, 1:] - mesh.uv[:, :1]) * table.repeats[mesh.material][:, None, None] * size[:, None]
        texel_area = np.abs(texel[:, 0, 0] * texel[:, 1, 1] - texel[:, 0, 1] * texel[:, 1, 0])
        self._texels_per_metre = np.sqrt(texel_area / np.maximum(area, 1e-12)).astype(np.float32)

    def cast(self, origin: FloatArray, direction: FloatArray, spread: float) -> Hits:
        """Follow rays to what they meet first; transparent texels are passed.

        Args:
            origin: (3,) or (N, 3), metres.
            direction: (N, 3), of any length.
            spread: width of a ray per distance, in lengths of ``direction``, for texture filtering.
        """
        rays = np.empty((len(direction), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origin, direction
        hits = self._look_up(rays, *self.tree.first(rays), spread)
        open_texels = self._transparent
        for _ in range(LAYERS):
            if not open_texels.size:
                break
            past = rays[open_texels]
            already = hits.distance[open_texels] + START / np.sqrt(np.einsum("ni,ni->n", past[:, 3:], past[:, 3:]))
            past[:, :3] += past[:, 3:] * already[:, None]
            distance, triangle, bary = self.tree.first(past)
            further = self._look_up(past, distance, triangle, bary, spread, already)
            still = self._transparent
            hits.distance[open_texels] = further.distance + already
            for mine, new in (
                (hits.triangle, further.triangle),
                (hits.position, further.position),
                (hits.normal, further.normal),
                (hits.plane, further.plane),
                (hits.material, further.material),
                (hits.albedo, further.albedo),
            ):
                mine[open_texels] = new
            open_texels = open_texels[still]
        return hits

    def _look_up(
        self,
        rays: FloatArray,
        distance: FloatArray,
        triangle: Int32Array,
        bary: FloatArray,
        spread: float,
        passed: FloatArray | float = 0.0,
    ) -> Hits:
        missed = triangle < 0
        any_missed = bool(missed.any())
        far = np.where(missed, np.float32(1e3), distance).astype(np.float32)
        direction = rays[:, 3:]
        weight = np.stack([1 - bary[:, 0] - bary[:, 1], bary[:, 0], bary[:, 1]], -1)
        normal = np.einsum("nk,nki->ni", weight, self.mesh.normals.take(triangle, 0))
        plane = self.tree.planes.take(triangle, 0)
        toward = np.einsum("ni,ni->n", plane, direction)
        plane = plane * np.where(toward > 0, -1, 1).astype(np.float32)[:, None]
        normal *= np.where(np.einsum("ni,ni->n", normal, plane) < 0, -1, 1).astype(np.float32)[:, None]
        normal = unit(normal)
        length = np.sqrt(np.einsum("ni,ni->n", direction, direction))
        material = self.mesh.material.take(triangle)
        repeats = self.table.repeats.take(material)
        uv = np.einsum("nk,nki->ni", weight, self.mesh.uv.take(triangle, 0)) * repeats[:, None]
        slope = np.maximum(np.abs(toward) / length, 0.05)
        width = (far + passed) * spread * length / np.sqrt(slope)
        level = np.log2(np.maximum(width * self._texels_per_metre.take(triangle), 1e-6))
        if any_missed:
            material[missed] = self._outdoors
            uv[missed] = _sky_uv(direction[missed] / length[missed, None])
            level[missed] = 0
            normal[missed] = -direction[missed] / length[missed, None]
        texture = self.table.texture.take(material)
        albedo = np.ones((len(rays), 4), np.float32)
        drawn = np.flatnonzero(texture > 0)
        albedo[drawn] = self.table.atlas.sample(texture[drawn], uv[drawn], level[drawn])
        self._transparent = np.flatnonzero(self.table.has_holes.take(material) & (albedo[:, 3] < 0.22) & ~missed)
        colour = albedo[:, :3] * self.table.colour.take(material, 0)
        return Hits(distance, triangle, rays[:, :3] + far[:, None] * direction, normal, plane, material, colour)


def _sky_uv(direction: FloatArray) -> FloatArray:
    """Texture coordinates of directions outdoors, (N, 2): a picture a quarter of the horizon wide."""
    u = np.arctan2(direction[:, 0], direction[:, 2]) * (4 / (2 * np.pi))
    v = 0.5 - direction[:, 1] * 0.5
    return np.stack([u, v], -1).astype(np.float32)
