"""COLMAP models, text or binary, to a sequence folder: the points each image's tracks saw, as sparse depth.

COLMAP counts pixels from the image's corner, so its (0.5, 0.5) is the centre of the first pixel, (0, 0) here. Its unit
of length is arbitrary: a scale makes it metres.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbnet.data.rectification import Camera, Rectification
from kbnet.data.resizing import limit_longer_side
from kbnet.frame import Frame
from kbnet.frames.depth_png import MAXIMUM_DEPTH
from kbnet.frames.image_file import read_image
from kbnet.frames.sequence_writer import new_sequence

Floats = NDArray[np.float64]

PLAUSIBLE_MEDIAN_M = (0.1, 100.0)
"""Median depth outside is taken for another unit than metres; nearer, the 1/256 m of a depth PNG is too coarse."""
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


class ColmapModel:
    """A reconstruction with its images, of which those of one camera are read one by one.

    Attributes:
        folder: of the model.
        images: folder of the images.
        names: of the images that become frames, sorted; those that see no point that is good enough are left out.
        camera: of them all.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        images: str | Path | None = None,
        camera_id: int | None = None,
        points: PointFilter | None = None,
        scale: float = 1.0,
    ) -> None:
        """Read the model, not the images.

        Args:
            path: the model, or the workspace that has it in ``sparse/0`` or ``sparse``.
            images: folder of the images; else ``images`` in the workspace.
            camera_id: which camera, if there are several.
            points: which points to keep.
            scale: metres in one unit of the model.

        Raises:
            FileNotFoundError: there is no model or no folder of images.
            ValueError: the scale is not positive, the model cannot be read, has several cameras or one whose lens is
                not known, no image sees a point, or the depth cannot be in metres.
            ModuleNotFoundError: pycolmap is not installed.
        """
        if not scale > 0:
            raise ValueError(
                f"expected metres in one unit of the model above 0, got {scale:g}; measure a length (--scale)"
            )
        self.folder = _find_model(Path(path))
        self.images = _find_images(Path(path), images)
        self._scale = scale
        reconstruction = _read_model(self.folder)
        chosen = _choose_camera(reconstruction, camera_id, self.folder)
        try:
            self.camera = _to_camera(reconstruction.cameras[chosen])
        except ValueError as error:
            raise ValueError(f"camera {chosen} in {self.folder}: {error}") from None
        self._views = _views(reconstruction, chosen, points or PointFilter(), scale)
        self.names = tuple(sorted(self._views))
        if not self.names:
            raise ValueError(
                f"no image of camera {chosen} in {self.folder} sees a point that is good enough; "
                "loosen --min-track and --max-error, or check that the reconstruction succeeded"
            )
        self._check_scale()

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.names)

    def depths(self) -> Floats:
        """Depth of all sparse points of all frames, (N,), metres."""
        return np.concatenate([view.depth for view in self._views.values()])

    def frames(self, *, longest_side: int | None = None) -> Iterator[tuple[Frame, Floats]]:
        """Read, rectify and, if they are larger, shrink the images.

        Args:
            longest_side: in pixels, of the frames.

        Yields:
            A frame and ``T_world_camera``, (4, 4), metres.

        Raises:
            FileNotFoundError, ValueError: an image is missing, unreadable, or of another size than its camera says.
        """
        rectification = Rectification(self.camera)
        for name, view in sorted(self._views.items()):
            near = view.depth < MAXIMUM_DEPTH
            frame = Frame(
                image=rectification.image(read_image(self.images / view.file)),
                sparse_depth=rectification.points(view.pixels[near], view.depth[near]),
                intrinsics=rectification.target.K,
                name=name,
            )
            yield limit_longer_side(frame, longest_side) if longest_side else frame, view.T_world_camera

    def _check_scale(self) -> None:
        low, high = PLAUSIBLE_MEDIAN_M
        if not low <= (median := float(np.median(self.depths()))) <= high:
            raise ValueError(
                f"points in {self.folder} have a median depth of {median:.4g} m, which is hardly metres: COLMAP's unit "
                f"is arbitrary; measure a length and give metres in one unit (--scale, now {self._scale:g})"
            )


