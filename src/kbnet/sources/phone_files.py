"""Recordings of phones with a lidar, as apps export them: depth registered to the colour image, but smaller.

Stray Scanner: ``rgb.mp4`` (or ``rgb/``), ``depth/*.png`` in millimetres, ``confidence/*.png`` (0, 1, 2),
``camera_matrix.csv`` and ``odometry.csv``. Record3D: a ``.r3d`` file, or the folder it unpacks to, with ``metadata``
and ``rgbd/<n>.jpg``, ``.depth`` and ``.conf``, compressed by LZFSE. Polycam: ``keyframes/`` of its raw data, with
``images/``, ``depth/``, ``confidence/`` and ``cameras/<name>.json``. Poses of the last two: x right, y up, z backward.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from abc import ABC, abstractmethod
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kbnet.errors import KBNetError, refused_as
from kbnet.files import parse_json, read_json, read_text
from kbnet.frame import Float64Array, FloatArray, ImageArray, check_intrinsics, check_pose
from kbnet.frames.image_file import open_picture, read_image, read_intrinsics
from kbnet.frames.kinds import IMAGE_SUFFIXES
from kbnet.frames.natural_order import in_order
from kbnet.limits import MOST_PACKED_BYTES, regular_file
from kbnet.sources.depth_file import measured_units

OPENCV_FROM_GRAPHICS = np.diag([1.0, -1.0, -1.0, 1.0])
"""Turns the axes of a camera whose z looks backward to those of one whose z looks forward, and back."""


class PhoneFiles(ABC):
    """Files of one recording.

    Attributes:
        names: of the frames, in order.
        K: of each frame, (3, 3), float32 pixels of the colour image.
        poses: ``T_world_camera`` of each frame, (4, 4), metres; None = not known.
        points_from: where depth comes from.
        alone: images without depth.
    """

    names: list[str]
    K: list[FloatArray]
    poses: list[Float64Array | None]
    points_from: str
    alone: int = 0

    @abstractmethod
    def image(self, index: int) -> ImageArray:
        """Colour image, RGB, (H, W, 3), uint8."""

    @abstractmethod
    def depth(self, index: int) -> tuple[FloatArray, NDArray[np.uint8] | None]:
        """Depth, (h, w), metres, and its confidence, 0 to 2; None = the app did not store it."""


class StrayFiles(PhoneFiles):
    """An export of Stray Scanner, or folders like it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.points_from = folder, str(folder / "depth")
        self._depths = in_order((folder / "depth").glob("[!.]*.[pP][nN][gG]"), lambda path: path.stem)
        if not self._depths:
            raise FileNotFoundError(f"expected depth images in {folder / 'depth'}, got none; export them again")
        self.names = [path.stem for path in self._depths]
        self._read_cameras(folder)
        self._confidences = {_number(path.stem): path for path in (folder / "confidence").glob("[!.]*.[pP][nN][gG]")}
        listed = (path for name in ("rgb", "color", "images") for path in (folder / name).glob("[!.]*"))
        self._images = {_number(path.stem): path for path in listed if path.suffix.lower() in IMAGE_SUFFIXES}
        self.alone = len(self._images.keys() - {_number(name) for name in self.names})

    def _read_cameras(self, folder: Path) -> None:
        K = read_intrinsics(folder / "camera_matrix.csv")
        rows = _odometry(folder / "odometry.csv")
        found = [rows.get(_number(name), {}) for name in self.names]
        self.poses = [_pose(row) for row in found]
        _warn_of_missing_poses(self.poses, self.names, folder / "odometry.csv")
        self.K = [_own_intrinsics(row, K) for row in found]

    def image(self, index: int) -> ImageArray:
        """From ``rgb/``, or a frame of the video of the same number."""
        if not self._images:
            return np.asarray(self._decoder.at(_number(self.names[index]), None).image())
        return read_image(self._beside(index, self._images, "image"))

    def depth(self, index: int) -> tuple[FloatArray, NDArray[np.uint8] | None]:
        """From millimetres."""
        path = self._depths[index]
        picture = open_picture(path, "a depth image")
        if not picture.mode.startswith("I"):
            raise KBNetError(f"expected depth of 16 bits in millimetres, got mode '{picture.mode}' in {path}")
        depth = measured_units(np.asarray(picture)) / np.float32(1000)
        if not self._confidences:
            return depth, None
        return depth, np.asarray(open_picture(self._beside(index, self._confidences, "confidence"), "confidence"))

    def _beside(self, index: int, files: dict[int, Path], what: str) -> Path:
        if (number := _number(self.names[index])) in files:
            return files[number]
        raise FileNotFoundError(f"expected {what} for {self._depths[index]}, got none; export the recording again")

    @cached_property
    def _decoder(self) -> Any:
        from kbnet.sources.video_decoder import VideoDecoder, open_video

        videos = [path for path in (self._folder / "rgb.mp4", self._folder / "rgb.mov") if path.is_file()]
        if not videos:
            raise FileNotFoundError(f"expected rgb.mp4 or rgb/ in {self._folder}, got neither; export it again")
        return VideoDecoder(open_video(videos[0]))


