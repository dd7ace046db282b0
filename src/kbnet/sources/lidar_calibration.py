"""Where a lidar sits beside its camera: KITTI's calibration files, or K and extrinsics as text."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError
from kbnet.files import read_text
from kbnet.frame import Float64Array, FloatArray, check_intrinsics, check_pose
from kbnet.frames.image_file import read_numbers
from kbnet.frames.sequence import read_pose
from kbnet.sources.rectification import Model

Transform = Float64Array

RAW_CAMERA, RAW_LIDAR = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"
"""Of KITTI's raw recordings, in the folder of a date."""
BENCHMARK_SIZE = (352, 1216)
"""Of the images of KITTI's depth benchmark, (H, W), pixels."""
LARGEST_BASELINE_M = 10.0
"""Between two sensors of one vehicle."""
_GIVE_TEXT = "give K of these images and the lidar's place as text (--intrinsics, --extrinsics)"
_NOT_OF_KITTI = f"{_GIVE_TEXT} if it is no calibration of KITTI"
_DIRECTIONS = {0: ("left", "right"), 1: ("up", "down"), 2: ("backward", "forward")}


@dataclass(frozen=True)
class LidarCalibration:
    """A camera and a lidar, fixed to each other.

    Attributes:
        K: of the camera, (3, 3), float32 pixels.
        T_camera_lidar: (4, 4), float64, metres: a point x in the lidar is ``T_camera_lidar @ x`` in the camera.
        T_camera_reference: (4, 4), float64, metres: from the camera whose poses are given to this one; KITTI gives
            those of camera 0.
        model, coefficients: of the lens, as `kbnet.sources.rectification.Camera` has them.
        size: (H, W) of the images that K is for, pixels; None = the file does not say.
        of_kitti: from a calibration of KITTI, which is for rectified images.
        remedy: what to do if it does not fit the images, for messages.
    """

    K: FloatArray
    T_camera_lidar: Transform = field(default_factory=lambda: np.eye(4))
    T_camera_reference: Transform = field(default_factory=lambda: np.eye(4))
    model: Model = "pinhole"
    coefficients: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    of_kitti: bool = False
    remedy: str = "use the images that were calibrated"

    def describe(self) -> str:
        """Where the axes of the lidar look, in words.

        Example:
            >>> forward_left_up = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
            >>> LidarCalibration(np.eye(3, dtype=np.float32), forward_left_up).describe()
            "the lidar's x axis looks forward in the camera, y left, z up"
        """
        looks = _directions(self.T_camera_lidar)
        return f"the lidar's x axis looks {looks[0]} in the camera, y {looks[1]}, z {looks[2]}"


