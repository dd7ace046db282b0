"""COLMAP models, text or binary: the points each image's tracks saw, as sparse depth.

COLMAP counts pixels from the image's corner, so its (0.5, 0.5) is the centre of the first pixel, (0, 0) here. Its unit
of length is arbitrary: a scale makes it metres.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, Frame
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.image_file import picture_size, read_image
from kbnet.frames.natural_order import in_order, sortable
from kbnet.frames.recording import Moment
from kbnet.frames.sequence_writer import WrittenFrames
from kbnet.sources.colmap_folder import find_images, find_model, image_file, read_reconstruction
from kbnet.sources.depth_file import assumed_unit, check_scaled
from kbnet.sources.rectification import Camera, RectifiedRecording
from kbnet.sources.resizing import fit_camera, limit_longer_side

LENSES = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
    "SIMPLE_FISHEYE": "f cx cy",
    "FISHEYE": "fx fy cx cy",
    "SIMPLE_RADIAL_FISHEYE": "f cx cy k1",
    "RADIAL_FISHEYE": "f cx cy k1 k2",
    "OPENCV_FISHEYE": "fx fy cx cy k1 k2 k3 k4",
}
"""Camera models that are read, and the order of their parameters."""


@dataclass(frozen=True)
class PointFilter:
    """Which of a model's points are good enough to be called measured."""

    min_track: int = 3
    """Images that must have seen a point."""
    max_error: float = 2.0
    """Largest mean reprojection error of a point, pixels."""


@dataclass(frozen=True)
class ColmapView:
    """What one image saw.

    Attributes:
        file: of the image, in the folder of images.
        pixels: of its points, (N, 2), x and y, pixel centres on whole numbers.
        depth: of its points along z, (N,), metres.
        T_world_camera: (4, 4), metres.
    """

    file: str
    pixels: Float64Array
    depth: Float64Array
    T_world_camera: Float64Array


class ColmapFrames(RectifiedRecording[str]):
    """Images of one camera of a reconstruction, with the points that each of them saw.

    Points deeper than 255.996 m are left out, and images without a point that is good enough.
    """

    says_points = True

    def __init__(
        self,
        path: str | Path,
        *,
        images: str | Path | None = None,
        camera_id: int | None = None,
        points: PointFilter | None = None,
        scale: float = 1.0,
        longest_side: int | None = None,
    ) -> None:
        """Read the model, not the images.

        Args:
            path: the model, or the workspace that has it in ``sparse/0`` or ``sparse``.
            images: folder of the images; else ``images`` in the workspace.
            camera_id: which camera, if there are several.
            points: which points to keep.
            scale: metres in one unit of the model.
            longest_side: in pixels, of the frames; larger images are shrunk.

        Raises:
            FileNotFoundError: there is no model or no folder of images.
            KBNetError: the scale is not positive, the model cannot be read, has several cameras or one whose lens is
                not known, no image sees a point, or the depth cannot be in metres. When frames are looked for: no
                point falls into an image.
            ModuleNotFoundError: pycolmap is not installed.
        """
        if not scale > 0:
            raise KBNetError(
                f"expected metres in one unit of the model above 0, got {scale:g}; measure a length (--scale)"
            )
        self.model = find_model(Path(path))
        self.images = find_images(Path(path), images)
        super().__init__(path, str(self.model), inputs=(self.model, self.images))
        self._longest_side, self._scale = longest_side, scale
        reconstruction = read_reconstruction(self.model)
        chosen = _choose_camera(reconstruction, camera_id, self.model)
        try:
            self._calibrated = _to_camera(reconstruction.cameras[chosen])
        except KBNetError as error:
            raise KBNetError(f"camera {chosen} in {self.model}: {error}") from None
        self._views = _views(reconstruction, chosen, points or PointFilter(), scale)
        self.expected = len(self._views)
        self._points = lru_cache(maxsize=2)(self._sparse_depth)
        if not len(self.depths()):
            raise KBNetError(
                f"no image of camera {chosen} in {self.model} sees a point that is good enough; "
                "loosen --min-track and --max-error, or check that the reconstruction succeeded"
            )
        check_scaled(self.depths(), self.model, scale)

    @cached_property
    def camera(self) -> Camera:
        """Camera of the images as they are: the model may be of larger ones."""
        first = self.images / self._views[in_order(self._views, str)[0]].file
        return fit_camera(self._calibrated, picture_size(first), f"the camera in {self.model}")

    def depths(self) -> Float64Array:
        """Depth of all sparse points of all frames, (N,), metres."""
        return np.concatenate([view.depth for view in self._views.values()])

    def summary(self, written: WrittenFrames, folder: Path) -> list[str]:
        low, middle, high = np.percentile(self.depths(), [5, 50, 95])
        return [
            *self.notes(),
            f"wrote {written.frames} frames to {folder}: {written.points} points a frame, {middle:.2f} m away "
            f"({low:.2f} to {high:.2f} m) if one unit of the model is {self._scale:g} m",
        ]

    def assumptions(self) -> list[str]:
        return assumed_unit(self._scale)

    def moments(self) -> Iterator[Moment[str]]:
        names = in_order(self._views, str)
        for name, sorted_name in zip(names, sortable(names), strict=True):
            if self._points(name).any():
                yield Moment(sorted_name, self._views[name].T_world_camera, name)
            else:
                self.leave_out("images without points", self._views[name].file)
        if not self._known:
            raise KBNetError(
                f"no point of {self.model} falls into an image nearer than {MAXIMUM_DEPTH:g} m; check the model in "
                "COLMAP, and metres in one unit (--scale)"
            )

    def make(self, index: int, moment: Moment[str]) -> Frame:
        image = self.rectification.image(read_image(self.images / self._views[moment.parts].file))
        frame = Frame(image, self._points(moment.parts), self.rectification.target.K, name=moment.name)
        return limit_longer_side(frame, self._longest_side) if self._longest_side else frame

    def _sparse_depth(self, name: str) -> FloatArray:
        """Depth in the rectified image, (H, W), metres; 0 = unmeasured."""
        view = self._views[name]
        near = view.depth < MAXIMUM_DEPTH
        (height, width), (old_height, old_width) = self.camera.size, self._calibrated.size
        pixels = (view.pixels[near] + 0.5) * [width / old_width, height / old_height] - 0.5
        return self.rectification.points(pixels, view.depth[near])