class PolycamFiles(StrayFiles):
    """Keyframes of Polycam's raw data; images as the phone took them, on which depth lies.

    Poses are those of ``corrected_cameras/`` where that folder is.
    """

    def _read_cameras(self, folder: Path) -> None:
        corrected = folder / "corrected_cameras"
        cameras = [_polycam_camera(folder / "cameras" / f"{name}.json") for name in self.names]
        self.K, self._sizes = [K for K, _, _ in cameras], [size for _, size, _ in cameras]
        self.poses = [pose for _, _, pose in cameras]
        if corrected.is_dir():
            files = [corrected / f"{name}.json" for name in self.names]
            self.poses = [_polycam_camera(path)[2] if path.is_file() else None for path in files]
            _warn_of_missing_poses(self.poses, self.names, corrected)

    def image(self, index: int) -> ImageArray:
        """From ``images/``, of the size for which its camera is."""
        image = super().image(index)
        if image.shape[:2] != (size := self._sizes[index]):
            camera = self._folder / "cameras" / f"{self.names[index]}.json"
            raise KBNetError(f"expected an image (H, W) of {size} as {camera} says, got {image.shape}; export it again")
        return image

    def depth(self, index: int) -> tuple[FloatArray, NDArray[np.uint8] | None]:
        """From millimetres, and confidence of 0 (low), 127 (medium) and 255 (high)."""
        depth, found = super().depth(index)
        return depth, None if found is None else (found > 0).astype(np.uint8) + (found == 255)


class Record3dFiles(PhoneFiles):
    """A ``.r3d`` file of Record3D, or the folder it unpacks to."""

    def __init__(self, path: Path) -> None:
        self.path, self.points_from = path, f"{path}/rgbd"
        with refused_as(f"expected a recording of Record3D in {path}", zipfile.BadZipFile):
            self._zip = zipfile.ZipFile(path) if path.is_file() else None
            self._list()

    def _list(self) -> None:
        path = self.path
        self._metadata = parse_json(self._read("metadata"))
        listed = self._zip.namelist() if self._zip else [f"rgbd/{one.name}" for one in (path / "rgbd").iterdir()]
        self.names = in_order(
            [name[5:-6] for name in listed if name.startswith("rgbd/") and name.endswith(".depth")], str
        )
        if not self.names:
            raise KBNetError(f"expected frames rgbd/<n>.depth in {path}, got none; export the recording again")
        K = np.array(self._metadata["K"], np.float32).reshape(3, 3).T  # stored by columns
        own = self._metadata.get("perFrameIntrinsicCoeffs") or []
        numbers = [int(name) if name.isdecimal() else index for index, name in enumerate(self.names)]
        self.K = [_pinhole(*own[number][:4]) if number < len(own) else K for number in numbers]
        poses = self._metadata.get("poses") or []
        self.poses = [_graphics_pose(poses[number]) if number < len(poses) else None for number in numbers]

    def image(self, index: int) -> ImageArray:
        """From JPEG."""
        image = read_image(io.BytesIO(self._read(f"rgbd/{self.names[index]}.jpg")))  # type: ignore[arg-type]
        if image.shape[:2] != (size := (self._metadata.get("h"), self._metadata.get("w"))) and all(size):
            raise KBNetError(f"expected an image (H, W) of {size} as metadata of {self.path}, got {image.shape[:2]}")
        return image

    def depth(self, index: int) -> tuple[FloatArray, NDArray[np.uint8] | None]:
        """From float32 metres."""
        name = f"rgbd/{self.names[index]}.depth"
        with refused_as(f"expected float32 depth as {name} in {self.path}"):
            content = np.frombuffer(self._decompress(name), "<f4")
            depth = np.nan_to_num(content.reshape(self._depth_size(content.size)), nan=0.0, posinf=0.0, neginf=0.0)
            depth = np.where(depth > 0, depth, np.float32(0))
        try:
            confidence = np.frombuffer(self._decompress(f"rgbd/{self.names[index]}.conf"), np.uint8)
        except (KeyError, FileNotFoundError):
            return depth, None
        return depth, confidence.reshape(depth.shape) if confidence.size == depth.size else confidence  # refused

    def _depth_size(self, pixels: int) -> tuple[int, int]:
        width, height = self._metadata.get("dw"), self._metadata.get("dh")
        if not width or not height:
            scale = (pixels / (self._metadata["w"] * self._metadata["h"])) ** 0.5
            width, height = round(self._metadata["w"] * scale), round(self._metadata["h"] * scale)
        if width * height != pixels:
            raise KBNetError(f"expected depth of {width}x{height} in {self.path}, got {pixels} pixels; export it again")
        return int(height), int(width)

    def _read(self, name: str) -> bytes:
        if self._zip is None:
            return regular_file(self.path / name).read_bytes()
        entry = self._zip.getinfo(name)
        if entry.file_size > MOST_PACKED_BYTES:
            raise KBNetError(
                f"expected at most {MOST_PACKED_BYTES:,} bytes as {name} in {self.path}, got {entry.file_size:,}"
            )
        with refused_as(f"expected {name} in {self.path}", zipfile.BadZipFile):
            return self._zip.read(entry)

    def _decompress(self, name: str) -> bytes:
        content = self._read(name)
        if not content.startswith(b"bvx"):
            return content
        try:
            liblzfse: Any = import_module("liblzfse")
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                f"depth in {self.path} is compressed by LZFSE: pip install pyliblzfse", name="liblzfse"
            ) from None
        try:
            if not content.endswith(b"bvx$"):
                raise KBNetError("it is cut off")
            return bytes(liblzfse.decompress(content))
        except (liblzfse.error, MemoryError, KBNetError) as error:
            raise KBNetError(
                f"{name} in {self.path} cannot be unpacked ({error}); export the recording again"
            ) from None