def read_kitti_calibration(path: str | Path, camera: int = 2, size: tuple[int, int] | None = None) -> LidarCalibration:
    """Read the calibration of a KITTI recording: for its rectified images, or for those of another published size.

    ``P = K [I | t]`` maps from the rectified camera 0, so ``T_camera_lidar = [I | K⁻¹ P[:, 3]] · R · Tr``. Of raw
    images, ``K_xx``, ``D_xx``, ``R_xx`` and ``T_xx`` count.

    Args:
        path: ``calib.txt`` of an odometry sequence (P0..P3, Tr) or of an object frame (P0..P3, R0_rect,
            Tr_velo_to_cam); or the folder of a date of raw recordings, with ``calib_cam_to_cam.txt`` and
            ``calib_velo_to_cam.txt``.
        camera: 0 and 1 are grey, 2 and 3 colour, 1 and 3 on the right.
        size: (H, W) of the images, pixels; None = that of the rectified ones. With the folder of a date, images may
            have the size of raw ones, or that of the depth benchmark, which are cut out.

    Raises:
        FileNotFoundError: a file is missing.
        KBNetError: a matrix is missing or is none.
    """
    path = Path(path)
    rectified: tuple[int, int] | None = None
    read = partial(read_matrix, remedy=_NOT_OF_KITTI)
    if path.is_dir():
        values = {**read_keys(path / RAW_CAMERA), **read_keys(path / RAW_LIDAR)}
        rectified, raw = (_size(values, f"{key}_{camera:02}", path / RAW_CAMERA) for key in ("S_rect", "S"))
        P = read(values, (f"P_rect_{camera:02}",), (3, 4), path / RAW_CAMERA)
        R = read(values, ("R_rect_00",), (3, 3), path / RAW_CAMERA)
        Tr = np.hstack([read(values, (key,), (3, n), path / RAW_LIDAR) for key, n in (("R", 3), ("T", 1))])
        if size is not None and size == raw != rectified:
            return _raw_calibration(values, path / RAW_CAMERA, camera, Tr, size)
    else:
        values = read_keys(path)
        P = read(values, (f"P{camera}",), (3, 4), path)
        R = read(values, ("R0_rect", "R_rect"), (3, 3), path) if {"R0_rect", "R_rect"} & set(values) else np.eye(3)
        Tr = read(values, ("Tr", "Tr_velo_to_cam", "Tr_velo_cam"), (3, 4), path)
    K = check_intrinsics(P[:, :3], where=f" of camera {camera} in {path}")
    offset = np.eye(4)
    offset[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
    T_camera_lidar = offset @ _rigid(R) @ _rigid(Tr)
    check_pose(T_camera_lidar, "the transform from lidar to camera", where=f" in {path}")
    if size == BENCHMARK_SIZE and rectified is not None and rectified != size:
        K, rectified = _cut_out(K, rectified, path), size
    return LidarCalibration(K, T_camera_lidar, offset, size=rectified, of_kitti=True, remedy=_GIVE_TEXT)


def check_one_calibration(path: Path, images: list[Path]) -> None:
    """Refuse a calibration where another image has another one, as in KITTI's object benchmark (``calib/<name>.txt``).

    Args:
        images: whose names calibrations in ``calib/`` beside it may have, or those beside it if it has one of them.

    Raises:
        KBNetError: one of these differs.
    """
    named = any(image.stem == path.stem for image in images)
    for folder in (path.parent,) * named + (path.parent / "calib",) if path.is_file() else ():
        for other in (folder / f"{image.stem}{path.suffix}" for image in images):
            if other.is_file() and other.read_bytes() != path.read_bytes() and "P2" in read_keys(other):
                raise KBNetError(
                    f"expected one calibration of all images, but {other} differs from {path}; put images of one "
                    "calibration, and their scans, into folders of their own"
                )


def _raw_calibration(
    values: dict[str, str], path: Path, camera: int, Tr: Transform, size: tuple[int, int]
) -> LidarCalibration:
    """Of images that are not rectified; poses are those of the rectified camera 0."""
    K, R, T, D = (
        read_matrix(values, (f"{key}_{camera:02}",), shape, path)
        for key, shape in (("K", (3, 3)), ("R", (3, 3)), ("T", (3, 1)), ("D", (1, 5)))
    )
    T_camera_0 = _rigid(np.hstack([R, T]))
    T_camera_lidar = T_camera_0 @ _rigid(Tr)
    check_pose(T_camera_lidar, "the transform from lidar to camera", where=f" in {path}")
    return LidarCalibration(
        check_intrinsics(K, where=f" of camera {camera} in {path}"),
        T_camera_lidar,
        T_camera_0 @ np.linalg.inv(_rigid(read_matrix(values, ("R_rect_00",), (3, 3), path))),
        "radial-tangential",
        tuple(D[0].tolist()),
        size,
        of_kitti=True,
    )


def _cut_out(K: FloatArray, size: tuple[int, int], path: Path) -> FloatArray:
    """K of the depth benchmark's images: the lower edge of the rectified ones, and their middle."""
    (height, width), (cut_height, cut_width) = size, BENCHMARK_SIZE
    left, top = (width - cut_width) // 2, height - cut_height
    said = f"images have {cut_width}x{cut_height} pixels, but KITTI's rectified ones of {path} {width}x{height}"
    if left < 0 or top < 0:
        raise KBNetError(f"{said}: where they were cut out is not known; give K of these images (--intrinsics)")
    warnings.warn(
        f"{said}: taken for images of the depth benchmark, which begin at column {left} and row {top}; give K if they "
        "were cut out elsewhere (--intrinsics, --extrinsics)",
        stacklevel=3,
    )
    return K - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]], np.float32)


def warn_of_inverse(T_camera_lidar: Transform, path: Path) -> None:
    """Warn of extrinsics with which the lidar lies on its side, while it stands upright with their inverse."""
    looks, inverse = _directions(T_camera_lidar), _directions(T_camera_lidar.T)  # of a rotation
    if looks[2] != "up" and inverse[2] == "up":
        warnings.warn(
            f"with {path} the lidar's z axis looks {looks[2]} in the camera, with its inverse up: if it maps camera to "
            "lidar, invert it",
            stacklevel=3,
        )


