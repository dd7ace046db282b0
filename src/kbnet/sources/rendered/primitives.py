"""Simple shapes: boxes, turned bodies, tubes, sheets, walls with holes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from kbnet.frame import FloatArray
from kbnet.sources.rendered.mesh import Mesh, flat_mesh, unit

_CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
_CUBE_FACES = np.array(
    [
        *((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)),
        *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
    ]
)


def box(low: Sequence[float], high: Sequence[float], material: int, *, fitted: bool = False) -> Mesh:
    """A box between two corners, (3,) each, metres.

    With ``fitted``, the texture fills each face once; else it repeats every metre.
    """
    start, end = np.array(low, np.float32), np.array(high, np.float32)
    unit_box = flat_mesh(_CUBE[_CUBE_FACES], material)
    corners = _CUBE[_CUBE_FACES] * (end - start) + start
    return flat_mesh(corners, material, unit_box.uv if fitted else None)


def quad(corner: Sequence[float], along: Sequence[float], up: Sequence[float], material: int) -> Mesh:
    """A parallelogram whose texture fills it once; the picture's bottom edge lies along ``along``."""
    start, u, v = (np.array(vector, np.float32) for vector in (corner, along, up))
    places = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    points = start + places[:, :1] * u + places[:, 1:] * v
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = places.copy()
    uv[:, 1] = 1 - uv[:, 1]
    return flat_mesh(points[faces], material, uv[faces])


def grid(points: FloatArray, material: int, uv: FloatArray | None = None) -> Mesh:
    """A sheet through points, (R, C, 3), metres; normals are smooth within it.

    Args:
        points: corners of its cells.
        uv: (R, C, 2), repeats; None = by projection, metres.
    """
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    flat = points.reshape(-1, 3)
    mesh = flat_mesh(flat[faces], material, None if uv is None else uv.reshape(-1, 2)[faces].astype(np.float32))
    across = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    normals = unit(across.reshape(-1, 3).astype(np.float32))
    chosen = normals[faces]
    flip = np.where(np.einsum("tij,tij->ti", chosen, mesh.normals) < 0, -1, 1).astype(np.float32)
    return Mesh(mesh.corners, mesh.uv, chosen * flip[..., None], mesh.material)


def turned_body(radii: Sequence[float], heights: Sequence[float], material: int) -> Mesh:
    """A body turned about y, of 14 sides: radius at each height, metres."""
    angle = np.linspace(0, 2 * np.pi, 15)
    r, y = np.array(radii, np.float32)[:, None], np.array(heights, np.float32)[:, None]
    points = np.stack([r * np.cos(angle), y + 0 * angle, r * np.sin(angle)], -1).astype(np.float32)
    v = 1 - (y - y.min()) / max(float(np.ptp(y)), 1e-6)
    uv = np.stack(np.broadcast_arrays(angle / (2 * np.pi), v), -1).astype(np.float32)
    mesh = grid(points, material, uv)
    return _without_empty(mesh)


def tube(path: FloatArray, radius: float, material: int, *, sides: int = 6) -> Mesh:
    """A tube around a curve, (P, 3), metres: rods and cables."""
    tangent = unit(np.gradient(path, axis=0).astype(np.float32))
    helper = np.where(np.abs(tangent[:, 1:2]) < 0.9, [[0, 1, 0]], [[1, 0, 0]]).astype(np.float32)
    side = unit(np.cross(tangent, helper))
    other = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    points = path[:, None] + radius * (np.cos(angle) * side[:, None] + np.sin(angle) * other[:, None])
    return grid(points.astype(np.float32), material)


def wall_with_holes(
    length: float,
    height: float,
    holes: Sequence[tuple[float, float, float, float]],
    material: int,
    *,
    overlap: float = 0.0,
) -> Mesh:
    """A wall in the plane z = 0, from x = 0 to ``length`` and ``overlap`` beyond; holes: (x0, x1, y0, y1), metres."""
    xs = sorted({-overlap, length + overlap, *(x for hole in holes for x in hole[:2])})
    ys = sorted({0.0, height, *(y for hole in holes for y in hole[2:])})
    corners = []
    for x0, x1 in pairwise(xs):
        for y0, y1 in pairwise(ys):
            middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
            if any(a < middle_x < b and c < middle_y < d for a, b, c, d in holes):
                continue
            p = [[x0, y0, 0], [x1, y0, 0], [x1, y1, 0], [x0, y1, 0]]
            corners += [[p[0], p[1], p[2]], [p[0], p[2], p[3]]]
    return flat_mesh(np.array(corners, np.float32).reshape(-1, 3, 3), material)


def _without_empty(mesh: Mesh) -> Mesh:
    area = np.cross(mesh.corners[:, 1] - mesh.corners[:, 0], mesh.corners[:, 2] - mesh.corners[:, 0])
    kept = np.flatnonzero(np.einsum("ti,ti->t", area, area) > 1e-16)
    return Mesh(mesh.corners[kept], mesh.uv[kept], mesh.normals[kept], mesh.material[kept])
