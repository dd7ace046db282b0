"""Frame and Triplet: the input data of the library, with all checks of their values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kbnet.errors import KBNetError, expect

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ImageArray = NDArray[np.uint8]

MINIMUM_SIZE = 32
"""Smallest height and width in pixels: the encoder halves the resolution five times."""
NEAR_M = 0.35
"""Plain metres in a PNG that is read as metres x 256 are nearer, up to 89 m."""
NEAR_DEPTH = (
    f"sparse depth is nearer than {NEAR_M:g} m everywhere; check that it is in metres (in a 16-bit PNG: metres x 256)"
)

LARGEST_M = 1e12
"""Depth beyond would overflow in a network."""
LARGEST_PX, SMALLEST_FOCAL_PX = 1e6, 1e-3
"""Of K; numbers of no camera, which would overflow in a network."""

PriorKind = Literal["depth", "disparity", "log", "metric"]
"""What the values of a prior are, up to scale and shift: depth, inverse depth, or ln depth. ``metric``: metres, used
as they are."""


@dataclass(frozen=True)
class Prior:
    """Dense depth of another source, such as a monocular network, stereo or a map, for the scaffold of a network.

    Attributes:
        values: (H, W), float32; unknown where they are not finite; of the kind ``metric`` also where they are not
            positive.
        kind: what the values are, see :data:`PriorKind`.
        own_weight: None for depth from elsewhere. For depth of this network, such as that of an earlier frame: factor
            of its weight, (H, W), 0 to 1. Such a prior repeats the network's errors, so only the scaffold uses it.

    Raises:
        KBNetError: the values are no (H, W) floating-point array, or there is no such kind.
    """

    values: FloatArray
    kind: PriorKind = "depth"
    own_weight: FloatArray | None = None

    def __post_init__(self) -> None:
        expect(self.kind, str, "the kind of a prior")
        if self.kind not in get_args(PriorKind):
            raise KBNetError(f"expected one of {', '.join(get_args(PriorKind))} as kind of a prior, got '{self.kind}'")
        values = self.values.filled(np.nan) if isinstance(self.values, np.ma.MaskedArray) else self.values
        if not isinstance(values, np.ndarray) or values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):
            raise KBNetError(f"expected a prior as (H, W) floating-point numbers, got {_describe(values)}; convert it")
        with np.errstate(over="ignore"):
            object.__setattr__(self, "values", values.astype(np.float32, copy=False))
        if self.own_weight is not None and getattr(self.own_weight, "shape", None) != values.shape:
            raise KBNetError(
                f"expected own_weight of {_size(values)} pixels as the prior, got {_describe(self.own_weight)}"
            )

    def mapped(self, change: Callable[[FloatArray], FloatArray]) -> Prior:
        """This prior with its maps changed in the same way, such as cut."""
        weight = self.own_weight
        return replace(self, values=change(self.values), own_weight=None if weight is None else change(weight))


@dataclass(frozen=True)
class Frame:
    """Frame of one camera at one time, checked on construction.

    Attributes:
        image: RGB, (H, W, 3), uint8.
        sparse_depth: depth along z at a few pixels, (H, W), float32 metres; 0 = unmeasured.
        intrinsics: pinhole matrix K, (3, 3), float32 pixels; pixel centres on whole numbers.
        ground_truth: true depth for evaluation, (H, W), float32 metres; 0 = unmeasured; or None.
        name: name of the frame in messages and output files.
        prior: dense depth of another source, (H, W); or None.
        T_world_camera: where the camera was, (4, 4), float64, metres: a point x in the camera is ``T_world_camera @ x``
            in the world; or None.

    Raises:
        KBNetError: a shape, type or value is not as above.
    """

    image: ImageArray
    sparse_depth: FloatArray
    intrinsics: FloatArray
    ground_truth: FloatArray | None = None
    name: str = "frame"
    prior: Prior | None = None
    T_world_camera: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        where = f" (frame '{self.name}')"
        check_image(self.image, where=where)
        size = self.image.shape[:2]
        object.__setattr__(self, "sparse_depth", check_depth(self.sparse_depth, "sparse_depth", size, where=where))
        object.__setattr__(self, "intrinsics", check_intrinsics(self.intrinsics, where=where))
        if self.ground_truth is not None:
            object.__setattr__(self, "ground_truth", check_depth(self.ground_truth, "ground_truth", size, where=where))
        if self.prior is not None and not isinstance(self.prior, Prior):
            raise KBNetError(
                f"expected a prior as kbnet.Prior(values, kind), got {_describe(self.prior)}{where}; name its kind"
            )
        if self.prior is not None and self.prior.values.shape != size:
            raise KBNetError(
                f"the prior is {_size(self.prior.values)} but image is {_size(self.image)}{where}; "
                "resize it to the image"
            )
        if self.T_world_camera is not None:
            check_pose(self.T_world_camera, "T_world_camera", where=where)

    @property
    def size(self) -> tuple[int, int]:
        """Size (H, W), pixels."""
        return self.image.shape[0], self.image.shape[1]


Completer = Callable[[Frame], FloatArray]
"""A frame to dense depth, (H, W), float32 metres, as a `kbnet.DepthCompleter` does."""


@dataclass(frozen=True)
class Triplet:
    """Frame at time t with the images before and after it, for training without labels.

    Attributes:
        frame: the frame at t.
        previous_image, next_image: RGB, (H, W, 3), uint8, of the same size as ``frame.image``.
        T_previous_current, T_next_current: known camera motion, (4, 4), float32, metres. A point x in the
            camera at t is ``T_previous_current @ x`` in the previous camera. None: unknown.

    Raises:
        KBNetError: sizes differ, or only one of the two poses is given, or a pose is not rigid.
    """

    frame: Frame
    previous_image: ImageArray
    next_image: ImageArray
    T_previous_current: FloatArray | None = None
    T_next_current: FloatArray | None = None

    def __post_init__(self) -> None:
        expect(self.frame, Frame, "a kbnet.Frame")
        where = f" (frame '{self.frame.name}')"
        for name in ("previous_image", "next_image"):
            image = getattr(self, name)
            check_image(image, name, where=where)
            if image.shape != self.frame.image.shape:
                raise KBNetError(
                    f"{name} is {_size(image)} but image is {_size(self.frame.image)}{where}; "
                    "the three images of a triplet must come from one camera at one resolution"
                )
        if (self.T_previous_current is None) != (self.T_next_current is None):
            raise KBNetError(f"only one of the two poses is given{where}; give both, or neither")
        for name in ("T_previous_current", "T_next_current"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_pose(getattr(self, name), name, where=where))


def check_image(image: Any, name: str = "image", *, where: str = "") -> None:
    """Check an image: (H, W, 3), uint8, at least 32 pixels wide and high."""
    if np.ma.is_masked(image):
        raise KBNetError(f"expected {name} with a colour at every pixel, got a masked array{where}; fill it first")
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise KBNetError(
            f"expected {name} as (H, W, 3) uint8 RGB, got {_describe(image)}{where}; convert it to 8-bit RGB"
        )
    if min(image.shape[:2]) < MINIMUM_SIZE:
        raise KBNetError(
            f"expected {name} of at least {MINIMUM_SIZE}x{MINIMUM_SIZE} pixels, got {_size(image)}{where}; "
            "use a larger frame"
        )


def check_depth(depth: Any, name: str, size: tuple[int, int], *, where: str = "") -> FloatArray:
    """Check a depth map, (H, W), finite and not negative, and return it as float32; masked pixels are unmeasured."""
    if isinstance(depth, np.ma.MaskedArray):
        depth = depth.filled(0)
    if not isinstance(depth, np.ndarray) or depth.ndim != 2 or not np.issubdtype(depth.dtype, np.floating):
        raise KBNetError(
            f"expected {name} as (H, W) floating-point metres with 0 where unmeasured, got {_describe(depth)}{where}; "
            "convert it to metres first"
        )
    if depth.shape != size:
        raise KBNetError(
            f"{name} is {_size(depth)} but image is {size[1]}x{size[0]} (width x height){where}; "
            "depth must be aligned to the image, pixel by pixel"
        )
    with np.errstate(over="ignore"):
        metres = depth.astype(np.float32, copy=False)
    if not (possible := np.abs(metres) < LARGEST_M).all():
        raise KBNetError(
            f"{name} holds {int((~possible).sum())} values that are NaN, infinite or too large{where}; "
            "write 0 where there is no depth"
        )
    if (depth < 0).any():
        raise KBNetError(
            f"{name} holds {int((depth < 0).sum())} negative values{where}; write 0 where there is no depth"
        )
    return metres


def warn_of_near_depth(sparse_depth: FloatArray) -> None:
    """Warn if depth, (H, W), metres, can hardly be in metres, since all of it is nearer than `NEAR_M`."""
    if 0 < sparse_depth.max(initial=0) < NEAR_M:
        warnings.warn(NEAR_DEPTH, stacklevel=3)


def check_intrinsics(intrinsics: Any, *, where: str = "") -> FloatArray:
    """Check a pinhole matrix [[fx, s, cx], [0, fy, cy], [0, 0, 1]], and return it as float32."""
    real = isinstance(intrinsics, np.ndarray) and intrinsics.dtype.kind in "fiu"
    if not real or intrinsics.shape != (3, 3) or np.ma.is_masked(intrinsics):
        raise KBNetError(
            f"expected intrinsics as a (3, 3) matrix in pixels, got {_describe(intrinsics)}{where}; "
            "of a 4x4 or 3x4 projection take the upper left 3x3"
        )
    with np.errstate(over="ignore"):
        k = np.asarray(intrinsics).astype(np.float32)
    if (
        not (np.abs(k) < LARGEST_PX).all()
        or min(k[0, 0], k[1, 1]) < SMALLEST_FOCAL_PX
        or not np.allclose(k[[1, 2, 2, 2], [0, 0, 1, 2]], [0, 0, 0, 1])
    ):
        raise KBNetError(
            f"expected invertible pinhole intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0, "
            f"got {np.round(k.astype(np.float64), 4).tolist()}{where}; check the calibration file"
        )
    return k


def check_pose(pose: Any, name: str, *, where: str = "") -> FloatArray:
    """Check a rigid transform (shape, orthonormal rotation, last row), and return it as float32."""
    if not isinstance(pose, np.ndarray) or pose.shape != (4, 4) or pose.dtype.kind not in "fiu":
        raise KBNetError(
            f"expected {name} as a (4, 4) rigid transform, got {_describe(pose)}{where}; "
            "append the row 0 0 0 1 to a 3x4 pose"
        )
    rotation = pose[:3, :3].astype(np.float64)
    with np.errstate(over="ignore"):
        single = pose.astype(np.float32)
    if not (
        np.isfinite(single).all()
        and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2)
        and np.linalg.det(rotation) > 0
        and np.allclose(pose[3], [0, 0, 0, 1])
    ):
        raise KBNetError(
            f"{name} is not a rigid transform (orthonormal rotation, last row 0 0 0 1){where}; check the pose file"
        )
    return single


def _size(array: NDArray[Any]) -> str:
    return f"{array.shape[1]}x{array.shape[0]} (width x height)"


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return f"a {type(value).__name__}"
