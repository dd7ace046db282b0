"""Whether depth of a folder lies on its images: by the name of the depth's folder, and by a K of its own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError, refused_as
from kbnet.files import read_json
from kbnet.frame import FloatArray, check_intrinsics
from kbnet.frames.image_file import k_as_text, read_intrinsics
from kbnet.frames.sequence import read_pose
from kbnet.sources.depth_camera import DepthCamera
from kbnet.sources.rectification import Camera
from kbnet.sources.resizing import fit_camera, shows_the_same

CAM_PARAMS = ("cam_params.json", "../cam_params.json")
"""K and the units of depth in a metre, as NICE-SLAM wrote them beside Replica's rooms."""
CALIBRATION_FOLDERS = ("", "intrinsic", "intrinsics")
SCANNET_PLACES = ("intrinsic/extrinsic_depth.txt", "intrinsic/extrinsic_color.txt")
SCANNET_SIZES = {"intrinsic_color.txt": (968, 1296), "intrinsic_depth.txt": (480, 640)}
"""(H, W) that K is for, whatever size images were exported in."""
_OF_DEPTH = re.compile(r"(?=.*depth)(?=.*(intrin|\bk\b|(^|_)k(_|$)))", re.IGNORECASE)


def depth_camera_beside(folder: Path, camera: Camera, size: tuple[int, int], *, aligned: bool) -> DepthCamera | None:
    """The camera of the depth, where a file of K says that it is not that of the images.

    Args:
        size: (H, W) of the depth.
        aligned: whether the name of the depth's folder says that it lies on the images.

    Returns:
        The camera, which is at the place of the other one; None = depth lies on the images.

    Raises:
        KBNetError: depth is of another camera, and its place is not known; or a file is damaged.
    """
    path = None if aligned else depth_calibration(folder)
    if path is None:
        return None
    K, calibrated = read_camera_file(path, size)
    of_depth, of_image = fit_camera(Camera(K, calibrated), size, f"K of {path}"), Camera(camera.K, camera.size)
    if shows_the_same(of_depth, of_image):
        return None
    places = [folder / name for name in SCANNET_PLACES]
    if all(map(Path.is_file, places)) and np.allclose(read_pose(places[0]), read_pose(places[1]), atol=1e-4):
        return DepthCamera(of_depth)
    raise KBNetError(
        f"expected depth that lies on the images, but {path} says that another camera took it (fx {K[0, 0]:.1f} at "
        f"{size[1]}x{size[0]}, of images {camera.K[0, 0]:.1f} at {camera.size[1]}x{camera.size[0]}); register it to "
        "the images or, if that was done, call its folder aligned_depth"
    )


def depth_calibration(folder: Path) -> Path | None:
    """A file of K that is called after the depth."""
    files = (one for place in CALIBRATION_FOLDERS for one in sorted((folder / place).glob("*.*")))
    return next((one for one in files if one.suffix in (".txt", ".json", ".npy") and _OF_DEPTH.match(one.stem)), None)


def unit_beside(folder: Path) -> float | None:
    """Metres in one unit of depth, as `CAM_PARAMS` say it; None = they do not."""
    for path in filter(Path.is_file, (folder / name for name in CAM_PARAMS)):
        with refused_as(f"expected scale of the camera in {path}"):
            return 1 / float(read_json(path)["camera"]["scale"])
    return None


def read_camera_file(path: Path, size: tuple[int, int]) -> tuple[FloatArray, tuple[int, int]]:
    """K, (3, 3), pixels, and (H, W) of its images: of Open3D's PinholeCameraIntrinsic, Replica, ScanNet, else ``size``.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it holds something else.
    """
    if path.suffix.lower() != ".json":
        K, own = read_intrinsics(path, padded=True), SCANNET_SIZES.get(path.name, size)
        return K, own if np.allclose(2 * K[:2, 2], own[::-1], rtol=0.1) else size
    content = read_json(path)
    try:
        if path.name == Path(CAM_PARAMS[0]).name:
            own = content["camera"]
            K = np.array([[own["fx"], 0, own["cx"]], [0, own["fy"], own["cy"]], [0, 0, 1]], np.float32)
            size = int(own["h"]), int(own["w"])
        else:
            K = np.array(content["intrinsic_matrix"], np.float32).reshape(3, 3).T  # stored by columns
            size = int(content["height"]), int(content["width"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise KBNetError(
            f"expected width, height and intrinsic_matrix of Open3D in {path}, got none ({error}); {k_as_text(path)}, "
            "and give that (--intrinsics)"
        ) from None
    return check_intrinsics(K, where=f" in {path}"), size
