"""From a camera with a lens to the pinhole that the network knows: images resampled, sparse points moved as points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from kbnet.errors import KBNetError
from kbnet.frame import BoolArray, Float64Array, FloatArray, ImageArray, check_image, check_intrinsics
from kbnet.frames.recording import Recording
from kbnet.geometry.distortion import fisheye, radial_tangential, undo_fisheye, undo_radial_tangential
from kbnet.points.sparse_points import points_to_map

Model = Literal["pinhole", "radial-tangential", "fisheye"]
WIDEST_RAD = math.radians(60)
"""Half the widest field of view of a rectified image: beyond, a pinhole stretches the rim more than fourfold."""
LARGEST_COEFFICIENT = 1e9
"""Of a lens, in size; larger ones are none."""
_DISTORT = {"radial-tangential": radial_tangential, "fisheye": fisheye}
_UNDISTORT = {"radial-tangential": undo_radial_tangential, "fisheye": undo_fisheye}
_BLOCK = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Camera:
    """A calibrated camera.

    Attributes:
        K: pinhole matrix, (3, 3), pixels; pixel centres on whole numbers.
        size: (H, W) of its images, pixels.
        model: what the lens does; `kbnet.geometry.distortion` has the equations.
        coefficients: of the lens. Radial-tangential: k1 k2 p1 p2 [k3 [k4 k5 k6]]; fisheye: k1 k2 k3 k4.

    Raises:
        KBNetError: K is no pinhole matrix, the size is none, the model is not known, or has other coefficients.
    """

    K: FloatArray
    size: tuple[int, int]
    model: Model = "pinhole"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", check_intrinsics(self.K))
        coefficients = tuple(map(float, self.coefficients))
        if self.model == "radial-tangential" and not any(coefficients[8:]):  # OpenCV's thin prism and tilt
            coefficients = coefficients[:8]
        object.__setattr__(self, "coefficients", coefficients)
        if min(self.size) < 1:
            height, width = self.size
            raise KBNetError(f"expected a size of images of at least 1x1, got {width}x{height}; check the calibration")
        if self.model not in get_args(Model):
            raise KBNetError(f"expected a lens model among {', '.join(get_args(Model))}, got '{self.model}'")
        if self.model == "pinhole" and any(self.coefficients):
            raise KBNetError(f"expected no distortion of a pinhole, got {self.coefficients}; name the lens model")
        if not all(abs(coefficient) < LARGEST_COEFFICIENT for coefficient in self.coefficients):
            raise KBNetError(f"expected finite coefficients of a lens, got {self.coefficients}; check the calibration")
        self.distort(np.zeros((1, 2)))

    @property
    def is_pinhole(self) -> bool:
        """Whether images need no rectification."""
        return self.model == "pinhole" or (self.model == "radial-tangential" and not any(self.coefficients))

    def distort(self, rays: Float64Array) -> Float64Array:
        """Rays x / z, y / z, (..., 2), to where the lens bends them; NaN where it shows none."""
        return rays if self.is_pinhole else _DISTORT[self.model](rays, self.coefficients)

    def to_pixels(self, rays: Float64Array) -> Float64Array:
        """Rays x / z, y / z, (..., 2), to the pixels x, y that show them, (..., 2); NaN where the lens shows none."""
        K = self.K.astype(np.float64)
        pixels: Float64Array = self.distort(rays) @ K[:2, :2].T + K[:2, 2]
        return pixels

    def to_rays(self, pixels: Float64Array) -> Float64Array:
        """Pixels x, y, (..., 2), to the rays x / z, y / z that they show, (..., 2); NaN where that is none."""
        K = self.K.astype(np.float64)
        y = (pixels[..., 1] - K[1, 2]) / K[1, 1]
        x = (pixels[..., 0] - K[0, 2] - K[0, 1] * y) / K[0, 0]
        rays = np.stack([x, y], axis=-1)
        return rays if self.is_pinhole else _UNDISTORT[self.model](rays, self.coefficients)

    def project(self, points: Float64Array) -> Float64Array:
        """Points in the camera, (N, 3), metres, to pixels x, y, (N, 2); NaN behind it or where the lens shows none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rays = np.where(points[:, 2:] > 0, points[:, :2] / points[:, 2:], np.nan)
        return self.to_pixels(rays)


