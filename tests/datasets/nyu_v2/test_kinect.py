"""The Kinect's two cameras: a known plane arrives where geometry says, whatever the lenses do."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.datasets.nyu_v2.kinect import (
    COLOUR,
    INFRARED,
    SIZE,
    Lens,
    depth_in_colour_camera,
    to_colour_camera,
    undistort_image,
)
from kbnet.frame import Float64Array


def recorded_rays(lens: Lens) -> tuple[Float64Array, Float64Array]:
    """The true rays behind the pixels of a distorted picture, by fixed-point iteration."""
    seen_x, seen_y = lens.rays()
    x, y = seen_x, seen_y
    for _ in range(60):
        bent_x, bent_y = lens.distort(x, y)
        x, y = x + 0.7 * (seen_x - bent_x), y + 0.7 * (seen_y - bent_y)
    return x, y


def test_undistorted_depth_of_a_plane_is_that_plane_in_the_colour_camera() -> None:
    normal, distance = np.array([0.4, -0.2, 1.0]), 2.5
    x, y = recorded_rays(INFRARED)
    z = distance / (normal[0] * x + normal[1] * y + normal[2])
    depth = depth_in_colour_camera(1092.5 - 351.3 / z)
    # Three points of the plane, moved to the colour camera, give its equation n.p = 1 there.
    corners = to_colour_camera(np.array([[0, 0, 2.5], [1, 0, 2.1], [0, 1, 2.7]]))
    equation = np.linalg.solve(corners, np.ones(3))
    ray_x, ray_y = COLOUR.rays()
    expected = 1 / (equation[0] * ray_x + equation[1] * ray_y + equation[2])
    middle = np.s_[60:420, 60:580]
    error = (depth - expected)[middle][depth[middle] > 0]
    assert error.size > 0.99 * depth[middle].size
    assert np.abs(error).max() < 0.006
    assert abs(error.mean()) < 0.0002


@pytest.mark.parametrize(
    ("radial", "tangential", "expected"),
    [
        ((0.1, 0, 0), (0, 0), (0.5 * 1.03125, -0.25 * 1.03125)),
        ((0, 0.1, 0), (0, 0), (0.5 * 1.009765625, -0.25 * 1.009765625)),
        ((0, 0, 0.1), (0, 0), (0.5 * 1.0030517578125, -0.25 * 1.0030517578125)),
        ((0, 0, 0), (0.1, 0), (0.475, -0.20625)),
        ((0, 0, 0), (0, 0.1), (0.58125, -0.275)),
    ],
    ids=["k1", "k2", "k3", "p1", "p2"],
)
def test_distort_is_browns_model_term_by_term(
    radial: tuple[float, float, float], tangential: tuple[float, float], expected: tuple[float, float]
) -> None:
    lens = Lens((500, 500), (320, 240), radial, tangential)
    assert lens.distort(np.array(0.5), np.array(-0.25)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("z", [0.8, 2.0, 8.0])
def test_points_shift_left_in_the_colour_camera_by_25_mm(z: float) -> None:
    point = to_colour_camera(np.array([[0.0, 0.0, z]]))[0]
    column = COLOUR.focal[0] * point[0] / point[2] + COLOUR.centre[0]
    axis = COLOUR.centre[0] - COLOUR.focal[0] * 0.0043196624923060242  # seen at infinity: the cameras are not parallel
    assert column == pytest.approx(axis - COLOUR.focal[0] * 0.025031875 / z, abs=0.05)


def test_the_nearer_of_two_surfaces_stays() -> None:
    raw = np.full(SIZE, 1092.5 - 351.3 / 4)
    raw[:, 300:340] = 1092.5 - 351.3 / 1
    depth = depth_in_colour_camera(raw)
    # 4 m behind the strip's left edge projects under the strip, which moves further left.
    strip = depth[240][(depth[240] > 0.9) & (depth[240] < 1.1)]
    assert strip.size >= 35
    assert set(np.rint(depth[depth > 0]).astype(int).flat) == {1, 4}


def test_unmeasured_too_near_and_too_far_disparity_gives_no_depth() -> None:
    for raw in (0, 599, 1060, 1092.5, 2047):
        assert not depth_in_colour_camera(np.full(SIZE, raw)).any()


def test_undistort_image_shows_what_a_pinhole_would_see() -> None:
    def scene(x: Float64Array, y: Float64Array) -> Float64Array:
        return 120 + 60 * np.sin(6 * x) + 50 * np.cos(5 * y)

    recorded = np.repeat(np.rint(scene(*recorded_rays(COLOUR)))[..., None], 3, axis=-1).astype(np.uint8)
    seen = undistort_image(recorded)[32:448, 32:608, 1]
    expected = scene(*COLOUR.rays())[32:448, 32:608]
    assert np.abs(seen - expected).max() < 3
    assert np.abs(recorded[32:448, 32:608, 1] - expected).max() > 6
