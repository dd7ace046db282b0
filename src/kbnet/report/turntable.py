"""Turntable: pictures of a point cloud from changing directions, for a film, without a display."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from kbnet.errors import KBNetError
from kbnet.frame import Float64Array, FloatArray, Frame, ImageArray, check_depth
from kbnet.report.film import write_film
from kbnet.report.point_cloud import point_cloud

FPS = 20
INK = (34, 34, 34)
STEEPEST = 6.0
"""Steepness from which a pixel is not drawn: a surface seen at 80° from its normal ..."""
LEVEL, STEEPEST_FLOOR = 0.5, 25.0
"""... except where depth changes less than this across the image, as on a floor or road seen at up to 88°."""
LONGEST = 4.0
"""Largest factor by which the square of a slanted point is enlarged."""
STEP_BACK = 0.12
"""Distance of the first position behind the frame's camera, as a share of the median depth."""
BAR_SHARE = 0.25
"""Largest length of the scale bar, as a share of the picture's width."""
BACKGROUND = (255, 255, 255)
FINER = 2
"""Supersampling factor: each pixel is the mean of this many by this many."""
LARGEST_PX = 6
"""Largest edge of a square, supersampled pixels, so that near points do not hide the scene."""
NEAREST = 1e-3
"""Least distance of drawn points from the camera, metres."""


@dataclass(frozen=True)
class Cloud:
    """Points to draw in camera axes: x right, y down, z forward.

    Attributes:
        points: (N, 3), metres, N > 0.
        colours: RGB, (N, 3), uint8.
        spacing: distance between neighbouring points, metres, (N,) or one for all.
    """

    points: NDArray[np.floating]
    colours: ImageArray
    spacing: NDArray[np.floating] | float

    @classmethod
    def of_frame(cls, frame: Frame, depth: FloatArray) -> Cloud:
        """Cloud of one depth map, (H, W), metres; pixels of 0 and pixels across a depth edge give no point.

        Raises:
            KBNetError: the depth does not fit the frame, or is 0 everywhere.
        """
        depth = check_depth(depth, "depth", frame.size, where=f" (frame '{frame.name}')")
        down, across = (_steepness(depth, axis, float(frame.intrinsics[1 - axis, 1 - axis])) for axis in (0, 1))
        steepest_down = np.where(across < LEVEL, STEEPEST_FLOOR, STEEPEST)
        hanging = (depth > 0) & ((down > steepest_down) | (across > STEEPEST))
        shown = np.where(hanging | (uniform_filter(hanging.astype(np.float32), 3) > 0.5), np.float32(0), depth)
        points, colours = point_cloud(shown, frame.intrinsics, frame.image)
        if not len(points):
            raise KBNetError(f"expected depth at some pixels, got none (frame '{frame.name}'); choose another frame")
        slant = np.minimum(np.hypot(1, np.fmax(down, across)[shown > 0]), LONGEST)
        return cls(points, colours, slant * points[:, 2] / frame.intrinsics[0, 0])


@dataclass(frozen=True)
class Turn:
    """Path of the camera around the cloud; the film loops.

    Attributes:
        yaw_deg: largest yaw to either side, degrees; from 180 on a full turn.
        pitch_deg: largest pitch, degrees.
        width: width of a picture, pixels; rounded to an even number for films.
    """

    pictures: int = 60
    yaw_deg: float = 30.0
    pitch_deg: float = 14.0
    width: int = 480

    def angles(self, number: int) -> tuple[float, float]:
        """Yaw and pitch of one picture, radians."""
        phase = 2 * math.pi * number / self.pictures
        if self.yaw_deg >= 180:
            return phase, math.radians(self.pitch_deg)
        return math.radians(self.yaw_deg) * math.sin(phase), math.radians(self.pitch_deg) * (1 - math.cos(phase)) / 2


