"""A synthetic sequence: a textured room with things standing in it and a camera that walks about, true in every pixel.

Textures are photographs that scikit-image ships in its wheel, all dedicated to the public domain (CC0) by their authors
according to its documentation: brick and gravel (CC0 Textures), grass (linolafett), coffee (Rachel Michetti), chelsea
(Stefan van der Walt).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnet.errors import KBNetError, check_finite_numbers
from kbnet.frame import MINIMUM_SIZE, Float64Array, FloatArray, Frame, ImageArray
from kbnet.frames.sequence_writer import PosedFrame, write_sequence
from kbnet.limits import check_count
from kbnet.sources.rendered.ray_casting import (
    Box,
    Face,
    Textures,
    render,
    rotation_about_x,
    rotation_about_y,
    rotation_about_z,
)

PHOTOGRAPHS = ("brick", "gravel", "grass", "coffee", "chelsea")
ROOM_HALF_SIZE = (2.8, 1.35, 2.5)
"""Metres; the world's origin is the middle of the room."""
PATH_SEMI_AXES = (0.8, 0.6)
"""Of the ellipse, along x and z, that the camera walks on, metres."""
STEP = 0.03
"""Mean way of the camera from one frame to the next, metres."""

_LIGHT = {"floor": 0.85, "ceiling": 1.0, "x": 0.8, "z": 0.95}
_WARM, _GREEN, _PALE, _PLAIN = (1.25, 0.85, 0.7), (0.75, 1.05, 0.6), (1.25, 1.2, 1.1), (1.0, 1.0, 1.0)
_ROOM, _POINTS, _PATH = range(3)
"""What a draw is for, so that no two draws share a generator."""


@dataclass(frozen=True)
class SyntheticConfig:
    """A synthetic sequence; the same values give the same files."""

    frames: int = 60
    """How many frames; a longer sequence begins with the frames of a shorter one."""
    width: int = 320
    """Pixels."""
    height: int = 240
    """Pixels."""
    points: int = 300
    """Sparse points in a frame."""
    range_noise: float = 0.01
    """Relative standard deviation of the sparse points' depth."""
    outlier_share: float = 0.0
    """Fraction of the sparse points with a wrong depth."""
    seed: int = 0
    """Another seed is another room, another way through it and other noise."""

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Not on construction, since the command line would wrap the error into a page of help.

        Raises:
            KBNetError: there are no frames, they are too small, or the seed is negative.
        """
        check_finite_numbers(self)
        if self.frames < 1 or min(self.width, self.height) < MINIMUM_SIZE or self.seed < 0:
            raise KBNetError(
                f"expected at least 1 frame, {MINIMUM_SIZE}x{MINIMUM_SIZE} pixels and a seed of at least 0, "
                f"got {self.frames} frames, {self.width}x{self.height} and {self.seed}"
            )
        check_count(self.width * self.height, "pixels", "a frame")

    @property
    def intrinsics(self) -> FloatArray:
        """K, (3, 3), float32 pixels: a field of view of 61° across the width, centred."""
        f_px = 0.85 * self.width
        return np.array([[f_px, 0, (self.width - 1) / 2], [0, f_px, (self.height - 1) / 2], [0, 0, 1]], np.float32)


def write_synthetic_sequence(
    folder: str | Path,
    config: SyntheticConfig,
    *,
    overwrite: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Render a sequence into a folder of the native layout; it appears whole or not at all."""
    write_sequence(folder, synthetic_frames(config), overwrite=overwrite, on_frame=on_frame)


def synthetic_frames(config: SyntheticConfig) -> Iterator[PosedFrame]:
    """Render a sequence, frame by frame.

    Yields:
        A frame with ground truth and pose.
    """
    # Here, since the command line reads the config above for its help, and scipy would make that slow.
    from kbnet.points.sampling import sample_points

    config.check()
    textures = Textures(load_photographs())
    boxes = furnished_room(config.seed)
    size = (config.height, config.width)
    for index in range(config.frames):
        T_world_camera = camera_pose(config.seed, index)
        image, depth = render(boxes, textures, config.intrinsics, T_world_camera, size)
        sparse_depth = sample_points(
            image,
            depth,
            config.points,
            np.random.default_rng((config.seed, _POINTS, index)),
            range_noise=config.range_noise,
            outlier_share=config.outlier_share,
        )
        frame = Frame(image, sparse_depth, config.intrinsics, depth, name=f"{index:06d}")
        yield PosedFrame(frame, T_world_camera)


