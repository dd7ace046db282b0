"""Lens distortion: the equations by hand and against COLMAP's, inverses that invert, folds that are no picture."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.geometry.distortion import fisheye, radial_tangential, undo_fisheye, undo_radial_tangential

GRID = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 13), np.linspace(-0.5, 0.5, 11)), axis=-1)
BROWN = [
    (),
    (0.2624, -0.9531, -0.0054, 0.0026, 1.1633),
    (-0.28, 0.07, 0.001, -0.0005),
    (0.1, 0.05, 0.001, 0.002, 0.01, 0.3, 0.1, 0.02),
]
KANNALA_BRANDT = [(), (0.01, -0.005, 0.002, -0.0008), (-0.1, 0.03)]


def test_radial_tangential_is_browns_equation() -> None:
    x, y, (k1, k2, p1, p2, k3, k4, k5, k6) = 0.3, -0.2, BROWN[3]
    r2 = x**2 + y**2
    g = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    expected = [
        g * x + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
        g * y + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
    ]
    np.testing.assert_allclose(radial_tangential(np.array([x, y]), BROWN[3]), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("model", "coefficients"), [("OPENCV", BROWN[2]), ("FULL_OPENCV", BROWN[3]), ("OPENCV_FISHEYE", KANNALA_BRANDT[1])]
)
def test_both_models_agree_with_colmap(model: str, coefficients: tuple[float, ...]) -> None:
    pycolmap = pytest.importorskip("pycolmap")
    camera = pycolmap.Camera(model=model, width=640, height=480, params=[1, 1, 0, 0, *coefficients])
    rays = GRID.reshape(-1, 2)
    ours = (fisheye if "FISHEYE" in model else radial_tangential)(rays, coefficients)
    np.testing.assert_allclose(ours, camera.img_from_cam(np.c_[rays, np.ones(len(rays))]), atol=1e-12)


@pytest.mark.parametrize("coefficients", BROWN)
def test_undoing_radial_tangential_gives_the_rays_back(coefficients: tuple[float, ...]) -> None:
    distorted = radial_tangential(GRID, coefficients)
    np.testing.assert_allclose(undo_radial_tangential(distorted, coefficients), GRID, atol=1e-9)


@pytest.mark.parametrize("coefficients", KANNALA_BRANDT)
def test_undoing_fisheye_gives_the_rays_back(coefficients: tuple[float, ...]) -> None:
    rays = 5 * GRID
    np.testing.assert_allclose(undo_fisheye(fisheye(rays, coefficients), coefficients), rays, atol=1e-8)


def test_what_would_fold_into_the_picture_is_nan() -> None:
    # r - 0.3 r³ turns back at r = sqrt(1 / 0.9) = 1.054, where it is 0.703.
    points = np.array([[1.05, 0], [1.06, 0], [3, 0]])
    assert np.isnan(radial_tangential(points, (-0.3, 0, 0, 0))[:, 0]).tolist() == [False, True, True]
    assert np.isnan(undo_radial_tangential(np.array([[0.702, 0], [0.71, 0]]), (-0.3,))[:, 0]).tolist() == [False, True]
    # θ - 0.5 θ³ turns back at θ = 0.816, which is r = 1.065.
    assert np.isnan(fisheye(np.array([[1.06, 0], [1.07, 0]]), (-0.5,))[:, 0]).tolist() == [False, True]


def test_a_fisheye_beyond_90_degrees_shows_no_ray() -> None:
    rays = undo_fisheye(np.array([[1.5, 0], [0, 1.6]]), ())
    np.testing.assert_allclose(rays[0], [np.tan(1.5), 0])
    assert np.isnan(rays[1]).all()


def test_zeros_at_the_end_do_not_matter_and_other_models_are_refused() -> None:
    np.testing.assert_array_equal(
        radial_tangential(GRID, (0.1, 0.01)), radial_tangential(GRID, (0.1, 0.01, *[0.0] * 12))
    )
    with pytest.raises(ValueError, match="expected fisheye distortion as k1 k2 k3 k4, got 5 numbers"):
        fisheye(GRID, (0, 0, 0, 0, 1.0))
    with pytest.raises(ValueError, match="rectify the images first"):
        radial_tangential(GRID, (float("nan"),))
