"""Degradation of frames by a known amount, with sparse points drawn from ground truth, for robustness curves.

Points are drawn on the original image. All levels of blur and darkness have equal points, so a curve shows the effect
of the image on the method and not on a corner tracker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from kbnet.errors import KBNetError
from kbnet.frame import MINIMUM_SIZE, FloatArray, Frame, ImageArray
from kbnet.points.sampling import sample_points
from studies.attack import AttackName, SpoofName, spoof_points

SHOT_NOISE_LEVELS = 0.1
"""Variance of a pixel's photon noise for each of its 255 levels: 2550 electrons at white."""
READ_NOISE_LEVELS = 2.0
"""Standard deviation of the sensor's read noise, levels."""


@dataclass(frozen=True)
class Condition:
    """Conditions of a frame; by default the original image and points as in odometry."""

    points: int = 300
    """Sparse points in view."""
    range_noise: float = 0.01
    """Relative standard deviation of their depth."""
    outlier_share: float = 0.03
    """Fraction of them with a wrong depth."""
    focal_scale: float = 1.0
    """Scale of frame and focal length; the frame is cropped to at most its original size."""
    frame_scale: float = 1.0
    """Scale of the whole frame with K and points."""
    scene_scale: float = 1.0
    """Factor of all depth."""
    blur_sigma_px: float = 0.0
    """Standard deviation of a Gaussian blur of the image, pixels."""
    gain: float = 1.0
    """Share of the light that remains; the sensor's noise is unchanged."""
    spoof: SpoofName = "near"
    """Where false points lie that agree with each other."""
    spoofed: int = 0
    """How many."""
    attack: AttackName = "fgsm"
    """How an adversary changes the image of a network."""
    attack_levels: float = 0.0
    """By at most so many levels of 255."""

    def __post_init__(self) -> None:
        scales = (self.focal_scale, self.frame_scale, self.scene_scale)
        if min(scales) <= 0 or self.blur_sigma_px < 0 or not 0 < self.gain <= 1:
            raise KBNetError(
                "expected a positive focal_scale, frame_scale and scene_scale, blur_sigma_px of at least 0 and a gain "
                f"in 0..1, got {', '.join(map(str, scales))}, {self.blur_sigma_px} and {self.gain}"
            )


@dataclass(frozen=True)
class Curve:
    """Curve: one condition that changes while the others are constant.

    Attributes:
        name: name in files and tables.
        condition: attribute of `Condition` that changes.
        levels: values of the attribute.
        label: label of the axis, with its unit.
        unit: factor of a level on the axis.
        scale: scale of the axis.
        fixed: further conditions of the curve, in place of the standard ones.
    """

    name: str
    condition: str
    levels: tuple[float, ...]
    label: str
    unit: float = 1.0
    scale: Literal["linear", "log"] = "linear"
    fixed: tuple[tuple[str, Any], ...] = ()

    def place(self, level: float) -> str:
        """Name of a level (in the unit of the axis) in tables.

        Example:
            >>> CURVES[0].place(150)
            'sparse points in the frame: 150'
        """
        return f"{self.label}: {level:g}"

    @property
    def axis(self) -> tuple[float, ...]:
        """Levels in the unit of the axis."""
        return tuple(self.unit * level for level in self.levels)

    def conditions(self, standard: Condition) -> dict[float, Condition]:
        """Condition by level in the unit of the axis."""
        changes: list[dict[str, Any]] = [{**dict(self.fixed), self.condition: level} for level in self.levels]
        return {level: replace(standard, **change) for level, change in zip(self.axis, changes, strict=True)}