def _odometry(path: Path) -> dict[int, dict[str, float]]:
    """Columns of each frame by its number; empty without the file."""
    if not path.is_file():
        return {}
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    with refused_as(f"expected numbers in {path}", csv.Error):
        read = [{key.strip().lower(): float(value) for key, value in row.items() if key and value} for row in rows]
        return {int(row.get("frame", index)): row for index, row in enumerate(read)}


def _pose(row: dict[str, float]) -> Float64Array | None:
    values = [row.get(name, np.nan) for name in ("x", "y", "z", "qx", "qy", "qz", "qw")]
    return _rigid(values[:3], values[3:])


def _warn_of_missing_poses(poses: list[Float64Array | None], names: list[str], path: Path) -> None:
    columns = " (columns frame, x, y, z, qx, qy, qz, qw)" if path.is_file() else ""
    missing = [name for name, pose in zip(names, poses, strict=True) if pose is None]
    if missing and path.exists():
        warnings.warn(
            f"{len(missing)} of {len(names)} frames have no pose in {path}{columns}, first '{missing[0]}'",
            stacklevel=4,
        )


def _graphics_pose(values: list[float]) -> Float64Array | None:
    """Of Record3D: qx qy qz qw tx ty tz."""
    pose = _rigid(values[4:7], values[:4])
    return None if pose is None else pose @ OPENCV_FROM_GRAPHICS


def _polycam_camera(path: Path) -> tuple[FloatArray, tuple[int, int], Float64Array]:
    """K, (H, W) and ``T_world_camera`` of a keyframe."""
    camera = read_json(path)
    with refused_as(f"expected fx, fy, cx, cy, width, height and t_00 to t_23 of Polycam in {path}"):
        T = np.eye(4)
        T[:3] = [[camera[f"t_{row}{column}"] for column in range(4)] for row in range(3)]
        check_pose(T, "t_00 to t_23")
        K = check_intrinsics(_pinhole(*(camera[name] for name in ("fx", "fy", "cx", "cy"))))
        return K, (int(camera["height"]), int(camera["width"])), T @ OPENCV_FROM_GRAPHICS


def _rigid(position: list[float], quaternion: list[float]) -> Float64Array | None:
    if not np.isfinite([*position, *quaternion]).all() or not np.linalg.norm(quaternion) > 0:
        return None
    T: Float64Array = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_quat(quaternion).as_matrix(), position
    return T


def _own_intrinsics(row: dict[str, float], K: FloatArray) -> FloatArray:
    """Those of a row of odometry.csv, which newer exports have."""
    own = [row.get(name, 0.0) for name in ("fx", "fy", "cx", "cy")]
    return _pinhole(*own) if min(own) > 0 else K


def _pinhole(fx: float, fy: float, cx: float, cy: float) -> FloatArray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float32)


def _number(stem: str) -> int:
    """The one number in the name of a frame, which all its files have."""
    numbers = re.findall(r"\d+", stem)
    if len(numbers) != 1:
        raise KBNetError(f"expected the number of a frame as name, got '{stem}'; number its files alike")
    return int(numbers[0])