def _steepness(depth: FloatArray, axis: int, f_px: float) -> FloatArray:
    """Steepness: change of depth along an axis per pixel spacing; 0 = no neighbour.

    The smaller value of the two neighbours is used. At a depth edge this is the slope of the surface itself, so only
    pixels between the two sides are steep.
    """
    padded = np.pad(np.where(depth > 0, depth, np.nan), 1, constant_values=np.nan)
    before, after = (np.abs(np.roll(padded, step, axis)[1:-1, 1:-1] - depth) for step in (1, -1))
    return np.nan_to_num(np.fmin(before, after) * f_px / np.maximum(depth, 1e-6)).astype(np.float32)


SWAY = Turn()
ALL_ROUND = Turn(pictures=90, yaw_deg=180.0, pitch_deg=28.0)
ALL_ROUND_K = np.diag([4.0, 4.0, 1.0]).astype(np.float32)
"""Intrinsics for a picture of 4 x 3: a field of view of 53° across."""


def write_turntable(path: str | Path, frame: Frame, depth: FloatArray, turn: Turn | None = None) -> None:
    """Write a film of the cloud of a frame; the file appears complete or not at all.

    Args:
        path: ``.gif`` or ``.mp4``.
        depth: completed depth, (H, W), metres; pixels of 0 are not drawn.
    """
    size = frame.size
    write_film(path, turntable(Cloud.of_frame(frame, depth), frame.intrinsics, size, turn or SWAY), FPS)


def write_fused_turntable(
    path: str | Path, points: FloatArray, colours: ImageArray, spacing: float, T_world_camera: Float64Array
) -> None:
    """Write a film of a fused cloud, a full turn from slightly above.

    Args:
        path: ``.gif`` or ``.mp4``.
        points: (N, 3), metres, in the world.
        colours: RGB, (N, 3), uint8.
        spacing: distance between neighbouring points, metres.
        T_world_camera: pose of one camera, (4, 4), metres, for the upward direction.
    """
    T_camera_world = np.linalg.inv(T_world_camera)
    seen = points @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    # Points are anywhere in their voxels, so larger squares are needed for a closed surface.
    cloud = Cloud(seen.astype(np.float32), colours, 1.5 * spacing)
    write_film(path, turntable(cloud, ALL_ROUND_K, (3, 4), ALL_ROUND), FPS)


def turntable(cloud: Cloud, K: FloatArray, size: tuple[int, int], turn: Turn) -> Iterator[ImageArray]:
    """Render a cloud along a camera path, with a scale bar.

    Args:
        K: pinhole matrix of the first and last camera, (3, 3), pixels.
        size: (H, W) of its image, pixels.

    Yields:
        RGB pictures, (h, w, 3), uint8, all of one size, in the proportions of the image.
    """
    width = turn.width - turn.width % 2
    scale = width / size[1]
    height = 2 * round(scale * size[0] / 2)
    small = np.array([[scale * K[0, 0], 0, (width - 1) / 2], [0, scale * K[1, 1], (height - 1) / 2], [0, 0, 1]])
    pivot, distance = _stand(cloud.points, small, (height, width), all_round=turn.yaw_deg >= 180)
    for number in range(turn.pictures):
        T_camera_world = _looking_at(pivot, distance, *turn.angles(number))
        picture = splat(cloud.points, cloud.colours, cloud.spacing, small, T_camera_world, (height, width))
        yield _with_bar(picture, small[0, 0] / distance)


def _stand(
    points: NDArray[np.floating], K: Float64Array, size: tuple[int, int], *, all_round: bool
) -> tuple[Float64Array, float]:
    """Pivot of the camera path and distance from it: slightly behind the camera, or far enough to see all."""
    if not all_round:
        depth = float(np.median(points[:, 2]))
        return np.array([0.0, 0.0, depth]), (1 + STEP_BACK) * depth
    low, high = np.percentile(points, (1, 99), axis=0)
    pivot = np.asarray((low + high) / 2, np.float64)
    radius = float(np.percentile(np.linalg.norm(points - pivot, axis=1), 90))
    return pivot, radius * max(2 * K[0, 0] / size[1], 2 * K[1, 1] / size[0])


def _looking_at(pivot: Float64Array, distance: float, yaw_rad: float, pitch_rad: float) -> Float64Array:
    """``T_camera_world`` of a camera at a distance from the pivot, with a yaw about its y axis and a pitch."""
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = math.cos(pitch_rad), math.sin(pitch_rad)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    rotation = about_x @ about_y
    T_camera_world = np.eye(4)
    T_camera_world[:3, :3] = rotation
    T_camera_world[:3, 3] = np.array([0, 0, distance]) - rotation @ pivot
    return T_camera_world