CURVES = (
    Curve("points", "points", (50, 100, 200, 500, 1000, 1500), "sparse points in the frame", scale="log"),
    Curve("range_noise", "range_noise", (0, 0.01, 0.02, 0.05, 0.1), "range noise, % of depth", 100.0),
    Curve("outliers", "outlier_share", (0, 0.03, 0.05, 0.1, 0.2), "false ranges, % of points", 100.0),
    Curve("focal_length", "focal_scale", (0.5, 0.7, 1, 1.4, 2), "focal length, × that of the recording", scale="log"),
    Curve("frame_size", "frame_scale", (0.25, 0.5, 1, 1.5, 2), "frame size, × that of the recording", scale="log"),
    Curve("scene_scale", "scene_scale", (0.25, 0.5, 1, 2, 4), "scale of the scene, × the true one", scale="log"),
    Curve("blur", "blur_sigma_px", (0, 0.5, 1, 2, 4), "blur, standard deviation in pixels"),
    Curve("darkness", "gain", (0.1, 0.25, 0.5, 1), "light left, × that of the recording", scale="log"),
    *(
        Curve(f"spoofed_{spoof}", "spoofed", (0, 10, 30, 100), f"spoofed points, {spoof}", fixed=(("spoof", spoof),))
        for spoof in ("near", "far", "line")
    ),
    *(
        Curve(attack, "attack_levels", (0, 1, 2, 4, 8), f"{label}, levels of 255", fixed=(("attack", attack),))
        for attack, label in (("fgsm", "FGSM"), ("pgd", "PGD"), ("pgd_nearer", "PGD to 10 % nearer"))
    ),
)


def degrade(frame: Frame, condition: Condition, generator: np.random.Generator) -> Frame:
    """Degrade a frame; its own sparse points are not used.

    Args:
        frame: frame with ground truth.
        condition: conditions to apply.
        generator: source of every draw; equal states draw equal points for equal numbers of points.

    Raises:
        KBNetError: the frame has no ground truth in view, or is too small after rescaling.
    """
    truth = frame.ground_truth
    if truth is None:
        raise KBNetError(f"expected ground truth of frame '{frame.name}' to draw points from, but there is none")
    view = RescaledCrop.rescaled(frame.size, condition.focal_scale, condition.frame_scale)
    visible = view.visible(truth)
    if not visible.any():
        raise KBNetError(f"no ground truth of frame '{frame.name}' is in view at × {condition.focal_scale:g}")
    points = sample_points(
        frame.image,
        visible,
        condition.points,
        generator,
        range_noise=condition.range_noise,
        outlier_share=condition.outlier_share,
    )
    image = view.of_image(frame.image)
    if condition.blur_sigma_px > 0:
        blurred = gaussian_filter(image.astype(np.float32), (condition.blur_sigma_px, condition.blur_sigma_px, 0))
        image = np.rint(blurred).astype(np.uint8)
    spoofed = spoof_points(points, truth, condition.spoof, condition.spoofed, generator)
    return Frame(
        image=darken(image, condition.gain, generator),
        sparse_depth=condition.scene_scale * view.of_points(spoofed),
        intrinsics=view.of_intrinsics(frame.intrinsics),
        ground_truth=condition.scene_scale * view.of_truth(truth),
        name=frame.name,
    )