def _choose_camera(reconstruction: Any, camera_id: int | None, folder: Path) -> int:
    used = Counter(reconstruction.images[image].camera_id for image in reconstruction.reg_image_ids())
    if camera_id is None and len(used) == 1:
        return int(next(iter(used)))
    if camera_id is not None and camera_id in used:
        return camera_id
    listed = "; ".join(
        f"{key}: {camera.model_name} {camera.width}x{camera.height}, {used[key]} images"
        for key, camera in sorted(reconstruction.cameras.items())
        if key in used
    )
    if camera_id is None:
        raise KBNetError(
            f"expected one camera, since a sequence has one K, got {len(used)} in {folder} ({listed}); choose one "
            "(--camera), or, if they are one and no rig, let COLMAP share it (--ImageReader.single_camera 1)"
        )
    raise KBNetError(f"camera {camera_id} has no image in {folder}; it has {listed or 'none'}")


def _to_camera(camera: Any) -> Camera:
    name = camera.model_name
    if name not in LENSES:
        raise KBNetError(
            f"expected a camera model among {', '.join(LENSES)}, got {name}; let COLMAP undistort first "
            "(colmap image_undistorter), then name the folder it wrote"
        )
    parameters = dict(zip(LENSES[name].split(), camera.params, strict=True))
    fx, fy = parameters.get("fx", parameters.get("f")), parameters.get("fy", parameters.get("f"))
    K = np.array([[fx, 0, parameters["cx"] - 0.5], [0, fy, parameters["cy"] - 0.5], [0, 0, 1]], np.float32)
    keys = "k1 k2 k3 k4" if "FISHEYE" in name else "k1 k2 p1 p2 k3 k4 k5 k6"
    coefficients = tuple(float(parameters.get(key, 0)) for key in keys.split())
    return Camera(
        K, (camera.height, camera.width), "fisheye" if "FISHEYE" in name else "radial-tangential", coefficients
    )


def _views(reconstruction: Any, camera_id: int, points: PointFilter, scale: float) -> dict[str, ColmapView]:
    good = {
        key: point.xyz
        for key, point in reconstruction.points3D.items()
        if point.track.length() >= points.min_track and point.error <= points.max_error
    }
    views: dict[str, ColmapView] = {}
    for image_id in reconstruction.reg_image_ids():
        image = reconstruction.images[image_id]
        if image.camera_id != camera_id:
            continue
        seen = [point for point in image.get_observation_points2D() if point.point3D_id in good]
        T_camera_world = np.vstack([image.cam_from_world().matrix(), [0, 0, 0, 1]])
        T_camera_world[:3, 3] *= scale
        xyz = scale * np.array([good[point.point3D_id] for point in seen]).reshape(-1, 3)
        depth = xyz @ T_camera_world[2, :3] + T_camera_world[2, 3]
        kept = depth > 0
        file = image_file(image)
        name = str(PurePosixPath(file).with_suffix("")).replace("/", "_")
        if name in views:
            raise KBNetError(f"images {views[name].file} and {file} would both become frame '{name}'; rename one")
        pixels = np.array([point.xy for point in seen]).reshape(-1, 2) - 0.5
        views[name] = ColmapView(file, pixels[kept], depth[kept], np.linalg.inv(T_camera_world))
    return views
