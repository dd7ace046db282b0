"""Depth to points and back, and PLY files read by a reader of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kbnet.frame import FloatArray, ImageArray
from kbnet.report.point_cloud import point_cloud, write_ply

K = np.array([[50.0, 2.0, 20.0], [0.0, 60.0, 15.0], [0.0, 0.0, 1.0]], dtype=np.float32)


def _scene() -> tuple[FloatArray, ImageArray]:
    generator = np.random.default_rng(0)
    depth = generator.uniform(0.5, 8.0, (33, 40)).astype(np.float32)
    depth[generator.random(depth.shape) < 0.3] = 0
    return depth, generator.integers(0, 256, (33, 40, 3), dtype=np.uint8)


def _read_ply(path: Path) -> tuple[list[str], NDArray[np.void]]:
    head, body = path.read_bytes().split(b"end_header\n", 1)
    lines = head.decode("ascii").splitlines()
    types = {"float": "<f4", "uchar": "u1"}
    properties = [line.split()[1:] for line in lines if line.startswith("property")]
    return lines, np.frombuffer(body, dtype=[(name, types[kind]) for kind, name in properties])


def test_point_cloud_projects_back_to_the_pixels_it_came_from() -> None:
    depth, image = _scene()
    points, colours = point_cloud(depth, K, image)
    projected = points.astype(np.float64) @ K.T.astype(np.float64)
    rows, columns = np.nonzero(depth)
    np.testing.assert_allclose(projected[:, 0] / projected[:, 2], columns, atol=1e-4)
    np.testing.assert_allclose(projected[:, 1] / projected[:, 2], rows, atol=1e-4)
    np.testing.assert_array_equal(points[:, 2], depth[rows, columns])
    np.testing.assert_array_equal(colours, image[rows, columns])


def test_point_cloud_has_no_point_where_nothing_is_measured() -> None:
    _, image = _scene()
    points, colours = point_cloud(np.zeros((33, 40), np.float32), K, image)
    assert points.shape == colours.shape == (0, 3)


def test_point_cloud_names_a_depth_map_of_another_size() -> None:
    _, image = _scene()
    with pytest.raises(ValueError, match=r"depth is 40x32 .* but image is 40x33"):
        point_cloud(np.ones((32, 40), np.float32), K, image)


@pytest.mark.parametrize("empty", [False, True])
def test_write_ply_is_read_back_exactly(tmp_path: Path, empty: bool) -> None:
    depth, image = _scene()
    points, colours = point_cloud(depth * (not empty), K, image)
    path = tmp_path / "clouds" / "a.ply"
    write_ply(path, points, colours)
    lines, vertices = _read_ply(path)
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert f"element vertex {len(points)}" in lines
    np.testing.assert_array_equal(np.stack([vertices[name] for name in "xyz"], axis=1), points)
    np.testing.assert_array_equal(np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1), colours)
    assert [file.name for file in path.parent.iterdir()] == ["a.ply"]


def test_write_ply_writes_the_triangles_of_a_mesh(tmp_path: Path) -> None:
    points = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], np.float32)
    triangles = np.array([[0, 1, 2], [2, 1, 3]], np.int32)
    write_ply(tmp_path / "a.ply", points, np.zeros((4, 3), np.uint8), triangles, axes="of the world")
    head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
    assert head.decode().splitlines()[2:] == [
        "comment metres; of the world",
        "element vertex 4",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue")),
        "element face 2",
        "property list uchar int vertex_indices",
    ]
    faces = np.frombuffer(body[4 * 15 :], [("count", "u1"), ("corners", "<i4", 3)])
    assert faces["count"].tolist() == [3, 3]
    np.testing.assert_array_equal(faces["corners"], triangles)


def test_write_ply_refuses_colours_that_do_not_fit_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got \(5, 3\) and uint8 \(4, 3\)"):
        write_ply(tmp_path / "a.ply", np.zeros((5, 3), np.float32), np.zeros((4, 3), np.uint8))
    assert not list(tmp_path.iterdir())