@dataclass(frozen=True)
class RescaledCrop:
    """Centre crop of a rescaled frame.

    Attributes:
        before: height and width of the frame, pixels.
        scaled: height and width after rescaling, pixels.
        after: height and width of the crop, pixels.
    """

    before: tuple[int, int]
    scaled: tuple[int, int]
    after: tuple[int, int]

    @classmethod
    def rescaled(cls, size: tuple[int, int], focal_scale: float, frame_scale: float = 1.0) -> RescaledCrop:
        """Crop of a frame of ``size`` (H, W), to whole pixels.

        The frame is rescaled by about the product of both scales. The crop is at most ``frame_scale`` times as large as
        the frame.

        Raises:
            KBNetError: it would be smaller than 32 pixels.
        """
        scale = focal_scale * frame_scale
        height, width = (max(1, round(scale * side)) for side in size)
        after = (min(height, round(frame_scale * size[0])), min(width, round(frame_scale * size[1])))
        if min(after) < MINIMUM_SIZE:
            raise KBNetError(f"expected at least {MINIMUM_SIZE} pixels a side, got {after} at × {scale:g}")
        return cls(size, (height, width), after)

    @property
    def _scales(self) -> tuple[float, float]:
        """Scales of y and x."""
        return self.scaled[0] / self.before[0], self.scaled[1] / self.before[1]

    @property
    def _offsets(self) -> tuple[int, int]:
        """Cropped rows and columns at the top and left."""
        return (self.scaled[0] - self.after[0]) // 2, (self.scaled[1] - self.after[1]) // 2

    def of_image(self, image: ImageArray) -> ImageArray:
        """Interpolate an image, with smoothing before a reduction."""
        if self.scaled == self.before:
            return image
        resized = Image.fromarray(image).resize(self.scaled[::-1], Image.Resampling.BICUBIC)
        return np.ascontiguousarray(np.asarray(resized)[self._window])

    def of_truth(self, depth: FloatArray) -> FloatArray:
        """Resample depth by the nearest pixel."""
        rows, columns = (
            np.rint((np.arange(count) + offset + 0.5) / scale - 0.5).clip(0, size - 1).astype(np.int64)
            for count, offset, scale, size in zip(self.after, self._offsets, self._scales, self.before, strict=True)
        )
        return depth[np.ix_(rows, columns)]

    def of_points(self, sparse_depth: FloatArray) -> FloatArray:
        """Move each point to the nearest pixel; of several points, keep the nearest to the camera."""
        rows, columns, inside = self._moved(sparse_depth)
        depth = sparse_depth[sparse_depth > 0][inside]
        order = np.argsort(-depth, kind="stable")
        moved = np.zeros(self.after, np.float32)
        moved[rows[inside][order], columns[inside][order]] = depth[order]
        return moved

    def visible(self, depth: FloatArray) -> FloatArray:
        """Depth of the pixels inside the crop; 0 elsewhere."""
        _, _, inside = self._moved(depth)
        shown = np.zeros_like(depth)
        rows, columns = np.nonzero(depth)
        shown[rows[inside], columns[inside]] = depth[rows[inside], columns[inside]]
        return shown

    def of_intrinsics(self, intrinsics: FloatArray) -> FloatArray:
        """Intrinsics K of the crop: pixel x moves to scale · (x + ½) - ½ - offset (pixel centres at whole numbers)."""
        (scale_y, scale_x), (top, left) = self._scales, self._offsets
        move = np.array(
            [[scale_x, 0, scale_x / 2 - 0.5 - left], [0, scale_y, scale_y / 2 - 0.5 - top], [0, 0, 1]], np.float64
        )
        return (move @ intrinsics).astype(np.float32)

    @property
    def _window(self) -> tuple[slice, slice]:
        (top, left), (height, width) = self._offsets, self.after
        return slice(top, top + height), slice(left, left + width)

    def _moved(self, depth: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Rows and columns of all measured pixels in the crop, and the mask of those inside."""
        (scale_y, scale_x), (top, left) = self._scales, self._offsets
        rows, columns = np.nonzero(depth)
        rows = np.rint((rows + 0.5) * scale_y - 0.5).astype(np.int64) - top
        columns = np.rint((columns + 0.5) * scale_x - 0.5).astype(np.int64) - left
        inside = (rows >= 0) & (rows < self.after[0]) & (columns >= 0) & (columns < self.after[1])
        return rows, columns, inside


def darken(image: ImageArray, gain: float, generator: np.random.Generator) -> ImageArray:
    """Darken an image: less signal with the corresponding sensor noise.

    A sensor's variance is proportional to the signal plus a constant. The noise of the image decreases with the square
    of the gain; the difference is added, which is 0 at a gain of 1. The result is rounded to 8 bits.

    Args:
        image: RGB, (H, W, 3), uint8, taken as proportional to light.
        gain: share of the light, above 0, at most 1.
        generator: source of the noise.
    """
    if gain == 1:
        return image
    signal = image.astype(np.float32)
    variance = SHOT_NOISE_LEVELS * signal * (gain - gain**2) + READ_NOISE_LEVELS**2 * (1 - gain**2)
    noise = np.sqrt(variance) * generator.standard_normal(image.shape, dtype=np.float32)
    dark: ImageArray = np.rint(gain * signal + noise).clip(0, 255).astype(np.uint8)
    return dark
