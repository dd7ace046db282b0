"""`examples/ros2_node.py` without ROS: its conversions, on objects with the fields of the messages; queue of one."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from array import array
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.sources.ros_images import decode_depth
from kbnet.sources.ros_points import decode_points

EXAMPLE = Path(__file__).parents[2] / "examples" / "ros2_node.py"
K = (50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0)
SIZE = (48, 64)
HEADER = SimpleNamespace(stamp=SimpleNamespace(sec=7, nanosec=250_000_000), frame_id="camera")
LEFT_OF_LIDAR = np.array([[1, 0, 0, 0.4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
"""A lidar with the axes of the camera, 0.4 m right of it."""


@pytest.fixture(scope="module")
def node() -> ModuleType:
    specification = importlib.util.spec_from_file_location("ros2_node", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def image_message(pixels: NDArray[Any], encoding: str) -> SimpleNamespace:
    """As rclpy has it: data are an array of unsigned bytes."""
    data = array("B", pixels.tobytes())
    height, width = pixels.shape[:2]
    step = len(data) // height
    return SimpleNamespace(
        header=HEADER, height=height, width=width, encoding=encoding, is_bigendian=0, step=step, data=data
    )


def info_message(d: tuple[float, ...] = (0.0,) * 5) -> SimpleNamespace:
    return SimpleNamespace(
        header=HEADER,
        height=SIZE[0],
        width=SIZE[1],
        distortion_model="plumb_bob",
        d=array("d", d),
        k=np.array(K),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(width=0),
    )


def cloud_message(points: NDArray[Any]) -> SimpleNamespace:
    data = array("B", points.astype("<f4").tobytes())
    fields = [SimpleNamespace(name=name, offset=4 * index, datatype=7) for index, name in enumerate("xyz")]
    return SimpleNamespace(
        header=HEADER,
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(points),
        data=data,
    )


@pytest.fixture
def colours() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_image_and_cloud_become_a_frame(node: ModuleType, colours: NDArray[np.uint8]) -> None:
    rectification = node.rectification_of(info_message(), "/camera/image_raw")
    points = np.array([[-0.4, 0.0, 2.0], [0.0, 0.4, 2.0], [0.0, 0.0, -2.0], [90.0, 0.0, 2.0]])
    frame = node.frame_from_messages(
        image_message(colours[..., ::-1], "bgr8"), cloud_message(points), rectification, LEFT_OF_LIDAR, np.eye(4)
    )
    np.testing.assert_array_equal(frame.image, colours)
    np.testing.assert_array_equal(frame.intrinsics, np.reshape(K, (3, 3)))
    expected = np.zeros(SIZE, np.float32)
    expected[24, 32] = expected[34, 42] = 2
    np.testing.assert_array_equal(frame.sparse_depth, expected)
    assert frame.name == "7.250"
    np.testing.assert_array_equal(frame.T_world_camera, np.eye(4))


def test_compressed_image_is_decoded(node: ModuleType, colours: NDArray[np.uint8]) -> None:
    content = io.BytesIO()
    Image.fromarray(colours).save(content, format="PNG")
    message = SimpleNamespace(header=HEADER, format="png", data=array("B", content.getvalue()))
    rectification = node.rectification_of(info_message(), "/camera/image_raw/compressed")
    frame = node.frame_from_messages(message, cloud_message(np.array([[0.0, 0.0, 2.0]])), rectification, np.eye(4))
    np.testing.assert_array_equal(frame.image, colours)
    assert frame.T_world_camera is None


def test_sparse_depth_image_stays_and_a_dense_one_is_sampled(node: ModuleType, colours: NDArray[np.uint8]) -> None:
    rectification, image = node.rectification_of(info_message(), "/image"), image_message(colours, "rgb8")
    sparse = np.zeros(SIZE, np.uint16)
    sparse[10, 20] = 1500
    frame = node.frame_from_messages(image, image_message(sparse, "16UC1"), rectification)
    assert frame.sparse_depth[10, 20] == np.float32(1500) * np.float32(0.001)
    assert np.count_nonzero(frame.sparse_depth) == 1
    dense = np.full(SIZE, 2.5, np.float32)
    frame = node.frame_from_messages(image, image_message(dense, "32FC1"), rectification)
    assert 0 < np.count_nonzero(frame.sparse_depth) <= node.POINTS < dense.size
    assert set(np.unique(frame.sparse_depth)) == {0, 2.5}


def test_depth_of_another_size_is_refused(node: ModuleType, colours: NDArray[np.uint8]) -> None:
    rectification = node.rectification_of(info_message(), "/image")
    depth = image_message(np.ones((24, 32), np.float32), "32FC1")
    with pytest.raises(KBNetError, match="expected depth of the size of the image, got 32x24"):
        node.frame_from_messages(image_message(colours, "rgb8"), depth, rectification)


def test_lens_distortion_is_taken_out_of_image_and_depth(node: ModuleType, colours: NDArray[np.uint8]) -> None:
    rectification = node.rectification_of(info_message((-0.2, 0.0, 0.0, 0.0, 0.0)), "/image")
    depth = np.zeros(SIZE, np.float32)
    depth[24, 50] = 2
    frame = node.frame_from_messages(image_message(colours, "rgb8"), image_message(depth, "32FC1"), rectification)
    assert not np.array_equal(frame.image, colours)
    assert not np.array_equal(frame.intrinsics, np.reshape(K, (3, 3)))
    rows, columns = np.nonzero(frame.sparse_depth)
    ray = rectification.camera.to_rays(np.array([[50.0, 24.0]]))[0]
    found = (columns[0] - frame.intrinsics[0, 2]) / frame.intrinsics[0, 0]
    assert found == pytest.approx(ray[0], abs=0.6 / float(frame.intrinsics[0, 0]))
    assert rows.size == 1


def test_transform_becomes_a_matrix(node: ModuleType) -> None:
    quarter = np.sqrt(0.5)
    transform = SimpleNamespace(
        translation=SimpleNamespace(x=1.0, y=2.0, z=3.0), rotation=SimpleNamespace(x=0.0, y=0.0, z=quarter, w=quarter)
    )
    expected = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(node.matrix_from_transform(transform), expected, atol=1e-12)


def test_published_depth_is_read_back(node: ModuleType) -> None:
    depth = np.linspace(0.5, 9, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    fields = node.depth_image_fields(depth)
    assert isinstance(fields["data"], array)
    assert fields["encoding"] == "32FC1"
    np.testing.assert_array_equal(decode_depth(node.WithBytes(SimpleNamespace(**fields))), depth)


def test_published_calibration_is_read_back(node: ModuleType) -> None:
    matrix = np.array([[61.5, 0, 30], [0, 62, 25], [0, 0, 1]], np.float32)
    roi = SimpleNamespace(width=0)
    for topic in ("/depth", "/image_rect"):
        fields = node.camera_info_fields(matrix, SIZE)
        message = SimpleNamespace(header=HEADER, binning_x=0, binning_y=0, roi=roi, **fields)
        camera = node.rectification_of(message, topic).camera
        np.testing.assert_array_equal(camera.K, matrix)
        assert camera.size == SIZE
        assert camera.is_pinhole


def test_published_cloud_is_read_back_with_its_colours(node: ModuleType, colours: NDArray[np.uint8]) -> None:
    depth, matrix = np.full(SIZE, 2.0, np.float32), np.reshape(K, (3, 3)).astype(np.float32)
    fields = node.cloud_fields(depth, matrix, colours)
    assert fields["row_step"] == len(fields["data"]) == 16 * SIZE[0] * SIZE[1]
    described = [SimpleNamespace(name=name, offset=offset, datatype=node.FLOAT32) for name, offset in fields["fields"]]
    message = node.WithBytes(SimpleNamespace(**{**fields, "fields": described}))
    points = decode_points(message)
    np.testing.assert_allclose(points[0], [-32 / 50 * 2, -24 / 50 * 2, 2], rtol=1e-6)
    stored = message.data.reshape(-1, 16)[:, 12:15]
    np.testing.assert_array_equal(stored[:, ::-1], colours.reshape(-1, 3))


def test_the_newest_replaces_what_nobody_took(node: ModuleType) -> None:
    newest = node.Newest()
    assert newest.take(0) is None
    for number in range(3):
        newest.put("image", number)
    assert newest.take(0) == (("image", 2), 2)
    assert newest.take(0) is None
    newest.put("image", 3)
    assert newest.take(0) == (("image", 3), 0)


def test_help_needs_no_ros() -> None:
    done = subprocess.run([sys.executable, EXAMPLE, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--max-difference" in done.stdout
