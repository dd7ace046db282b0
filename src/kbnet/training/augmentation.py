"""Crops, flips, point removal and noise: every change of a training triplet, each a function of a random generator.

Crops and flips move the principal point and the known poses along; sparse points are moved with their pixels and
never interpolated (published system, section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.frame import MINIMUM_SIZE, FloatArray, Frame, ImageArray, Triplet
from kbnet.frames.window import crop_triplet
from kbnet.points.drawn_points import PointDrawing
from kbnet.points.hold_out import random_patches
from kbnet.training.camera_effects import camera_effects, jitter_colour
from kbnet.training.cut_and_paste import cut_and_paste
from kbnet.training.zoom import enlarge

LARGEST_ZOOM = 4.0


@dataclass(frozen=True)
class AugmentationConfig:
    """What is drawn for every training sample. The defaults are the published ones for VOID."""

    crop: tuple[int, int] = (480, 640)
    """Height and width of the crop, pixels."""
    crop_horizontal: Literal["anchored", "centre", "random"] = "anchored"
    """anchored: left, middle or right, as published. centre: always. random: anywhere."""
    crop_vertical: Literal["anchored", "bottom", "centre", "random"] = "anchored"
    """anchored: middle or bottom with probability 0.3, else the centre. bottom, centre: always. random: anywhere."""
    flip_horizontal: float = 0.0
    """Probability of mirroring left and right."""
    flip_vertical: float = 0.0
    """Probability of mirroring top and bottom."""
    flipped_intrinsics: Literal["mirrored", "kept"] = "mirrored"
    """mirrored: flips mirror the principal point too. kept: they do not, which is wrong; published for FusionNet."""
    point_removal: tuple[float, float] = (0.3, 0.6)
    """Range of the fraction of points removed from the network's input; the losses keep them all."""
    point_removal_probability: float = 0.5
    """Probability of removing points from a sample."""
    point_removal_patch: int = 0
    """Remove all points within square patches of this side, pixels, instead of one by one. 0 = off, as published."""
    noise: Literal["none", "gaussian", "uniform"] = "none"
    """Distribution of the noise added to the depth of the points in the network's input."""
    noise_spread: float = 0.0
    """Standard deviation (gaussian) or half width (uniform) of that noise, metres."""
    colour_jitter: float = 0.0
    """j: the network's image gets brightness, contrast, saturation, colours times 1-j..1+j. 0 = off, as published."""
    zoom: float = 1.0
    """Largest factor by which a smaller crop is enlarged to the size of the crop. 1 = off, as published."""
    cut_and_paste: float = 0.0
    """Probability of pasting textured planes in front of a sample with ground truth. 0 = off, as published."""
    camera_effects: float = 0.0
    """p: swapped colours, exposure, blur, noise, each; p/2: grey; p/3: blank or heavily blurred. 0 = off."""
    image_shift: float = 0.0
    """Standard deviation, in x and in y, of the shift of the network's image against its points, pixels. 0 = off."""
    prior: float = 0.0
    """Probability of a prior for the scaffold, made of ground truth with the mistakes of other sources. 0 = off."""
    image_attack: float = 0.0
    """Probability of an attack (FGSM) on the image of a sample with ground truth. 0 = off, as published."""
    image_attack_levels: float = 2.0
    """Range of the largest change of a colour by that attack: 0 to this many of 255 levels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "crop", tuple(self.crop))
        object.__setattr__(self, "point_removal", tuple(self.point_removal))
        check_finite_numbers(self, "augmentation.")
        if min(self.crop) < MINIMUM_SIZE:
            raise KBNetError(
                f"expected a crop of at least {MINIMUM_SIZE}x{MINIMUM_SIZE} pixels, got height and width {self.crop}"
            )
        low, high = self.point_removal
        if not 0 <= low <= high < 1:
            raise KBNetError(f"expected 0 <= low <= high < 1 as range of removed points, got {self.point_removal}")
        probabilities = ("flip_horizontal", "flip_vertical", "point_removal_probability")
        for name in (*probabilities, "cut_and_paste", "camera_effects", "prior", "image_attack"):
            if not 0 <= getattr(self, name) <= 1:
                raise KBNetError(f"expected {name} as a probability in 0..1, got {getattr(self, name)}")
        if not 0 <= self.colour_jitter < 1:
            raise KBNetError(f"expected colour_jitter in 0..1, got {self.colour_jitter}")
        if not 1 <= self.zoom <= LARGEST_ZOOM:
            raise KBNetError(f"expected zoom in 1..{LARGEST_ZOOM:g}, got {self.zoom}")
        if self.point_removal_patch < 0:
            raise KBNetError(f"expected point_removal_patch of at least 0 pixels, got {self.point_removal_patch}")
        for name, unit in (("noise_spread", "m"), ("image_shift", "pixels"), ("image_attack_levels", "levels")):
            if getattr(self, name) < 0:
                raise KBNetError(f"expected {name} of at least 0 {unit}, got {getattr(self, name)}")


@dataclass(frozen=True)
class AugmentedTriplet:
    """One training sample.

    Attributes:
        triplet: cropped, flipped and scaled, with all its points: what the losses see.
        input_image: image for the depth network, (H, W, 3), uint8.
        input_depth: sparse depth for the depth network, points removed and noise added, (H, W), metres; 0 = unmeasured.
    """

    triplet: Triplet
    input_image: ImageArray
    input_depth: FloatArray


def augment(
    triplet: Triplet,
    config: AugmentationConfig,
    generator: np.random.Generator,
    probability: float = 1.0,
    *,
    points: PointDrawing | None = None,
    texture: Callable[[np.random.Generator], ImageArray] | None = None,
) -> AugmentedTriplet:
    """Draw one augmentation of a triplet.

    Args:
        probability: schedule factor of every probability except crop, zoom and drawn points.
        points: draws sparse points from the ground truth, or thins those of the triplet; None = those of the triplet.
        texture: draws a picture, (h, w, 3), uint8, to cut textures from; needed to cut and paste.

    Returns:
        What the losses see and what the network sees.
    """
    check_crop(config.crop, triplet.frame.size, f"frame '{triplet.frame.name}'")
    size = config.crop
    if config.zoom > 1:
        factor = generator.uniform(1, config.zoom)
        size = (max(MINIMUM_SIZE, round(size[0] / factor)), max(MINIMUM_SIZE, round(size[1] / factor)))
    triplet = crop_triplet(triplet, *_crop_offset(triplet.frame.size, size, config, generator), *size)
    triplet = enlarge(triplet, *config.crop)
    if generator.random() < config.flip_horizontal * probability:
        triplet = _flipped(triplet, config, horizontal=True)
    if generator.random() < config.flip_vertical * probability:
        triplet = _flipped(triplet, config, horizontal=False)
    if texture is not None and generator.random() < config.cut_and_paste * probability:
        triplet = replace(triplet, frame=_with_cut_outs(triplet.frame, texture(generator), generator))
    if points is not None:
        triplet = replace(triplet, frame=_with_points(triplet.frame, points, generator))
    sparse_depth, image = triplet.frame.sparse_depth, triplet.frame.image
    if generator.random() < config.point_removal_probability * probability:
        share = generator.uniform(*config.point_removal)
        if config.point_removal_patch:
            sparse_depth = remove_patches(sparse_depth, share, config.point_removal_patch, generator)
        else:
            sparse_depth = remove_points(sparse_depth, share, generator)
    if config.noise != "none" and generator.random() < probability:
        sparse_depth = add_noise(sparse_depth, config.noise, config.noise_spread, generator)
    if config.image_shift > 0:
        image = _shifted(image, *(config.image_shift * probability * generator.standard_normal(2)))
    if config.colour_jitter > 0 and generator.random() < probability:
        image = jitter_colour(image, config.colour_jitter, generator)
    if config.camera_effects > 0:
        image = camera_effects(image, config.camera_effects * probability, generator)
    truth = triplet.frame.ground_truth
    if config.prior > 0 and truth is not None and generator.random() < config.prior * probability:
        from kbnet.training.simulated_prior import simulated_prior  # imports scipy, which --help does without

        triplet = replace(triplet, frame=replace(triplet.frame, prior=simulated_prior(truth, generator)))
    return AugmentedTriplet(triplet, image, sparse_depth)


def flip(triplet: Triplet, *, horizontal: bool) -> Triplet:
    """Mirror left and right, or top and bottom; the principal point and the poses are mirrored too."""
    frame = triplet.frame
    axis = 1 if horizontal else 0
    row = 1 - axis
    mirrored_intrinsics = frame.intrinsics.copy()
    mirrored_intrinsics[row, 2] = frame.size[axis] - 1 - frame.intrinsics[row, 2]
    mirrored_intrinsics[0, 1] = -frame.intrinsics[0, 1]
    mirror: FloatArray = np.diag([-1, 1, 1, 1] if horizontal else [1, -1, 1, 1]).astype(np.float32)
    mirrored = Frame(
        image=np.flip(frame.image, axis),
        sparse_depth=np.flip(frame.sparse_depth, axis),
        intrinsics=mirrored_intrinsics,
        ground_truth=None if frame.ground_truth is None else np.flip(frame.ground_truth, axis),
        name=frame.name,
    )
    return Triplet(
        frame=mirrored,
        previous_image=np.flip(triplet.previous_image, axis),
        next_image=np.flip(triplet.next_image, axis),
        T_previous_current=None
        if triplet.T_previous_current is None
        else _mirrored(triplet.T_previous_current, mirror),
        T_next_current=None if triplet.T_next_current is None else _mirrored(triplet.T_next_current, mirror),
    )


def remove_points(sparse_depth: FloatArray, fraction: float, generator: np.random.Generator) -> FloatArray:
    """Set a random ``fraction`` of the measured pixels to 0."""
    points = np.flatnonzero(sparse_depth)
    removed = generator.choice(points, size=round(fraction * points.size), replace=False)
    thinned = sparse_depth.copy()
    thinned.flat[removed] = 0
    return thinned


def remove_patches(sparse_depth: FloatArray, share: float, side_px: int, generator: np.random.Generator) -> FloatArray:
    """Set all points within a random ``share`` of square patches to 0; leave them all if none would remain.

    A single removed point can be interpolated from its neighbours. A removed patch must be filled from the image.
    """
    thinned = np.where(random_patches(sparse_depth.shape, share, side_px, generator), np.float32(0), sparse_depth)
    return thinned if thinned.any() else sparse_depth


def add_noise(
    sparse_depth: FloatArray,
    distribution: Literal["gaussian", "uniform"],
    spread: float,
    generator: np.random.Generator,
) -> FloatArray:
    """Add noise of ``spread`` metres to measured pixels; a point never falls to or below 0."""
    draw = generator.standard_normal if distribution == "gaussian" else lambda size: generator.uniform(-1, 1, size)
    noisy = sparse_depth + (spread * draw(sparse_depth.shape)).astype(np.float32)
    return np.where((sparse_depth > 0) & (noisy > 0), noisy, sparse_depth)


def _flipped(triplet: Triplet, config: AugmentationConfig, *, horizontal: bool) -> Triplet:
    flipped = flip(triplet, horizontal=horizontal)
    if config.flipped_intrinsics == "mirrored":
        return flipped
    return replace(flipped, frame=replace(flipped.frame, intrinsics=triplet.frame.intrinsics))


def _shifted(image: ImageArray, down: float, right: float) -> ImageArray:
    """Move an image by whole pixels; pixels at the border are repeated."""
    rows, columns = (
        np.clip(np.arange(length) - round(pixels), 0, length - 1)
        for length, pixels in zip(image.shape[:2], (down, right), strict=True)
    )
    moved: ImageArray = image[rows[:, None], columns]
    return moved


def _with_cut_outs(frame: Frame, texture: ImageArray, generator: np.random.Generator) -> Frame:
    if frame.ground_truth is None:
        return frame
    image, depth = cut_and_paste(frame.image, frame.ground_truth, texture, generator)
    in_sight = np.where(depth == frame.ground_truth, frame.sparse_depth, np.float32(0))
    return replace(frame, image=image, ground_truth=depth, sparse_depth=in_sight)


def _with_points(frame: Frame, points: PointDrawing, generator: np.random.Generator) -> Frame:
    drawn = generator.random() < points.probability
    if drawn and frame.ground_truth is not None and frame.ground_truth.any():
        return replace(frame, sparse_depth=points.draw(frame.image, frame.ground_truth, frame.intrinsics, generator))
    if points.thinning:
        return replace(frame, sparse_depth=points.thinned(frame.sparse_depth, frame.intrinsics, generator))
    return frame


def _mirrored(transform: FloatArray, mirror: FloatArray) -> FloatArray:
    mirrored: FloatArray = (mirror @ transform @ mirror).astype(np.float32)
    return mirrored


def check_crop(crop: tuple[int, int], size: tuple[int, int], where: str) -> None:
    """Raise ValueError, saying ``where``, if a crop (height, width) is larger than a frame of ``size`` (H, W)."""
    if size[0] < crop[0] or size[1] < crop[1]:
        raise KBNetError(
            f"expected frames of at least the crop's {crop[1]}x{crop[0]} (width x height), "
            f"got {size[1]}x{size[0]} ({where}); choose a smaller crop"
        )


def _crop_offset(
    size: tuple[int, int], crop: tuple[int, int], config: AugmentationConfig, generator: np.random.Generator
) -> tuple[int, int]:
    """Top and left of the crop."""
    room_y, room_x = size[0] - crop[0], size[1] - crop[1]
    if config.crop_horizontal == "anchored":
        left = int(generator.choice([0, room_x // 2, room_x]))
    elif config.crop_horizontal == "centre":
        left = room_x // 2
    else:
        left = int(generator.integers(room_x + 1))
    if config.crop_vertical == "bottom":
        top = room_y
    elif config.crop_vertical == "centre":
        top = room_y // 2
    elif config.crop_vertical == "random":
        top = int(generator.integers(room_y + 1))
    else:
        anchored = generator.random() < 0.3
        top = int(generator.choice([room_y // 2, room_y])) if anchored else room_y // 2
    return top, left
