"""Textured boxes seen by a pinhole camera: exact depth and filtered texture by ray casting in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kbnet.frame import Float64Array, FloatArray, ImageArray, IntArray

TEXTURE_SIZE = 512
"""Height and width of a texture, pixels; a power of two."""
_COARSEST = 8
_TEXTURE_AXES = np.array([[2, 1], [0, 2], [0, 1]])
"""Axes of a box along which columns and rows of a texture run, on faces across x, y and z: pictures stand upright."""


@dataclass(frozen=True)
class Face:
    """How one face of a box looks, the same from everywhere (Lambertian, lit evenly).

    Attributes:
        texture: index into the textures; it repeats, mirrored, so that there are no seams.
        tile: size of one repeat, metres.
        offset: where the texture begins, (along columns, along rows), in repeats.
        tint: factor of red, green and blue.
    """

    texture: int
    tile: float
    offset: tuple[float, float]
    tint: tuple[float, float, float]


@dataclass(frozen=True)
class Box:
    """A box turned about the vertical axis.

    Attributes:
        centre: (3,), metres, world axes (x right, y down, z forward).
        half_size: half of its extent along its own axes, (3,), metres.
        faces: at its ends -x, +x, -y, +y, -z, +z.
        yaw_rad: angle about y.
        hollow: a room seen from the inside, in place of a body seen from the outside.
    """

    centre: tuple[float, float, float]
    half_size: tuple[float, float, float]
    faces: tuple[Face, ...]
    yaw_rad: float = 0.0
    hollow: bool = False


@dataclass(frozen=True)
class BoxHits:
    """What each of N rays meets first.

    Attributes:
        depth: along the camera's z, (N,), metres; infinite where nothing is met.
        face: six times the index of the box plus that of its face, (N,); -1 where nothing is met.
        position: on the face, along the columns and rows of its texture, (2, N), metres.
        slope: part of the ray along the face's normal, for a ray of length 1 along the camera's z, (N,).
    """

    depth: Float64Array
    face: IntArray
    position: Float64Array
    slope: Float64Array


class Textures:
    """Photographs prepared for sampling at any scale (a mip map; Williams, "Pyramidal parametrics", 1983)."""

    def __init__(self, photographs: Sequence[ImageArray]) -> None:
        """Take photographs, (H, W, 3) uint8, of any size; their largest square in the middle is used."""
        level = np.stack([_square(photograph) for photograph in photographs]).astype(np.float32)
        pixels, starts = [], [0]
        while level.shape[1] >= _COARSEST:
            pixels.append(level.reshape(-1, 3))
            starts.append(starts[-1] + len(pixels[-1]))
            level = level.reshape(len(level), level.shape[1] // 2, 2, level.shape[2] // 2, 2, 3).mean(axis=(2, 4))
        self._pixels = np.concatenate(pixels)
        self._starts = np.array(starts[:-1])

    def sample(self, texture: IntArray, position: Float64Array, footprint: Float64Array) -> FloatArray:
        """Colours at positions, linear within a level and between the two levels nearest to the footprint.

        Args:
            texture: index of the texture, (N,).
            position: along columns and rows, (2, N), in repeats.
            footprint: side of the area a pixel sees, (N,), in repeats.

        Returns:
            RGB, (N, 3), float32, 0..255.
        """
        scale = np.clip(np.log2(np.maximum(footprint * TEXTURE_SIZE, 1.0)), 0, len(self._starts) - 1)
        fine = np.minimum(scale.astype(np.int64), len(self._starts) - 2)
        coarse_share = (scale - fine).astype(np.float32)[:, None]
        return (1 - coarse_share) * self._bilinear(texture, position, fine) + coarse_share * self._bilinear(
            texture, position, fine + 1
        )

    def _bilinear(self, texture: IntArray, position: Float64Array, level: IntArray) -> FloatArray:
        size = TEXTURE_SIZE >> level
        place = position * size - 0.5
        first = np.floor(place).astype(np.int64)
        right, below = (place - first).astype(np.float32)[:, :, None]
        start = self._starts[level] + texture * size * size
        columns, rows = ([_mirror(index + step, size) for step in (0, 1)] for index in first)
        upper, lower = (
            (1 - right) * self._pixels[start + row * size + columns[0]]
            + right * self._pixels[start + row * size + columns[1]]
            for row in rows
        )
        blend: FloatArray = (1 - below) * upper + below * lower
        return blend


def render(
    boxes: Sequence[Box],
    textures: Textures,
    intrinsics: FloatArray,
    T_world_camera: Float64Array,
    size: tuple[int, int],
) -> tuple[ImageArray, FloatArray]:
    """Take a picture, one ray through the centre of every pixel.

    Args:
        boxes: the scene, one of them hollow and around all, so that every ray meets something.
        textures: what the faces refer to.
        intrinsics: K, (3, 3), pixels, without skew.
        T_world_camera: where the camera is, (4, 4), metres.
        size: (H, W), pixels.

    Returns:
        RGB, (H, W, 3), uint8, and depth along z, (H, W), float32 metres.
    """
    hits = cast(boxes, T_world_camera[:3, :3] @ camera_rays(intrinsics, size), T_world_camera[:3, 3])
    assert (hits.face >= 0).all(), "the scene is not closed"
    faces = [face for box in boxes for face in box.faces]
    tile = np.array([face.tile for face in faces])[hits.face]
    offset = np.array([face.offset for face in faces]).T[:, hits.face]
    # The area that a pixel sees on a plane is (z / f)² / |n · ray|; its root stands for both sides of a footprint.
    footprint = hits.depth / (intrinsics[0, 0] * np.sqrt(hits.slope)) / tile
    colour = textures.sample(
        np.array([face.texture for face in faces])[hits.face], hits.position / tile + offset, footprint
    )
    colour *= np.array([face.tint for face in faces], np.float32)[hits.face]
    image = np.clip(np.rint(colour), 0, 255).astype(np.uint8).reshape(*size, 3)
    return image, hits.depth.astype(np.float32).reshape(size)


def camera_rays(intrinsics: FloatArray, size: tuple[int, int]) -> Float64Array:
    """K^-1 [x, y, 1] of every pixel, row by row: (3, H W)."""
    y, x = np.divmod(np.arange(size[0] * size[1]), size[1])
    k = intrinsics.astype(np.float64)
    return np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones(x.size)])


def cast(boxes: Sequence[Box], rays: Float64Array, origin: Float64Array) -> BoxHits:
    """Follow rays to the first box they meet (slab method; Kay & Kajiya, "Ray tracing complex scenes", 1986).

    Args:
        rays: directions in world axes, (3, N), of length 1 along the camera's z.
        origin: where all rays begin, (3,), metres.
    """
    count = rays.shape[1]
    hits = BoxHits(np.full(count, np.inf), np.full(count, -1), np.zeros((2, count)), np.zeros(count))
    for index, box in enumerate(boxes):
        R_box_world = rotation_about_y(box.yaw_rad).T
        start, direction = R_box_world @ (origin - np.array(box.centre)), R_box_world @ rays
        direction[direction == 0] = 1e-12
        inverse = 1 / direction
        middle, reach = -start[:, None] * inverse, np.array(box.half_size)[:, None] * np.abs(inverse)
        entries, exits = middle - reach, middle + reach
        entry, leave = entries.max(axis=0), exits.min(axis=0)
        met = leave if box.hollow else entry
        ray = np.flatnonzero((entry < leave) & (met > 0) & (met < hits.depth))

        axis = (exits if box.hollow else entries)[:, ray]
        axis = axis.argmin(axis=0) if box.hollow else axis.argmax(axis=0)
        forward = direction[axis, ray]
        along_columns, along_rows = _TEXTURE_AXES[axis].T
        hits.depth[ray] = met[ray]
        hits.face[ray] = 6 * index + 2 * axis + ((forward > 0) == box.hollow)
        hits.position[0, ray] = start[along_columns] + met[ray] * direction[along_columns, ray]
        hits.position[1, ray] = start[along_rows] + met[ray] * direction[along_rows, ray]
        hits.slope[ray] = np.maximum(np.abs(forward), 1e-6)
    return hits


def rotation_about_y(angle_rad: float) -> Float64Array:
    """Rotation matrix, (3, 3); a positive angle turns z towards x (a camera to its right)."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])


def rotation_about_x(angle_rad: float) -> Float64Array:
    """Rotation matrix, (3, 3); a positive angle turns y towards z (a camera upwards)."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])


def rotation_about_z(angle_rad: float) -> Float64Array:
    """Rotation matrix, (3, 3); a positive angle turns x towards y (a camera clockwise)."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _mirror(index: IntArray, size: IntArray) -> IntArray:
    """Indices of an endless mirrored repeat: 0, 1, …, size - 1, size - 1, …, 1, 0, 0, 1, …"""
    index = index % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


def _square(photograph: ImageArray) -> ImageArray:
    from PIL import Image

    height, width = photograph.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = Image.fromarray(photograph[top : top + side, left : left + side])
    return np.asarray(picture.resize((TEXTURE_SIZE, TEXTURE_SIZE), Image.Resampling.BICUBIC))
