"""Coloured point clouds from depth maps, and binary PLY files of clouds and meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.files import atomic_path
from kbnet.frame import FloatArray, ImageArray, check_depth, check_image, check_intrinsics

_VERTEX = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
_TRIANGLE = np.dtype([("count", "u1"), ("corners", "<i4", (3,))])
_PLY_TYPES = {"<f4": "float", "|u1": "uchar"}

CAMERA_AXES, WORLD_AXES = "x right, y down, z forward", "axes of the world that the poses are in"


def point_cloud(depth: FloatArray, intrinsics: FloatArray, image: ImageArray) -> tuple[FloatArray, ImageArray]:
    """Backproject every measured pixel to a point in camera axes: ``depth * K^-1 [x, y, 1]``.

    K is a pinhole matrix, also with skew.

    Args:
        depth: depth along z, (H, W), metres; 0 = unmeasured, gives no point.
        intrinsics: pinhole matrix K, (3, 3), pixels.
        image: RGB, (H, W, 3), uint8.

    Returns:
        Points, (N, 3), float32 metres, and their colours, (N, 3), uint8, row by row of the image.

    Raises:
        KBNetError: an input is not as above, or depth and image differ in size.
    """
    check_image(image)
    z_map = check_depth(depth, "depth", image.shape[:2])
    k = check_intrinsics(intrinsics)
    rows, columns = np.nonzero(z_map)
    z = z_map[rows, columns]
    y_over_z = (rows.astype(np.float32) - k[1, 2]) / k[1, 1]
    x_over_z = (columns.astype(np.float32) - k[0, 2] - k[0, 1] * y_over_z) / k[0, 0]
    return np.stack([x_over_z * z, y_over_z * z, z], axis=1), image[rows, columns]


def write_ply(
    path: str | Path,
    points: FloatArray,
    colours: ImageArray,
    triangles: NDArray[np.int32] | None = None,
    *,
    axes: str = CAMERA_AXES,
) -> None:
    """Write a coloured cloud or mesh as binary little-endian PLY; the file appears complete or not at all.

    Args:
        points: (N, 3), metres.
        colours: RGB, (N, 3), uint8.
        triangles: the three corners of each, (M, 3), counted from 0; None for a cloud.
        axes: description of the axes in the file.

    Raises:
        KBNetError: points and colours are not as above.
    """
    if points.ndim != 2 or points.shape[1] != 3 or colours.shape != points.shape or colours.dtype != np.uint8:
        raise KBNetError(
            f"expected points (N, 3) and as many uint8 colours (N, 3), got {points.shape} and {colours.dtype} "
            f"{colours.shape} (for {path}); take both from point_cloud"
        )
    vertices = np.empty(len(points), dtype=_VERTEX)
    for index, axis in enumerate(("x", "y", "z")):
        vertices[axis] = points[:, index]
    for index, channel in enumerate(("red", "green", "blue")):
        vertices[channel] = colours[:, index]
    faces = np.empty(0 if triangles is None else len(triangles), dtype=_TRIANGLE)
    faces["count"] = 3
    if triangles is not None:
        faces["corners"] = triangles
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_header(len(points), None if triangles is None else len(faces), axes).encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())


def _header(points: int, triangles: int | None, axes: str) -> str:
    assert _VERTEX.fields is not None
    properties = [f"property {_PLY_TYPES[kind.str]} {name}" for name, (kind, *_) in _VERTEX.fields.items()]
    faces = [f"element face {triangles}", "property list uchar int vertex_indices"]
    return "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"comment metres; {axes}",
            f"element vertex {points}",
            *properties,
            *(faces if triangles is not None else []),
            "end_header\n",
        ]
    )
