"""``transforms.json`` of Nerfstudio and Instant-NGP: images with poses, and depth images or one cloud of points.

Poses are of a computer-graphics camera (x right, y up, z backward), pixels count from the corner of the image, and the
unit of length is arbitrary: a scale makes it metres.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kbnet.errors import KBNetError, refused_as
from kbnet.files import read_json
from kbnet.frame import Float64Array, FloatArray, Frame, check_pose
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.depth_png import MAXIMUM_DEPTH, spread_depth
from kbnet.frames.image_file import picture_size, read_image
from kbnet.frames.kinds import IMAGE_SUFFIXES
from kbnet.frames.natural_order import in_order, sortable
from kbnet.frames.recording import Moment
from kbnet.points.projection import drop_hidden_points, project_points
from kbnet.points.sparse_points import map_to_points
from kbnet.sources.depth_file import assumed_unit, check_scaled, read_depth_file, said_median
from kbnet.sources.phone_files import OPENCV_FROM_GRAPHICS
from kbnet.sources.point_cloud_file import read_points
from kbnet.sources.rectification import Camera, Rectification, RectifiedRecording
from kbnet.sources.resizing import fit_camera, image_at_focus, limit_longer_side, points_at_focus

FISHEYE = "OPENCV_FISHEYE"
LENSES = ("", "PINHOLE", "SIMPLE_PINHOLE", "OPENCV", FISHEYE)
LARGEST = 1e6
"""Of the numbers of a camera; larger ones are none."""
LARGEST_REFOCUS = 0.1
"""By which focal lengths and centres may differ, as a share, where a camera focused anew for each frame."""
_ANGLES = ("camera_angle_x", "camera_angle_y")
_PATHS = {"file_path", "depth_file_path", "ply_file_path"}
_UNITS = ("integer_depth_scale", "depth_unit_scale_factor")
MILLIMETRE = 0.001
_OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular")
"""Of Instant-NGP."""
_CAMERA = ("fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "k3", "k4", "p1", "p2", "k5", "k6")


class TransformsFrames(RectifiedRecording[int]):
    """Frames of a ``transforms.json``, named by their images.

    Sparse depth is that of ``depth_file_path``, which may be smaller than the image, or else the points of the cloud
    that the camera sees: points that nearer ones hide are dropped.

    Args:
        path: the file, or its folder.
        scale, points, depth_unit, longest_side: as `kbnet.sources.kinds.transforms.TransformsArguments`.

    Raises:
        FileNotFoundError: a file is missing.
        KBNetError: it is no such file, frames have different cameras, there is neither depth nor a cloud, or the scale
            gives hardly metres.
    """

    says_points = True

    def __init__(
        self,
        path: Path,
        *,
        scale: float = 1.0,
        points: Path | None = None,
        depth_unit: float | None = None,
        longest_side: int | None = None,
    ) -> None:
        super().__init__(path)
        file = path / "transforms.json" if path.is_dir() else path
        self._base, self._scale, self._longest_side, self._content = file.parent, scale, longest_side, _read(file)
        listed = in_order(self._content["frames"], lambda frame: str(frame.get("file_path", "")))
        self._images = [_image_file(self._base, frame, file) for frame in listed]
        self._frames: list[dict[str, Any]] = listed
        self._poses = [_pose(frame, scale, file) for frame in listed]
        self._cameras = [
            (_camera_values(frame, self._content, file), _lens(frame, self._content, file)) for frame in listed
        ]
        _check_alike(self._cameras, file)
        self._first_of_camera = {camera: index for index, camera in reversed(list(enumerate(self._cameras)))}
        self._unit, self._whole_unit = depth_unit, depth_unit or _whole_unit(self._content, file)
        self._dense = all("depth_file_path" in frame for frame in listed)
        if not self._dense:  # --scale is also a factor of depth images
            _warn_of_scale(self._content, scale, file)
        cloud = points or (self._base / str(self._content.get("ply_file_path", "")))
        if not self._dense and not cloud.is_file():
            raise KBNetError(
                f"expected depth_file_path of every frame or ply_file_path in {file}, got neither; name a cloud of "
                "points in the axes of the poses (--points FILE.ply)"
            )
        if not self._dense and cloud.suffix.lower() == ".bin":
            raise KBNetError(f"expected a cloud of points whose file says its columns, got {cloud}; write it as .ply")
        self._cloud, self.expected = cloud, len(listed)
        self.points_from = "depth_file_path" if self._dense else str(cloud)
        self._depth = lru_cache(maxsize=2)(self._read_depth)
        self._other_rectification = lru_cache(maxsize=2)(lambda index: Rectification(self._camera_of(index)))

    @cached_property
    def camera(self) -> Camera:
        return self._camera_of(0)

    def _rectification_of(self, index: int) -> Rectification:
        """Of one frame; others may have another focus."""
        first = self._first_of_camera[self._cameras[index]]
        return self._other_rectification(first) if first else self.rectification

    def _camera_of(self, index: int) -> Camera:
        given, (lens, fisheye) = self._cameras[index]
        values = dict(zip((*_CAMERA, *_ANGLES), given, strict=True))
        size = picture_size(self._images[index])
        height, width = int(values["h"] or size[0]), int(values["w"] or size[1])
        fx, fy = (
            given or (0.5 * side / np.tan(0.5 * angle) if angle else 0.0)
            for given, side, angle in (
                (values["fl_x"], width, values["camera_angle_x"]),
                (values["fl_y"], height, None if values["fl_x"] else values["camera_angle_y"]),
            )
        )
        cx, cy = (
            half if given is None else given for given, half in ((values["cx"], width / 2), (values["cy"], height / 2))
        )
        K = np.array([[fx or fy, 0, cx - 0.5], [0, fy or fx, cy - 0.5], [0, 0, 1]], np.float32)
        keys = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3")
        for key in ("k5", "k6") if fisheye else ("k4", "k5", "k6"):
            if values[key]:
                raise KBNetError(
                    f"expected no {key} of the lens {lens or 'OPENCV'}, got {values[key]}; undistort the images"
                )
        coefficients = tuple(float(values[key] or 0) for key in keys)
        warn_of_far_centre(K, (height, width), of=f"K of {self._base}")
        camera = Camera(K, (height, width), "fisheye" if fisheye else "radial-tangential", coefficients)
        return fit_camera(camera, size, f"the camera in {self._base}")

    def assumptions(self) -> list[str]:
        said = assumed_unit(self._scale)
        if self._dense and self._unit is None and not any(map(self._content.get, _UNITS)):
            said += said_median("depth is taken for millimetres in whole numbers, metres in floats", self._depth(0))
        return said

    def moments(self) -> Iterator[Moment[int]]:
        names = [
            str(Path(str(frame["file_path"])).with_suffix("")).replace("/", "_").lstrip("._") for frame in self._frames
        ]
        for index, name in enumerate(sortable(names)):
            depth = self._depth(index)
            if not depth.any():
                self.leave_out("frames without points", name)
                continue
            if not self._known:
                check_scaled(depth[depth > 0], self.folder, self._scale)
            yield Moment(name, self._poses[index], index)
        if not self._known:
            raise KBNetError(
                f"no frame of {self.folder} sees a point of {self.points_from}; are both in the same axes, and is "
                "--scale right?"
            )

    def make(self, index: int, moment: Moment[int]) -> Frame:
        own, K = self._rectification_of(moment.parts), self.rectification.target.K
        image = image_at_focus(own.image(read_image(self._images[moment.parts])), own.target.K, K)
        frame = Frame(image, self._depth(moment.parts), K, name=moment.name)
        return limit_longer_side(frame, self._longest_side) if self._longest_side else frame

    @cached_property
    def _points(self) -> Float64Array:
        return read_points(self._cloud) * self._scale

    def _read_depth(self, index: int) -> FloatArray:
        if self._dense:
            path = self._base / str(self._frames[index]["depth_file_path"])
            unit = self._unit if self._unit or self._scale == 1 else 1.0  # None: looked at
            depth = read_depth_file(path, unit and unit * self._scale, whole_unit_m=self._whole_unit * self._scale)
            own = self._rectification_of(index)
            sparse = own.points(*map_to_points(spread_depth(depth, self.camera.size)))
            return points_at_focus(sparse, own.target.K, self.rectification.target.K)
        target = self.rectification.target
        depth = project_points(self._points, target.K, np.linalg.inv(self._poses[index]), target.size)
        return drop_hidden_points(np.where(depth > MAXIMUM_DEPTH, np.float32(0), depth))


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError(f"expected {file}, but there is no such file; check the path")
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
        raise KBNetError(f"expected a list of frames in {file}, got none; export it again")
    if not all(isinstance(frame, dict) for frame in content["frames"]):
        raise KBNetError(f"expected frames with file_path and transform_matrix in {file}; export it again")
    for frame in content["frames"]:
        if "depth_path" in frame:  # Instant-NGP
            frame.setdefault("depth_file_path", frame["depth_path"])
    for place in (content, *content["frames"]):
        for key in _PATHS & place.keys():
            place[key] = str(place[key]).replace("\\", "/")  # Windows
    return content


def _camera_values(frame: dict[str, Any], content: dict[str, Any], file: Path) -> tuple[float | None, ...]:
    """Numbers of the camera, and the field of view of all; None = not given."""
    values: list[float | None] = []
    for key in (*_CAMERA, *_ANGLES):
        values.append(_number(frame if key in frame else content, key, file))
    return tuple(values)


def _check_alike(cameras: list[tuple[tuple[float | None, ...], tuple[str, bool]]], file: Path) -> None:
    """Refuse cameras that differ by more than an autofocus makes: frames are resampled to K of the first."""
    names = (*_CAMERA, *_ANGLES)
    table = np.array([values for values, _ in cameras], np.float64)  # None becomes NaN
    for name, most in (dict.fromkeys((*_CAMERA[:4], *_ANGLES), LARGEST_REFOCUS) | {"w": 0.0, "h": 0.0}).items():
        column = table[:, names.index(name)]
        apart = np.ptp(column) > most * abs(column[0]) or np.isnan(column).any() != np.isnan(column).all()
        if apart or len({lens for _, lens in cameras}) > 1:
            raise KBNetError(
                f"expected one camera, since a sequence has one K, but {name if apart else 'the lens'} differs between "
                f"frames of {file}; make a file of each camera"
            )


def _number(place: dict[str, Any], key: str, file: Path) -> float | None:
    value = place.get(key)
    if value is not None and not (isinstance(value, int | float) and abs(value) < LARGEST):
        raise KBNetError(f"expected {key} as a number in {file}, got {str(value)[:40]}; export it again")
    return None if value is None else float(value)


def _lens(frame: dict[str, Any], content: dict[str, Any], file: Path) -> tuple[str, bool]:
    """Name of the lens, and whether it is a fisheye."""
    own = content | frame
    name, other = str(own.get("camera_model", "")), [key for key in _OTHER_LENSES if own.get(key)]
    if name not in LENSES or other:
        raise KBNetError(
            f"expected a camera_model among {', '.join(filter(None, LENSES))} in {file}, got '{(*other, name)[0]}'; "
            "undistort the images"
        )
    return name, name == FISHEYE or bool(own.get("is_fisheye"))


def _whole_unit(content: dict[str, Any], file: Path) -> float:
    """Unit of whole numbers as the file says it, else millimetres."""
    units = [_number(content, key, file) for key in _UNITS]
    return next((unit for unit in units if unit and unit > 0), MILLIMETRE)


def _warn_of_scale(content: dict[str, Any], scale: float, file: Path) -> None:
    """Nerfstudio may have scaled poses that were in metres."""
    applied = _number(content, "applied_scale", file)
    if applied and applied > 0 and applied != 1 and scale == 1:
        warnings.warn(
            f"{file} says that its poses were scaled by {applied:.6g}: if the recording was in metres, give --scale "
            f"{1 / applied:.6g}",
            stacklevel=4,
        )


def _image_file(base: Path, frame: dict[str, Any], file: Path) -> Path:
    path = base / str(frame.get("file_path", ""))
    candidates = [path, *(Path(f"{path}{suffix}") for suffix in IMAGE_SUFFIXES)]
    found = next((one for one in candidates if one.is_file()), None)
    if found is None or not Path(str(frame.get("file_path", ""))).name:
        raise FileNotFoundError(f"expected the image {path}, which {file} names, but there is no such file")
    return found


def _pose(frame: dict[str, Any], scale: float, file: Path) -> Float64Array:
    """``T_world_camera``, (4, 4), metres, z forward."""
    T: Float64Array = np.eye(4)
    with refused_as(f"expected transform_matrix of {frame.get('file_path')} as 4x4 numbers in {file}"):
        T[:3] = np.array(frame["transform_matrix"], np.float64)[:3]
    check_pose(T, "transform_matrix", where=f" of {frame.get('file_path')} in {file}")
    T[:3, 3] *= scale
    return np.asarray(T @ OPENCV_FROM_GRAPHICS)
