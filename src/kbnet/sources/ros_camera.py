"""The calibration of a camera as ROS publishes it beside the images."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray
from kbnet.sources.realsense import DATA
from kbnet.sources.rectification import Camera, Model
from kbnet.sources.ros_bag import CAMERA_INFO, Bag, frame_of, stamp

_MODELS: dict[str, Model] = {
    "": "radial-tangential",
    "none": "radial-tangential",
    "pinhole": "radial-tangential",
    "plumb_bob": "radial-tangential",
    "rational_polynomial": "radial-tangential",
    "brown conrady": "radial-tangential",
    "equidistant": "fisheye",
    "fisheye": "fisheye",
    "kannala_brandt": "fisheye",
    "kannala_brandt4": "fisheye",
    "kannala brandt4": "fisheye",
}
_POLYNOMIALS = ("thin_prism", "thin_prism_fisheye", "inverse brown conrady", "modified brown conrady")
"""Lenses that are not read, but have no effect if all coefficients are 0; others have one at 0 too."""
LARGEST_OFFSET_M = 1e-3
"""A camera farther from the origin of its frame is the right one of a stereo pair."""
_RECTIFIED = re.compile("(?<!cor)(?<!di)rect")
"""In names of topics, but not in those of corrected colours or of a direct stream."""
_TRANSPORTS = ("/compressed", "/compressedDepth")


def info_topic_beside(picture_topic: str) -> str:
    """Name under which ROS, or the RealSense Viewer, publishes the calibration of a topic of pictures.

    Example:
        >>> info_topic_beside("/camera/color/image_raw/compressed"), info_topic_beside("/d/Color_0/image/data")
        ('/camera/color/camera_info', '/d/Color_0/info/camera_info')
    """
    if picture_topic.endswith(DATA):
        return f"{picture_topic.removesuffix(DATA)}/info/camera_info"
    return f"{_without_transport(picture_topic).rpartition('/')[0]}/camera_info"


def find_info_topic(bag: Bag, picture_topic: str, depth_topic: str) -> str:
    """Name of the topic with the calibration of a topic of pictures: beside it, or the only one of the same frame.

    Raises:
        KBNetError: there is none such; the message names those that are there.
    """
    beside, known = info_topic_beside(picture_topic), bag.of_type(CAMERA_INFO)
    if beside in known:
        return beside
    others = [topic for topic in known if topic != info_topic_beside(depth_topic)]
    if len(others) == 1 and frame_of(bag.first(others[0])) == frame_of(bag.first(picture_topic)):
        return others[0]
    raise KBNetError(
        f"expected the calibration of {picture_topic} in {beside}, but {bag.path} has {', '.join(known) or 'none'}; "
        "name it (--camera-info TOPIC), or give a file (--intrinsics K.txt)"
    )


def remember_info(infos: list[Any], message: Any) -> None:
    """Add a CameraInfo to those of its topic, if it says something new: most say the same thousands of times."""
    if not infos or any(
        not np.array_equal(_member(message, name), _member(infos[-1], name), equal_nan=True)
        for name in ("k", "d", "p", "width", "height")
    ):
        infos.append(message)


def camera_from_infos(messages: Sequence[Any], topic: str, picture_topic: str) -> Camera:
    """Read the calibration of a recording.

    Pictures of a topic called ``image_rect...`` had their distortion taken out: of them, P is the pinhole matrix.

    Args:
        messages: every CameraInfo of a recording that differs from the one before.
        topic: where they are from, for the error message.
        picture_topic: of the pictures that they calibrate.

    Raises:
        KBNetError: there is none, it changes, holds no calibration, or of a lens that is not known.
    """
    if not messages:
        raise KBNetError(f"expected a calibration in {topic}, got none; give a file (--intrinsics K.txt)")
    rectified = is_rectified(picture_topic)
    matrices = [_matrix(message, rectified) for message in messages]
    for message, matrix in zip(messages, matrices, strict=True):
        if not np.allclose(matrix, matrices[0], rtol=1e-4, atol=1e-2):
            raise KBNetError(
                f"expected one K in the whole recording, but {topic} changes from {_text(matrices[0])} to "
                f"{_text(matrix)} (fx fy cx cy) at {stamp(message):.3f} s; record with fixed zoom and focus, or cut "
                "the bag there"
            )
    camera = _camera(messages[0], topic, rectified=rectified)
    no_matrix = rectified and not np.any(_member(messages[0], "p")) and np.any(_member(messages[0], "d"))
    named = "undist" in picture_topic or _RECTIFIED.search(picture_topic)  # or the namespace
    if no_matrix or (named and not camera.is_pinhole):
        raise KBNetError(
            f"{picture_topic} seems to have no distortion, but {topic} has one, and not K of such images; give it "
            "(--intrinsics K.txt)"
        )
    return camera


def is_rectified(picture_topic: str) -> bool:
    """Whether pictures had their distortion taken out, by the name of their topic."""
    return _RECTIFIED.search(_without_transport(picture_topic).rpartition("/")[2]) is not None


def rectifying_turn(message: Any) -> float:
    """Degrees by which rectified pictures of a CameraInfo look elsewhere than raw ones, as of a stereo pair."""
    R = np.asarray(_member(message, "r"), np.float64).reshape(3, 3)
    return float(np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1)))) if R.any() else 0.0


def _camera(message: Any, topic: str, *, rectified: bool) -> Camera:
    K = _matrix(message, rectified)
    if not K.any():
        raise KBNetError(f"{topic} holds no calibration (K is 0); calibrate the camera, or give --intrinsics K.txt")
    if message.binning_x > 1 or message.binning_y > 1 or message.roi.width not in (0, message.width):
        raise KBNetError(f"expected whole images in {topic}, got binning or a region of interest; give --intrinsics")
    size = (int(message.height), int(message.width))
    offset_m = float(_member(message, "p")[3]) / max(float(K[0, 0]), 1.0)
    if abs(offset_m) > LARGEST_OFFSET_M:
        said = f"P of {topic} has an offset of {offset_m:.3f} m, as of the right camera of a stereo pair"
        if rectified:
            raise KBNetError(
                f"{said}, whose frame is that of the left one; take the left images, or give --intrinsics, and "
                "--extrinsics with the offset"
            )
        warnings.warn(
            f"{said}: frame '{frame_of(message)}' is taken for its own, not that of the left one; else give "
            "--extrinsics with the offset",
            stacklevel=3,
        )
    coefficients = tuple(map(float, _member(message, "d")))
    if rectified:
        return Camera(K, size)
    model = str(message.distortion_model).lower()
    if model in _POLYNOMIALS and not any(coefficients):
        return Camera(K, size)
    if model not in _MODELS:
        raise KBNetError(
            f"expected a lens among {', '.join(filter(None, _MODELS))} in {topic}, got '{message.distortion_model}'; "
            "rectify the images first"
        )
    return Camera(K, size, _MODELS[model], coefficients)


def _matrix(message: Any, rectified: bool) -> FloatArray:
    projection = np.asarray(_member(message, "p"), np.float32).reshape(3, 4)[:, :3]
    return projection if rectified and projection.any() else np.asarray(_member(message, "k"), np.float32).reshape(3, 3)


def _member(message: Any, name: str) -> Any:
    """K, D and P of ROS 1 are k, d and p in ROS 2."""
    return getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())


def _without_transport(topic: str) -> str:
    for transport in _TRANSPORTS:
        topic = topic.removesuffix(transport)
    return topic


def _text(K: FloatArray) -> str:
    return " ".join(f"{K[index]:.1f}" for index in ((0, 0), (1, 1), (0, 2), (1, 2)))
