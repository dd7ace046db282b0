"""Points in ROS messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError

Floats = NDArray[np.float64]

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""Of PointField.datatype."""


def decode_points(message: Any) -> Floats:
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


def _field(message: Any, name: str) -> Floats:
    for field in message.fields:
        if field.name == name and field.datatype in _TYPES:
            kind = np.dtype(_TYPES[field.datatype]).newbyteorder(">" if message.is_bigendian else "<")
            break
    else:
        raise KBNetError(
            f"expected a point cloud with x, y, z, got {[field.name for field in message.fields]}; name another topic"
        )
    if message.data.size < message.row_step * message.height or message.row_step < message.width * message.point_step:
        raise KBNetError(
            f"expected {message.height} rows of {message.width} points of {message.point_step} bytes, "
            f"got {message.data.size} bytes, {message.row_step} a row; record it again"
        )
    rows = message.data[: message.row_step * message.height].reshape(message.height, message.row_step)
    bytes_ = rows[:, : message.width * message.point_step].reshape(-1, message.point_step)
    stored = np.ascontiguousarray(bytes_[:, field.offset : field.offset + kind.itemsize])
    return stored.view(kind)[:, 0].astype(np.float64)