def load_photographs() -> list[ImageArray]:
    """Read ``PHOTOGRAPHS`` from scikit-image: RGB, (H, W, 3), uint8.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    try:
        import skimage.data
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "scikit-image is needed for the textures of the synthetic room: pip install 'kbnet[demo]'"
        ) from None
    photographs = {name: np.asarray(getattr(skimage.data, name)(), np.uint8) for name in PHOTOGRAPHS}
    photographs["brick"] = np.rot90(photographs["brick"])  # it lies on its side; this makes its courses level
    return [np.stack([photo] * 3, axis=-1) if photo.ndim == 2 else photo for photo in photographs.values()]


def furnished_room(seed: int) -> list[Box]:
    """A room and ten things around its middle: pillars, boxes on the floor, boxes that hang from the ceiling."""
    generator = np.random.default_rng((seed, _ROOM))
    below, height_of_room = ROOM_HALF_SIZE[1], 2 * ROOM_HALF_SIZE[1]
    boxes = [Box((0.0, 0.0, 0.0), ROOM_HALF_SIZE, _room_faces(generator), hollow=True)]
    heights = generator.permutation([height_of_room, height_of_room, height_of_room, 0.7, 0.9, 1.1, 1.3, 1.5, 0.7, 1.0])
    hanging = generator.permutation(len(heights)) < 2
    for number, (height, hangs) in enumerate(zip(heights, hanging, strict=True)):
        # Half diagonals of at most 0.4 m leave 0.4 m to the camera's path at this distance, and stay in the room.
        angle_rad = 2 * np.pi * (number + generator.uniform(-0.2, 0.2)) / len(heights)
        ring = generator.uniform(0.85, 1.2)
        half_size = (generator.uniform(0.12, 0.28), height / 2, generator.uniform(0.12, 0.28))
        centre_y = height / 2 - below if hangs else below - height / 2
        centre = (1.9 * ring * np.cos(angle_rad), centre_y, 1.65 * ring * np.sin(angle_rad))
        boxes.append(Box(centre, half_size, _body_faces(generator), yaw_rad=generator.uniform(0, np.pi)))
    return boxes


def camera_pose(seed: int, index: int) -> Float64Array:
    """``T_world_camera`` of a frame, (4, 4), metres: some 3 cm on along an ellipse, looking slowly about."""
    start, phase, yaw, bob, nod, lean = np.random.default_rng((seed, _PATH)).uniform(0, 2 * np.pi, 6)
    turn_rad = np.linspace(0, 2 * np.pi, 2049)
    x, z = PATH_SEMI_AXES[0] * np.cos(turn_rad), PATH_SEMI_AXES[1] * np.sin(turn_rad)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    travelled = (start + STEP * index + 0.05 * np.sin(index / 8 + phase)) % way[-1]
    along = np.interp(travelled, way, turn_rad)

    T_world_camera = np.eye(4)
    T_world_camera[:3, 3] = (
        PATH_SEMI_AXES[0] * np.cos(along),
        0.12 * np.sin(index / 17 + bob),
        PATH_SEMI_AXES[1] * np.sin(along),
    )
    T_world_camera[:3, :3] = (
        rotation_about_y(yaw + np.radians(0.6 * index + 4 * np.sin(index / 15)))
        @ rotation_about_x(np.radians(-7 + 5 * np.sin(index / 19 + nod)))
        @ rotation_about_z(np.radians(3 * np.sin(index / 23 + lean)))
    )
    return T_world_camera


def _room_faces(generator: np.random.Generator) -> tuple[Face, ...]:
    def face(photograph: str, tile: float, tint: tuple[float, float, float], light: str) -> Face:
        red, green, blue = (_LIGHT[light] * value for value in tint)
        column, row = generator.random(2)
        return Face(PHOTOGRAPHS.index(photograph), tile, (float(column), float(row)), (red, green, blue))

    return (
        face("brick", 1.8, _WARM, "x"),
        face("chelsea", 1.5, _PLAIN, "x"),
        face("grass", 2.0, _PALE, "ceiling"),
        face("gravel", 1.5, _PALE, "floor"),
        face("coffee", 1.4, _PLAIN, "z"),
        face("brick", 1.5, _GREEN, "z"),
    )


def _body_faces(generator: np.random.Generator) -> tuple[Face, ...]:
    photograph = int(generator.integers(len(PHOTOGRAPHS)))
    tile = float(generator.uniform(0.5, 0.9))
    tint = generator.uniform(0.75, 1.15, 3)
    lights = (0.75, 0.9, 1.0, 0.6, 0.95, 0.8)
    faces = []
    for light in lights:
        (column, row), (red, green, blue) = generator.random(2), light * tint
        faces.append(Face(photograph, tile, (float(column), float(row)), (float(red), float(green), float(blue))))
    return tuple(faces)
