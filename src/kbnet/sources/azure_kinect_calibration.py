"""Calibration that an Azure Kinect stores in its recordings, for the modes in which its cameras recorded.

Facts are those of the Azure Kinect Sensor SDK (``src/calibration``, ``src/transformation``). Focal lengths and centre
are stored in widths and heights of the sensor, counted from the outer corner of its first pixel. ``Rt`` leads from a
frame that both cameras share to the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kbnet.errors import KBNetError, refused_as
from kbnet.files import parse_json
from kbnet.frame import Float64Array, check_pose
from kbnet.sources.depth_camera import DepthCamera
from kbnet.sources.rectification import Camera

COLOUR_SIZES = ((720, 1280), (1080, 1920), (1440, 2560), (1536, 2048), (2160, 3840), (3072, 4096))
"""(H, W) of the modes of the colour camera: all of the sensor's width, and the middle of its height."""
USUAL_RADIUS = 1.7
"""Of the rays that a lens was calibrated for, where the calibration holds 0: the SDK's default."""
_LEAST_RADIUS = 1e-4
OTHER_CAMERA = "convert the recording to colour images with depth on them (kbnet prepare rgbd)"
_PARAMETERS = 14
_MODEL = "CALIBRATION_LensDistortionModelBrownConrady"
_DEPTH, _COLOUR = "CALIBRATION_CameraLocationD0", "CALIBRATION_CameraLocationPV0"


class DepthMode(NamedTuple):
    """Part of the depth sensor: (H, W) of the sensor after binning, first row and column, (H, W) of the images."""

    sensor: tuple[int, int]
    first: tuple[int, int]
    size: tuple[int, int]


DEPTH_MODES = {
    "NFOV_UNBINNED": DepthMode((1024, 1024), (180, 192), (576, 640)),
    "NFOV_2X2BINNED": DepthMode((512, 512), (90, 96), (288, 320)),
    "WFOV_UNBINNED": DepthMode((1024, 1024), (0, 0), (1024, 1024)),
    "WFOV_2X2BINNED": DepthMode((512, 512), (0, 0), (512, 512)),
}
"""By the tag ``K4A_DEPTH_MODE``."""


@dataclass(frozen=True)
class KinectCalibration:
    """Both cameras as they recorded.

    Attributes:
        T_colour_depth: from the depth camera to the colour camera, (4, 4), metres.
    """

    colour: Camera
    depth: DepthCamera
    T_colour_depth: Float64Array


class _Stored(NamedTuple):
    """One camera: its lens, the transform to it, height and width of its sensor, and MetricRadius."""

    model: str
    parameters: list[float]
    T_camera_shared: Float64Array
    sensor: tuple[int, int]
    radius: float


def read_kinect_calibration(
    content: bytes, depth_mode: DepthMode, colour_size: tuple[int, int], where: str
) -> KinectCalibration:
    """Read ``calibration.json`` for the modes of a recording.

    Args:
        depth_mode: one of `DEPTH_MODES`.
        colour_size: (H, W) of the images, one of `COLOUR_SIZES`, pixels.
        where: it is from, for messages.

    Raises:
        KBNetError: it is damaged, or of cameras that are not known.
    """
    with refused_as(f"expected the calibration of an Azure Kinect in {where}", RecursionError):
        listed = parse_json(content.rstrip(b"\0"))["CalibrationInformation"]["Cameras"]
        cameras = {one["Location"]: one for one in listed}
        colour, depth = _stored(cameras[_COLOUR]), _stored(cameras[_DEPTH])
        T_colour_depth = colour.T_camera_shared @ np.linalg.inv(depth.T_camera_shared)
        scale = colour_size[1] / colour.sensor[1]
        binned = round(scale * colour.sensor[0]), colour_size[1]
    # Old calibrations are of the sensor's middle rows, in the ratio 16:9.
    if depth.sensor != (1024, 1024) or binned[0] * 16 not in (binned[1] * 12, binned[1] * 9):
        raise KBNetError(
            f"expected a depth sensor of 1024x1024 and a colour sensor of 4:3 in {where}, got "
            f"{depth.sensor[1]}x{depth.sensor[0]} and {colour.sensor[1]}x{colour.sensor[0]}: it is another camera; "
            f"{OTHER_CAMERA}"
        )
    for stored in (colour, depth):
        if stored.model != _MODEL or any(stored.parameters[10:12]):
            raise KBNetError(
                f"expected a lens {_MODEL} with its distortion around 0 in {where}, got {stored.model} around "
                f"{stored.parameters[10:12]}; {OTHER_CAMERA}"
            )
    check_pose(T_colour_depth, "the transform between both cameras", where=f" in {where}")
    return KinectCalibration(
        _camera(colour, binned, ((binned[0] - colour_size[0]) // 2, 0), colour_size),
        DepthCamera(_camera(depth, *depth_mode), depth.radius if depth.radius > _LEAST_RADIUS else USUAL_RADIUS),
        T_colour_depth,
    )


def _stored(camera: Any) -> _Stored:
    intrinsics, T = camera["Intrinsics"], np.eye(4)
    parameters = [float(intrinsics["ModelParameters"][at]) for at in range(_PARAMETERS)]
    T[:3, :3] = np.array(camera["Rt"]["Rotation"], np.float64).reshape(3, 3)
    T[:3, 3] = np.array(camera["Rt"]["Translation"], np.float64)
    sensor = int(camera["SensorHeight"]), int(camera["SensorWidth"])
    return _Stored(intrinsics["ModelType"], parameters, T, sensor, float(camera["MetricRadius"]))


def _camera(stored: _Stored, sensor: tuple[int, int], first: tuple[int, int], size: tuple[int, int]) -> Camera:
    """The camera of a part of the sensor.

    Args:
        stored: of the whole sensor.
        sensor: (H, W) of its image after binning, pixels.
        first: row and column of the part.
        size: (H, W) of the part.
    """
    cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, _, _, p2, p1 = stored.parameters
    (height, width), (row, column) = sensor, first
    # Half a pixel: from the corner of the first pixel to its centre.
    K = [[fx * width, 0, cx * width - column - 0.5], [0, fy * height, cy * height - row - 0.5], [0, 0, 1]]
    return Camera(np.array(K, np.float32), size, "radial-tangential", (k1, k2, p1, p2, k3, k4, k5, k6))
