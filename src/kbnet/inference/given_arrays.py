"""What a completer is called with: a frame, the arrays of one, or the tensors of a batch, and the checks of these."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kbnet.errors import KBNetError
from kbnet.frame import (
    LARGEST_M,
    LARGEST_PX,
    MINIMUM_SIZE,
    NEAR_M,
    SMALLEST_FOCAL_PX,
    FloatArray,
    Frame,
    ImageArray,
    Prior,
)


class FrameArrays(NamedTuple):
    """Fields of a `kbnet.Frame`, before its checks."""

    image: ImageArray
    sparse_depth: FloatArray
    intrinsics: FloatArray
    prior: Prior | None

    def checked(self) -> FrameArrays:
        """The same, of valid shapes, types and values."""
        frame = Frame(self.image, self.sparse_depth, self.intrinsics, prior=self.prior)
        return FrameArrays(frame.image, frame.sparse_depth, frame.intrinsics, frame.prior)


class Batch(NamedTuple):
    """Tensors: image (B, 3, H, W), sparse depth (B, 1, H, W), and K (B, 3, 3)."""

    image: Tensor
    sparse_depth: Tensor
    intrinsics: Tensor


def given_arrays(
    image: ImageArray | Tensor | Frame,
    sparse_depth: FloatArray | Tensor | None,
    intrinsics: FloatArray | Tensor | None,
    prior: Prior | None,
) -> FrameArrays | Batch:
    """Sort the arguments of a `kbnet.DepthCompleter`.

    Raises:
        KBNetError: a frame comes with something else, something is missing, arrays and tensors are mixed, or tensors
            come with a prior.
    """
    if isinstance(image, Frame) and sparse_depth is None and intrinsics is None:
        if prior is not None:
            raise KBNetError("expected the prior of a frame in frame.prior, got another as well; leave one out")
        return FrameArrays(image.image, image.sparse_depth, image.intrinsics, image.prior)
    if isinstance(image, Frame) or sparse_depth is None or intrinsics is None:
        raise KBNetError("expected a frame alone, or image, sparse_depth and intrinsics; give all three or a frame")
    if isinstance(image, Tensor) and isinstance(sparse_depth, Tensor) and isinstance(intrinsics, Tensor):
        if prior is not None:
            raise KBNetError("expected arrays or a frame with a prior, got tensors; complete the frames one by one")
        return Batch(image, sparse_depth, intrinsics)
    if isinstance(image, Tensor) or isinstance(sparse_depth, Tensor) or isinstance(intrinsics, Tensor):
        raise KBNetError("expected image, sparse_depth and intrinsics all as numpy arrays or all as tensors, got a mix")
    return FrameArrays(image, sparse_depth, intrinsics, prior)


class PointCounts(NamedTuple):
    """Counts of a batch: frames, frames without points, points, those nearer than `NEAR_M` and beyond the range."""

    frames: int
    empty: int
    points: int
    near: int
    beyond: int

    @staticmethod
    def on_device(sparse_depth: Tensor, max_depth: float) -> list[Tensor]:
        """All counts except frames, as scalars on the device."""
        measured = (sparse_depth > 0).flatten(1)
        far = (sparse_depth >= NEAR_M).sum()
        return [(~measured.any(dim=1)).sum(), measured.sum(), measured.sum() - far, (sparse_depth > max_depth).sum()]

    @classmethod
    def of(cls, sparse_depth: Tensor, max_depth: float) -> PointCounts:
        """Counts of sparse depth, (B, 1, H, W), metres; one synchronisation with the device."""
        return cls(len(sparse_depth), *torch.stack(cls.on_device(sparse_depth, max_depth)).tolist())


def check_shapes(image: Tensor, sparse_depth: Tensor, intrinsics: Tensor) -> None:
    """Check shapes and types of the tensors of :class:`kbnet.DepthCompleter`, without their values."""
    for name, one in Batch(image, sparse_depth, intrinsics)._asdict().items():
        small = one.is_floating_point() and one.element_size() < 2
        if small or one.is_nested or one.layout != torch.strided or one.is_meta:
            raise KBNetError(
                f"expected dense tensors, floats of 16 to 64 bits, got {name} as {one.dtype}, "
                f"{'nested' if one.is_nested else one.layout}, on {one.device}; convert it"
            )
    if image.ndim != 4 or image.shape[1] != 3 or not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise KBNetError(
            f"expected image as (B, 3, H, W), uint8 or float in 0..1, got {image.dtype} {tuple(image.shape)}"
        )
    batch, _, height, width = image.shape
    if batch < 1 or min(height, width) < MINIMUM_SIZE:
        raise KBNetError(
            f"expected at least one image of at least {MINIMUM_SIZE}x{MINIMUM_SIZE} pixels, "
            f"got {batch} of {width}x{height} (width x height)"
        )
    for name, tensor, shape in (
        ("sparse_depth", sparse_depth, (batch, 1, height, width)),
        ("intrinsics", intrinsics, (batch, 3, 3)),
    ):
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise KBNetError(
                f"expected {name} as floating-point {shape} for an image {tuple(image.shape)}, "
                f"got {tensor.dtype} {tuple(tensor.shape)}"
            )


def checked_counts(image: Tensor, sparse_depth: Tensor, intrinsics: Tensor, max_depth: float) -> PointCounts:
    """Check that values are in range, and count points; one synchronisation with the device."""
    flags = _value_flags(image, sparse_depth, intrinsics) + PointCounts.on_device(sparse_depth, max_depth)
    colours, depths, pinhole, *counts = torch.stack([flag.to(image.device, torch.int64) for flag in flags]).tolist()
    if not colours:
        raise KBNetError(f"expected a float image in 0..1, got {image.min():.3g}..{image.max():.3g}; divide it by 255")
    if not depths:
        raise KBNetError(
            "sparse_depth holds NaN, infinite, too large or negative values; write 0 where there is no depth"
        )
    if not pinhole:
        raise KBNetError(
            "expected invertible pinhole intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0; "
            "check the calibration"
        )
    return PointCounts(len(image), *counts)


def _value_flags(image: Tensor, sparse_depth: Tensor, K: Tensor) -> list[Tensor]:
    """Whether colours, depths and K are in range, as scalars on the device."""
    in_range = (image >= 0) & (image <= 1) if image.is_floating_point() else torch.ones_like(image, dtype=torch.bool)
    # Slices, because an index list would be copied to the device with a synchronisation.
    zeros = torch.stack([K[:, 1, 0], K[:, 2, 0], K[:, 2, 1]]).abs() <= 1e-8
    focal = (K[:, 0, 0] >= SMALLEST_FOCAL_PX).all() & (K[:, 1, 1] >= SMALLEST_FOCAL_PX).all()
    pinhole = zeros.all() & ((K[:, 2, 2] - 1).abs() <= 1e-5).all() & focal & (K.abs() < LARGEST_PX).all()
    depths = (sparse_depth >= 0) & (sparse_depth < LARGEST_M)
    return [in_range.all(), depths.all(), pinhole]