def _with_bar(picture: ImageArray, px_per_metre: float) -> ImageArray:
    """Draw a scale bar with a round length in metres, valid at the centre of the cloud."""
    height, width = picture.shape[:2]
    longest = BAR_SHARE * width / px_per_metre
    power = math.floor(math.log10(longest))
    metres = max(float(f"{digit}e{power}") for digit in (1, 2, 5) if float(f"{digit}e{power}") <= longest)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(11, width // 32))
    thick, margin = max(2, width // 240), width / 40
    left, bottom = 2 * margin, height - 2 * margin
    right, text = left + metres * px_per_metre, f"{metres:g} m"
    middle = ((left + right) / 2, bottom - 2 * thick)
    above = draw.textbbox(middle, text, font, anchor="mb")[1]
    draw.rectangle((left - margin, above - margin / 2, right + margin, bottom + margin), "white")
    draw.line([(left, bottom), (right, bottom)], INK, thick)
    for x in (left, right):
        draw.line([(x, bottom - 2 * thick), (x, bottom + 2 * thick)], INK, thick)
    draw.text(middle, text, INK, font, anchor="mb")
    return np.asarray(image)


def splat(
    points: NDArray[np.floating],
    colours: ImageArray,
    spacing: NDArray[np.floating] | float,
    K: NDArray[np.floating],
    T_camera_world: NDArray[np.floating],
    size: tuple[int, int],
) -> ImageArray:
    """Render a cloud from a camera.

    Args:
        points: (N, 3), metres.
        colours: RGB, (N, 3), uint8.
        spacing: distance between neighbouring points, metres, the edge of their squares; (N,) or one for all.
        K: pinhole matrix of the picture, (3, 3), pixels, without skew.
        T_camera_world: (4, 4), from the axes of the points to the camera's.
        size: (H, W) of the picture, pixels.

    Returns:
        RGB, (H, W, 3), uint8; white without a point.
    """
    height, width = FINER * size[0], FINER * size[1]
    seen = points @ T_camera_world[:3, :3].T.astype(np.float32) + T_camera_world[:3, 3].astype(np.float32)
    z = np.maximum(seen[:, 2], NEAREST).astype(np.float32)
    # Pixel centres are on whole numbers, so the picture begins at -0.5.
    column = FINER * (K[0, 0] * seen[:, 0] / z + K[0, 2] + 0.5)
    row = FINER * (K[1, 1] * seen[:, 1] / z + K[1, 2] + 0.5)
    edge = np.clip(np.ceil(FINER * K[0, 0] * spacing / z), 1, LARGEST_PX)
    margin = LARGEST_PX
    drawn = (seen[:, 2] > NEAREST) & (np.abs(column - width / 2) < width / 2 + margin)
    chosen = np.flatnonzero(drawn & (np.abs(row - height / 2) < height / 2 + margin))
    left, top = (np.rint((x - edge / 2)[chosen]).astype(np.int64) for x in (column, row))
    edge = edge[chosen]
    # Key: depth in the upper half, index in the lower, so the smallest key is the nearest point.
    keys = (z[chosen].view(np.uint32).astype(np.uint64) << np.uint64(32)) | chosen.astype(np.uint64)
    nearest = np.full(height * width, np.iinfo(np.uint64).max, np.uint64)
    for down in range(int(edge.max(initial=0))):
        for right in range(int(edge.max())):
            x, y = left + right, top + down
            inside = (edge > down) & (edge > right) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            np.minimum.at(nearest, (y * width + x)[inside], keys[inside])
    picture = np.full((height * width, 3), BACKGROUND, np.uint8)
    covered = np.flatnonzero(nearest != np.iinfo(np.uint64).max)
    picture[covered] = colours[(nearest[covered] & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    fine = Image.fromarray(picture.reshape(height, width, 3))
    return np.asarray(fine.resize((size[1], size[0]), Image.Resampling.BOX))