def _directions(T_camera_lidar: Transform) -> list[str]:
    """Where the axes x, y and z of the lidar look in the camera."""
    axes = [(column, int(np.abs(column).argmax())) for column in T_camera_lidar[:3, :3].T]
    return [_DIRECTIONS[axis][int(column[axis] > 0)] for column, axis in axes]


def _rigid(matrix: Transform) -> Transform:
    """(3, 3) or (3, 4) as (4, 4)."""
    T: Transform = np.eye(4)
    T[:3, : matrix.shape[1]] = matrix
    return T


def _size(values: dict[str, str], key: str, path: Path) -> tuple[int, int] | None:
    if key not in values:
        return None
    width, height = read_matrix(values, (key,), (1, 2), path)[0].astype(int).tolist()
    return height, width


def read_transform(path: str | Path, what: str) -> Transform:
    """Read a rigid transform between two sensors: 3x4 or 4x4 numbers row by row; ``#`` begins a comment.

    Args:
        what: what it should hold, for the error message.

    Returns:
        (4, 4), float64.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it holds no rigid transform.
    """
    transform = read_pose(path, what)
    if (length := float(np.linalg.norm(transform[:3, 3]))) > LARGEST_BASELINE_M:
        warnings.warn(
            f"{what} in {path} moves by {length:.0f} m: in millimetres or centimetres? Write metres", stacklevel=3
        )
    return transform


def read_pose_lines(path: str | Path) -> list[Transform]:
    """Read KITTI's ``poses.txt``: 12 numbers a line, the camera in the world, one line an image.

    Returns:
        ``T_world_camera`` of each, (4, 4), float64, metres.

    Raises:
        FileNotFoundError: there is no such file.
        KBNetError: it holds something else.
    """
    what = "poses (12 numbers a line, camera to world)"
    numbers = read_numbers(path, what, table=True)
    lines = (line.partition("#")[0].replace(",", " ").split() for line in read_text(path).splitlines())
    widths = {len(words) for words in lines if words}
    if widths not in ({12}, {16}, {4}) or numbers.size % (width := max(12, *widths)):
        got = f"{numbers.size} numbers, {' or '.join(map(str, sorted(widths)))} a line,"
        raise KBNetError(
            f"expected {what}, got {got} in {path}; write a line for each image, with the rotation as matrix"
        )
    poses = []
    for index, row in enumerate(numbers.reshape(-1, width)):
        pose = np.vstack([row[:12].reshape(3, 4), [0, 0, 0, 1]])
        check_pose(pose, f"pose {index}", where=f" in {path}")
        poses.append(pose)
    return poses


def camera_of_path(folder: Path) -> int:
    """Which of KITTI's cameras took the images of a folder, by its name (``image_2``, ``image_03/data``); else 2."""
    if named := re.findall(r"image_0?([0-3])(?!\d)", folder.as_posix()):
        return int(named[-1])
    said = f"{folder} is taken for images of KITTI's camera 2 (left, colour), which its name does not say (image_2)"
    warnings.warn(f"{said}; name it (--camera)", stacklevel=3)
    return 2


def read_keys(path: Path) -> dict[str, str]:
    """Lines ``key: values`` of a calibration.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected KITTI's calibration {path}, but there is no such file; check the path")
    lines = (line.partition(":") for line in read_text(path, errors="replace").splitlines())
    return {key.strip(): value for key, colon, value in lines if colon}


def read_matrix(
    values: dict[str, str],
    keys: tuple[str, ...],
    shape: tuple[int, int],
    path: Path,
    *,
    remedy: str = "copy the file again",
) -> Transform:
    """Matrix of the first of some keys that is there.

    Args:
        path: of the calibration, for the error message.
        remedy: what to do if none is there, for the error message.

    Raises:
        KBNetError: none is there, or it has another count of numbers.
    """
    key = next((key for key in keys if key in values), None)
    if key is None:
        raise KBNetError(
            f"expected a line '{keys[0]}: ...' in {path}, but its lines are {', '.join(values) or 'none'}; {remedy}"
        )
    try:
        return np.array(values[key].split(), np.float64).reshape(shape)
    except ValueError:
        raise KBNetError(f"expected {shape[0] * shape[1]} numbers as {key} in {path}; copy the file again") from None
