"""Whether depth lies on the images pixel by pixel, or how it gets there; what is not known is refused."""

from __future__ import annotations

import warnings

import numpy as np

from kbnet.errors import KBNetError
from kbnet.sources.rectification import Camera
from kbnet.sources.resizing import ALIGNED_PX, shows_the_same
from kbnet.sources.ros_camera import is_rectified
from kbnet.sources.ros_recording import RosRecording


def is_aligned(recording: RosRecording) -> bool:
    """Whether depth without extrinsics of its own lies on the images pixel by pixel; else TF brings it there.

    One frame of both says that they are at one place, unless the recorder gave all streams one name. Depth with K of
    the images, but without their distortion, was rectified, as the driver of OAK cameras does; its own calibration says
    where it belongs.

    Raises:
        KBNetError: neither is known.
    """
    if recording.depth_frame != recording.camera_frame:
        _check_connected(recording)
        _check_turn(recording)
        return False
    _check_frame_says_something(recording)
    _check_turn(recording)
    if recording.is_cloud:
        return False
    camera, depth_camera = recording.camera, recording.depth_camera
    if depth_camera is None:
        warnings.warn(
            f"{recording.depth} has no camera_info; it is taken to lie on the images pixel by pixel, since both are of "
            f"frame {recording.camera_frame}",
            stacklevel=2,
        )
        return True
    if shows_the_same(depth_camera, camera):
        return depth_camera.size == camera.size
    if depth_camera.is_pinhole and shows_the_same(depth_camera, Camera(camera.K, camera.size)):
        return False
    raise KBNetError(
        f"{recording.depth} and {recording.image} are both of frame {recording.camera_frame}, but of different cameras "
        f"({_text(depth_camera)}, and {_text(camera)}), so how they lie to each other is not known; give it "
        "(--extrinsics FILE, 4x4 from depth to image; the unit matrix if both are at one place), or say --aligned"
    )


def _check_connected(recording: RosRecording) -> None:
    tree = recording.tree
    if not recording.is_cloud and recording.depth_camera is None:
        raise KBNetError(
            f"{recording.depth} is of frame {recording.depth_frame}, the images of {recording.camera_frame}, and "
            "the depth's camera_info is not in the bag; if both lie on each other pixel by pixel, say --aligned"
        )
    if not set(tree.lineage(recording.camera_frame)) & set(tree.lineage(recording.depth_frame)):
        raise KBNetError(
            f"expected a transform from {recording.depth_frame} ({recording.depth}) to {recording.camera_frame} "
            f"({recording.image}), but TF knows {', '.join(tree.frames) or 'no frames'}; "
            "give it (--extrinsics FILE, 4x4)"
        )


def _check_turn(recording: RosRecording) -> None:
    """Of a stereo camera, one frame of TF is that of raw and of rectified images, which look in two directions."""
    off_px = np.radians(recording.turn_deg) * recording.camera.K[0, 0]
    if not off_px > ALIGNED_PX:
        return
    rectified, name = is_rectified(recording.image), recording.camera_frame
    said = (
        f"camera_info of {recording.image} turns rectified images by {recording.turn_deg:.2f} degrees, {off_px:.0f} "
        f"pixels, from raw ones, and frame {name} may be of either"
    )
    if recording.depth_frame != name:
        taken = "rectified" if rectified else "raw"
        warnings.warn(f"{said}: TF is taken to mean the {taken} ones; else give --extrinsics", stacklevel=4)
    elif not rectified:
        raise KBNetError(
            f"{said}: {recording.depth}, if stereo matching made it, is of the rectified ones; take those (--image "
            ".../image_rect), or give --extrinsics FILE (4x4, from depth to raw images; the unit matrix if both agree)"
        )


def _check_frame_says_something(recording: RosRecording) -> None:
    """Some recorders call every frame "0", or nothing; then only the same calibration says that depth is aligned."""
    frame, camera, depth_camera = recording.camera_frame, recording.camera, recording.depth_camera
    if not (frame == "" or frame.isdecimal()):
        return
    if depth_camera is not None and depth_camera.size == camera.size and shows_the_same(depth_camera, camera):
        return
    raise KBNetError(
        f"{recording.depth} and {recording.image} are both of frame '{frame}', which does not say how they lie to "
        "each other; give it (--extrinsics FILE, 4x4 from depth to image)"
        + ("" if recording.is_cloud else ", or say --aligned if they lie on each other pixel by pixel")
    )


def _text(camera: Camera) -> str:
    return f"{camera.size[1]}x{camera.size[0]} with fx {camera.K[0, 0]:.1f}"
