"""Point clouds of messages."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from kbnet.sources.ros_points import decode_points

FIELD = SimpleNamespace


def cloud(dtype: str = "<f4", *, names: str = "xyz", row_padding: int = 0) -> SimpleNamespace:
    """2 x 2 points with an intensity before x, and padding after each row."""
    kind = np.dtype(dtype)
    points = np.array([[1, 2, 3], [0, 0, 0], [np.nan, 1, 1], [4, 5, 6]], kind)
    rows = np.concatenate([np.full((4, 1), 9), points], axis=1).astype(kind).view(np.uint8).reshape(2, -1)
    data = np.pad(rows, ((0, 0), (0, row_padding)))
    code = {4: 7, 8: 8}[kind.itemsize]
    return SimpleNamespace(
        fields=[FIELD(name=n, offset=kind.itemsize * i, datatype=code, count=1) for i, n in enumerate(names, start=1)],
        height=2,
        width=2,
        point_step=4 * kind.itemsize,
        row_step=data.shape[1],
        is_bigendian=kind.byteorder == ">",
        data=data.reshape(-1),
    )


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4"])
@pytest.mark.parametrize("row_padding", [0, 5])
def test_points_without_those_that_nothing_came_back_from(dtype: str, row_padding: int) -> None:
    np.testing.assert_array_equal(decode_points(cloud(dtype, row_padding=row_padding)), [[1, 2, 3], [4, 5, 6]])


def test_points_of_the_older_message() -> None:
    message = SimpleNamespace(points=[SimpleNamespace(x=1.0, y=2.0, z=3.0)])
    np.testing.assert_array_equal(decode_points(message), [[1, 2, 3]])
    assert decode_points(SimpleNamespace(points=[])).shape == (0, 3)


def test_clouds_without_coordinates_or_cut_off_are_refused() -> None:
    with pytest.raises(ValueError, match=r"with x, y, z, got \['r', 'g', 'b'\]"):
        decode_points(cloud(names="rgb"))
    cut = cloud()
    cut.data = cut.data[:-1]
    with pytest.raises(ValueError, match="record it again"):
        decode_points(cut)


@pytest.mark.parametrize("row_step", [0, 7, 32, 64, 4096])
def test_the_length_of_a_row_is_not_needed_where_there_are_as_many_bytes_as_points(row_step: int) -> None:
    message = cloud()
    message.row_step = row_step
    np.testing.assert_array_equal(decode_points(message), [[1, 2, 3], [4, 5, 6]])


def test_where_rows_begin_must_be_known() -> None:
    message = cloud(row_padding=5)
    message.row_step = 0
    with pytest.raises(ValueError, match="expected 2 rows of 32 bytes in a point cloud, got 74 bytes, 0 a row"):
        decode_points(message)
