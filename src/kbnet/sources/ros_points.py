"""Points in ROS messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""Of PointField.datatype."""


def decode_points(message: Any) -> Float64Array:
    """Points of a PointCloud2 or PointCloud.

    Returns:
        (N, 3), float64, in the units and the frame of the message; without those that are not finite, or 0 0 0, as
        drivers write where nothing came back.

    Raises:
        KBNetError: it has no x, y, z, or is cut off.
    """
    if hasattr(message, "points"):
        points = np.array([(point.x, point.y, point.z) for point in message.points], np.float64).reshape(-1, 3)
    else:
        points = np.stack([_field(message, name) for name in "xyz"], axis=-1)
    return points[np.isfinite(points).all(axis=1) & points.any(axis=1)]


def rows_of(data: NDArray[np.uint8], height: int, used: int, step: int, what: str) -> NDArray[np.uint8]:
    """Rows of a message, (height, used), uint8.

    Drivers leave the length of a row at 0, at that of an earlier message, or at that of everything. It is not needed
    where there are as many bytes as are used.

    Args:
        used: bytes of a row that are used.
        step: bytes from one row to the next, as the message has it.
        what: it is, for the error message.

    Raises:
        KBNetError: there are fewer bytes, or it is not known where rows begin.
    """
    if data.size == height * used or (height == 1 and data.size >= used):
        step = used
    if step < used or data.size < step * (height - 1) + used:
        raise KBNetError(
            f"expected {height} rows of {used} bytes in a {what}, got {data.size} bytes, {step} a row; record it again"
        )
    whole = np.pad(data, (0, max(0, step * height - data.size)))[: step * height]
    return whole.reshape(height, step)[:, :used]


def _field(message: Any, name: str) -> Float64Array:
    for field in message.fields:
        if field.name == name and field.datatype in _TYPES:
            kind = np.dtype(_TYPES[field.datatype]).newbyteorder(">" if message.is_bigendian else "<")
            break
    else:
        raise KBNetError(
            f"expected a point cloud with x, y, z, got {[field.name for field in message.fields]}; name another topic"
        )
    used = message.width * message.point_step
    if field.offset + kind.itemsize > message.point_step or not used <= message.data.size:
        raise KBNetError(
            f"expected {message.height} rows of {message.width} points of {message.point_step} bytes with {name}, got "
            f"{message.data.size} bytes; record it again"
        )
    bytes_ = rows_of(message.data, message.height, used, message.row_step, "point cloud").reshape(
        -1, message.point_step
    )
    stored = np.ascontiguousarray(bytes_[:, field.offset : field.offset + kind.itemsize])
    return stored.view(kind)[:, 0].astype(np.float64)