class Rectification:
    """Makes frames of one camera into frames of a pinhole of the same size; made once, used for all its frames.

    The pinhole has the widest view in which every pixel is seen, at most `WIDEST_RAD` to a side, and pixels of the same
    shape as the camera's. A camera without distortion keeps its K, and its images and points stay as they are.

    Attributes:
        target: the pinhole; ``target.K`` are the intrinsics of the rectified frames.
    """

    def __init__(self, camera: Camera) -> None:
        """Choose the pinhole. The first image or depth map leaves a table of 9 bytes a pixel behind.

        Raises:
            KBNetError: the lens shows too little: the coefficients belong to another model or another size.
        """
        self.camera = camera
        self.target = camera if camera.is_pinhole else _pinhole_within(camera)

    def image(self, image: ImageArray) -> ImageArray:
        """Resample an image bilinearly: RGB, (H, W, 3), uint8; black where the lens shows nothing.

        Raises:
            KBNetError: its size is not the camera's.
        """
        check_image(image)
        self._check_size(image, "image")
        if self.camera.is_pinhole:
            return image
        sources, unseen = self._sources
        rectified = np.empty_like(image)
        for channel in range(3):
            map_coordinates(image[..., channel], sources, rectified[..., channel], order=1, mode="nearest")
        rectified[unseen] = 0
        return rectified

    def points(self, pixels: Float64Array, depth: NDArray[np.floating]) -> FloatArray:
        """Move sparse points; none is mixed with another, and on one pixel the nearest stays.

        Args:
            pixels: x, y in the camera's image, (N, 2).
            depth: along z, (N,), metres; rectification leaves it as it is.

        Returns:
            Sparse depth in the rectified image, (H, W), float32 metres; 0 = unmeasured.
        """
        moved = pixels if self.camera.is_pinhole else self.target.to_pixels(self.camera.to_rays(pixels))
        return points_to_map(moved, depth, self.target.size)

    def dense_depth(self, depth: FloatArray) -> FloatArray:
        """Look up dense depth, such as ground truth, at the nearest pixel: no two values are mixed, and no holes made.

        Not for sparse depth: a point would be lost, or become two. Those go through :meth:`points`.

        Args:
            depth: (H, W), metres; 0 = unmeasured.

        Raises:
            KBNetError: its size is not the camera's.
        """
        self._check_size(depth, "depth")
        if self.camera.is_pinhole:
            return depth
        sources, unseen = self._sources
        rows, columns = (
            np.rint(source).astype(np.intp).clip(0, side - 1)
            for source, side in zip(sources, self.camera.size, strict=True)
        )
        return np.where(unseen, 0, depth[rows, columns])

    @cached_property
    def _sources(self) -> tuple[FloatArray, BoolArray]:
        """Rows and columns at which the camera shows what the target's pixels show, and where it shows nothing."""
        sources = _same_rays(self.target, self.camera)[::-1]
        unseen = np.isnan(sources[0])
        sources[:, unseen] = 0
        return sources, unseen

    def _check_size(self, array: NDArray[np.generic], what: str) -> None:
        height, width = self.camera.size
        if array.shape[:2] != (height, width):
            raise KBNetError(
                f"{what} is {array.shape[1]}x{array.shape[0]} but the camera is calibrated for {width}x{height} "
                "(width x height); calibrate at the size of the images"
            )


def _same_rays(camera: Camera, other: Camera) -> FloatArray:
    """Columns and rows at which another camera shows what this one's pixels show, (2, H, W); NaN where nowhere."""
    height, width = camera.size
    pixels = np.empty((2, height, width), np.float32)
    rows_at_once = max(1, _BLOCK // width)  # of a large image, float64 intermediates of all pixels would fill memory
    for top in range(0, height, rows_at_once):
        rows, columns = np.mgrid[top : min(top + rows_at_once, height), :width].astype(np.float64)
        rays = camera.to_rays(np.stack([columns, rows], axis=-1))
        pixels[:, top : top + rows_at_once] = np.moveaxis(other.to_pixels(rays), -1, 0)
    return pixels


def _pinhole_within(camera: Camera) -> Camera:
    """The pinhole with the widest view inside what the camera's four borders show."""
    height, width = camera.size
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)

    def rays(columns: Float64Array | float, rows: Float64Array | float, axis: int) -> Float64Array:
        pixels = np.stack(np.broadcast_arrays(columns, rows), axis=-1).astype(np.float64)
        return camera.to_rays(pixels)[..., axis]

    widest = math.tan(WIDEST_RAD)
    left, right = -_narrowest(-rays(0, y, 0), widest), _narrowest(rays(width - 1, y, 0), widest)
    top, bottom = -_narrowest(-rays(x, 0, 1), widest), _narrowest(rays(x, height - 1, 1), widest)
    fx, fy = float(camera.K[0, 0]), float(camera.K[1, 1])
    zoom = max((width - 1) / (fx * max(right - left, 1e-9)), (height - 1) / (fy * max(bottom - top, 1e-9)))
    K = np.diag([zoom * fx, zoom * fy, 1])
    K[:2, 2] = (width - 1) / 2 - K[0, 0] * (left + right) / 2, (height - 1) / 2 - K[1, 1] * (top + bottom) / 2
    target = Camera(K.astype(np.float32), camera.size)
    middles = np.array([[0, height / 2], [width - 1, height / 2], [width / 2, 0], [width / 2, height - 1]])
    seen = camera.to_pixels(target.to_rays(middles))
    if right <= left or bottom <= top or not ((seen > -1) & (seen < (width, height))).all():
        raise KBNetError(
            f"the {camera.model} lens {camera.coefficients} with K {np.round(camera.K, 2).tolist()} does not fill an "
            f"image of {width}x{height} pixels; check that K and coefficients belong to this model and size"
        )
    return target


def _narrowest(rays: Float64Array, widest: float) -> float:
    """How far a border lets the view reach; where the lens shows no ray, the border sets no limit of its own."""
    return float(np.fmin.reduce(rays, initial=widest))


class RectifiedRecording(Recording[T]):
    """Frames of one camera without distortion."""

    @cached_property
    def camera(self) -> Camera:
        """Camera of the images as recorded; a subclass gives it."""
        raise NotImplementedError

    @cached_property
    def rectification(self) -> Rectification:
        """Distortion of the camera, and the pinhole camera of the frames."""
        return Rectification(self.camera)

    @property
    def lens(self) -> str:
        return "no distortion" if self.camera.is_pinhole else f"{self.camera.model} distortion taken out"
