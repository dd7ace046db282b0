"""The Kinect of NYU Depth v2: from raw disparity to depth in the colour camera, without lens distortion.

The numbers are the calibration in ``camera_params.m`` of the data set's official toolbox (Silberman et al., ECCV 2012).
Deliberate deviations from its ``project_depth_map.m``: pixels count from 0; depth is z in the colour camera, where the
toolbox keeps z of the infrared one; raw disparity is taken from the nearest pixel, never mixed across edges; what
lies beyond 10 m is unmeasured, where the toolbox calls it 10 m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from kbnet.frame import Float64Array, FloatArray, ImageArray

SIZE = (480, 640)
"""Height and width of both cameras, pixels."""
DISPARITY_RANGE = (600.0, 1057.3)
"""Raw disparity that counts as measured, 0.71 m to 10 m; 2047 is written where there is none."""
DISPARITY_SCALE, DISPARITY_OFFSET = 351.3, 1092.5
"""Depth in metres = scale / (offset - raw)."""


@dataclass(frozen=True)
class Lens:
    """A pinhole with Brown's distortion.

    Attributes:
        focal: fx, fy, pixels.
        centre: cx, cy, pixels.
        radial: k1, k2, k3.
        tangential: p1, p2.
    """

    focal: tuple[float, float]
    centre: tuple[float, float]
    radial: tuple[float, float, float]
    tangential: tuple[float, float]

    def rays(self) -> tuple[Float64Array, Float64Array]:
        """x / z and y / z of every pixel of an undistorted image, (480, 640) each."""
        rows, columns = np.indices(SIZE, np.float64)
        return (columns - self.centre[0]) / self.focal[0], (rows - self.centre[1]) / self.focal[1]

    def pixels(self, x: Float64Array, y: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Columns and rows at which an undistorted image shows the rays x / z, y / z."""
        return self.focal[0] * x + self.centre[0], self.focal[1] * y + self.centre[1]

    def distort(self, x: Float64Array, y: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Where the lens bends the rays x / z, y / z to."""
        (k1, k2, k3), (p1, p2) = self.radial, self.tangential
        square = x * x + y * y
        radial = 1 + square * (k1 + square * (k2 + square * k3))
        return (
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        )

    def undistort(self, picture: NDArray[np.generic], *, mix: bool) -> Float64Array:
        """Resample one channel, (480, 640), as a pinhole would see it; 0 where the lens saw nothing.

        Args:
            mix: interpolate between four pixels, else take the nearest.
        """
        columns, rows = self.pixels(*self.distort(*self.rays()))
        sampled: Float64Array = map_coordinates(picture.astype(np.float64), [rows, columns], order=int(mix), cval=0)
        return sampled


COLOUR = Lens(
    focal=(518.85790117450188, 519.46961112127485),
    centre=(325.58244941119034, 253.73616633400465),
    radial=(0.20796615318809061, -0.58613825163911781, 0.49856986684705107),
    tangential=(0.00072231363135888329, 0.0010479627195765181),
)
INFRARED = Lens(
    focal=(582.62448167737955, 582.69103270988637),
    centre=(313.04475870804731, 238.44389626620386),
    radial=(-0.099897236553084481, 0.39065324602765344, -0.51031725053400578),
    tangential=(0.0019290592870229277, -0.0019422022475975055),
)
R_INFRARED_COLOUR = np.array(
    [
        [0.99997798940829263, 0.0050518419386157446, 0.0043011152014118693],
        [-0.0050359919480810989, 0.99998051861143999, -0.0036879781309514218],
        [-0.0043196624923060242, 0.0036662365748484798, 0.99998394948385538],
    ]
)
"""The toolbox inverts minus this and adds the translation, so all its coordinates are negated: the same camera."""
TRANSLATION_M = np.array([0.025031875059141302, -0.00029342312935846411, 0.00066238747008330102])
"""Taken away after the rotation, metres: the colour camera sits 25 mm to the right of the infrared one."""


def to_colour_camera(points: Float64Array) -> Float64Array:
    """Points from the infrared to the colour camera, (N, 3), metres."""
    moved: Float64Array = np.linalg.solve(R_INFRARED_COLOUR, points.T).T - TRANSLATION_M
    return moved


def undistort_image(image: ImageArray) -> ImageArray:
    """A colour image as a pinhole with the focal lengths and centre of `COLOUR` sees it, (480, 640, 3), uint8."""
    channels = [COLOUR.undistort(image[..., channel], mix=True) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def depth_in_colour_camera(raw: NDArray[np.generic]) -> FloatArray:
    """Raw disparity as recorded by the infrared camera to depth at the pixels of the undistorted colour image.

    Where several surfaces fall on one pixel, the nearest stays. Shadows of the projector stay unmeasured.

    Args:
        raw: disparity, (480, 640); `DISPARITY_RANGE` counts as measured.

    Returns:
        Depth along z of the colour camera, (480, 640), float32 metres; 0 = unmeasured.
    """
    disparity = INFRARED.undistort(raw, mix=False)
    measured = (disparity >= DISPARITY_RANGE[0]) & (disparity <= DISPARITY_RANGE[1])
    z = DISPARITY_SCALE / (DISPARITY_OFFSET - disparity[measured])
    x, y = (ray[measured] for ray in INFRARED.rays())
    points = to_colour_camera(np.stack([x * z, y * z, z], axis=1))
    columns, rows = COLOUR.pixels(points[:, 0] / points[:, 2], points[:, 1] / points[:, 2])
    columns, rows = np.rint(columns), np.rint(rows)
    inside = (columns >= 0) & (columns < SIZE[1]) & (rows >= 0) & (rows < SIZE[0])
    nearest = np.full(SIZE, np.inf)
    np.minimum.at(nearest, (rows[inside].astype(int), columns[inside].astype(int)), points[inside, 2])
    return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)