@dataclass(frozen=True)
class _View:
    """What one image saw."""

    file: str
    pixels: Floats
    depth: Floats
    T_world_camera: Floats


def write_colmap_sequence(
    model: ColmapModel,
    folder: str | Path,
    *,
    longest_side: int | None = None,
    overwrite: bool = False,
    on_frame: Callable[[Frame], None] = lambda frame: None,
) -> None:
    """Write a sequence.

    Args:
        model: what to write; points deeper than 255.996 m are left out.
        folder: the sequence folder to appear.
        longest_side: in pixels; larger images are shrunk.
        overwrite: replace a sequence that is there.
        on_frame: called with each frame, once written.

    Raises:
        FileNotFoundError, ValueError: as :meth:`ColmapModel.frames`, or ``folder`` holds something.
    """
    frames = model.frames(longest_side=longest_side)
    first = next(frames)
    with new_sequence(
        folder, first[0].intrinsics, overwrite=overwrite, inputs=(model.folder, model.images)
    ) as sequence:
        for frame, T_world_camera in chain([first], frames):
            sequence.add(frame, T_world_camera)
            on_frame(frame)


def _find_model(path: Path) -> Path:
    if _holds_model(path):
        return path
    numbered = sorted(folder for folder in (path / "sparse").glob("*") if _holds_model(folder))
    if len(numbered) > 1:
        images = {folder: _read_model(folder).num_reg_images() for folder in numbered}
        listed = ", ".join(f"{folder.name}: {count} images" for folder, count in images.items())
        raise ValueError(
            f"{path / 'sparse'} holds {len(numbered)} models that COLMAP could not join ({listed}); name one of them, "
            f"such as {max(images, key=lambda folder: images[folder])}"
        )
    found = [folder for folder in (*numbered, path / "sparse") if _holds_model(folder)]
    if not found:
        raise FileNotFoundError(
            f"expected a COLMAP model (cameras, images and points3D, .bin or .txt) in {path}, its sparse/ or sparse/0, "
            "but there is none; name the folder that has them"
        )
    return found[0]


def _holds_model(folder: Path) -> bool:
    parts = ("cameras", "images", "points3D")
    return any(all((folder / f"{part}.{suffix}").is_file() for part in parts) for suffix in ("bin", "txt"))


def _find_images(path: Path, images: str | Path | None) -> Path:
    around = [path, *path.resolve().parents[:2]]
    candidates = [Path(images)] if images else [folder / "images" for folder in around]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"expected the images of the model in {candidates[0]}, but there is no such folder; name it (--images)"
    )


def _read_model(folder: Path) -> Any:
    import pycolmap

    try:
        return pycolmap.Reconstruction(folder)
    except (ValueError, RuntimeError, IndexError, KeyError) as error:
        raise ValueError(f"cannot read the COLMAP model in {folder} ({error}); copy or export it again") from None


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
        raise ValueError(
            f"expected one camera, since a sequence has one K, got {len(used)} in {folder} ({listed}); choose one "
            "(--camera), or let COLMAP share one (--ImageReader.single_camera 1)"
        )
    raise ValueError(f"camera {camera_id} has no image in {folder}; it has {listed or 'none'}")


def _to_camera(camera: Any) -> Camera:
    name = camera.model_name
    if name not in LENSES:
        raise ValueError(
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


def _views(reconstruction: Any, camera_id: int, points: PointFilter, scale: float) -> dict[str, _View]:
    good = {
        key: point.xyz
        for key, point in reconstruction.points3D.items()
        if point.track.length() >= points.min_track and point.error <= points.max_error
    }
    views: dict[str, _View] = {}
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
        if not kept.any():
            continue
        name = str(PurePosixPath(image.name).with_suffix("")).replace("/", "_")
        if name in views:
            raise ValueError(f"images {views[name].file} and {image.name} would both become frame '{name}'; rename one")
        pixels = np.array([point.xy for point in seen]).reshape(-1, 2) - 0.5
        views[name] = _View(image.name, pixels[kept], depth[kept], np.linalg.inv(T_camera_world))
    return views
