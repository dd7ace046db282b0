"""Rectification, by a camera that looks at a known plane: image and points end up where a pinhole sees them."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.frame import FloatArray, ImageArray
from kbnet.sources.rectification import WIDEST_RAD, Camera, Rectification

NORMAL, DISTANCE = np.array([0.1, -0.15, 1.0]), 3.0
"""The plane: all X with NORMAL · X = DISTANCE, metres."""


def matrix(fx: float, fy: float, cx: float, cy: float) -> FloatArray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float32)


CAMERAS = {
    "barrel": Camera(matrix(90, 92, 63, 50), (96, 128), "radial-tangential", (-0.28, 0.07, 0.001, -0.002)),
    "pincushion": Camera(matrix(110, 110, 60, 45), (96, 128), "radial-tangential", (0.26, -0.95, -0.005, 0.003, 1.16)),
    "fisheye": Camera(matrix(70, 70, 64, 47), (96, 128), "fisheye", (0.01, -0.005, 0.002, -0.0008)),
    "portrait": Camera(matrix(80, 80, 35, 70), (141, 73), "fisheye", (0.03, -0.01)),
    "pinhole": Camera(matrix(90, 92, 63, 50), (96, 128)),
}


def plane_depth(rays: np.ndarray) -> np.ndarray:
    return DISTANCE / (rays @ NORMAL[:2] + NORMAL[2])


def plane_image(camera: Camera) -> ImageArray:
    """What a camera sees of smooth waves painted on the plane."""
    rows, columns = np.indices(camera.size, np.float64)
    rays = camera.to_rays(np.stack([columns, rows], axis=-1))
    on_plane = rays * plane_depth(rays)[..., None]
    waves = np.stack(
        [np.sin(3 * on_plane[..., 0]), np.cos(3 * on_plane[..., 1]), np.sin(2 * on_plane.sum(-1))], axis=-1
    )
    return np.rint(127.5 + 100 * waves).astype(np.uint8)


@pytest.mark.parametrize("name", CAMERAS)
def test_the_rectified_image_is_what_a_pinhole_sees(name: str) -> None:
    rectification = Rectification(CAMERAS[name])
    rectified = rectification.image(plane_image(CAMERAS[name])).astype(int)
    expected = plane_image(rectification.target)
    assert rectification.target.is_pinhole
    assert np.abs(rectified - expected).max() <= 4
    assert np.abs(rectified - expected).mean() < 0.7


@pytest.mark.parametrize("name", CAMERAS)
def test_points_move_to_where_the_pinhole_sees_them(name: str) -> None:
    camera = CAMERAS[name]
    generator = np.random.default_rng(0)
    rays = generator.uniform(-0.35, 0.35, (60, 2))
    points = np.c_[rays, np.ones(60)] * plane_depth(rays)[:, None]
    rectification = Rectification(camera)
    moved = rectification.points(camera.project(points), points[:, 2])
    columns, rows = np.rint(rectification.target.project(points)).astype(int).T
    expected = np.full(camera.size, np.inf)
    np.minimum.at(expected, (rows, columns), points[:, 2])
    np.testing.assert_allclose(moved, np.where(np.isfinite(expected), expected, 0), rtol=1e-6)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_rectified_pixel_is_seen_and_the_view_touches_the_border(name: str) -> None:
    camera, target = CAMERAS[name], Rectification(CAMERAS[name]).target
    rows, columns = np.indices(camera.size, np.float64)
    x, y = np.moveaxis(camera.to_pixels(target.to_rays(np.stack([columns, rows], axis=-1))), -1, 0)
    height, width = camera.size
    gaps = [x.min(), width - 1 - x.max(), y.min(), height - 1 - y.max()]
    assert min(gaps) > -1e-3
    assert min(gaps) < 0.5
    np.testing.assert_allclose(target.K[0, 0] / target.K[1, 1], camera.K[0, 0] / camera.K[1, 1], rtol=1e-5)


def test_dense_depth_is_looked_up_without_holes_or_mixed_values() -> None:
    camera = CAMERAS["pincushion"]
    depth = np.where(np.arange(128) < 64, 2, 5).astype(np.float32) * np.ones((96, 1), np.float32)
    assert np.unique(Rectification(camera).dense_depth(depth)).tolist() == [2, 5]


def test_a_camera_without_distortion_changes_nothing() -> None:
    for camera in (CAMERAS["pinhole"], Camera(matrix(90, 92, 63, 50), (96, 128), "radial-tangential", (0.0,) * 5)):
        rectification = Rectification(camera)
        image = plane_image(camera)
        assert rectification.image(image) is image
        np.testing.assert_array_equal(rectification.target.K, camera.K)


def test_a_wide_fisheye_is_cut_at_the_widest_view() -> None:
    camera = Camera(matrix(60, 60, 95.5, 63.5), (128, 192), "fisheye")
    target = Rectification(camera).target
    left, right = target.to_rays(np.array([[0, 64.0], [191, 64]]))[:, 0]
    np.testing.assert_allclose([-left, right], np.tan(WIDEST_RAD), rtol=0.2)
    assert np.isfinite(camera.to_pixels(target.to_rays(np.array([[0, 0.0], [191, 127]])))).all()


def test_points_behind_the_camera_or_beyond_the_lens_have_no_pixel() -> None:
    camera = Camera(matrix(90, 92, 63, 50), (96, 128), "radial-tangential", (-0.3,))
    pixels = camera.project(np.array([[0, 0, 2.0], [0, 0, -2], [9, 0, 1]]))
    assert np.isnan(pixels[:, 0]).tolist() == [False, True, True]
    np.testing.assert_allclose(pixels[0], [63, 50], atol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="image is 64x48 but the camera is calibrated for 128x96"):
        Rectification(CAMERAS["barrel"]).image(np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="name the lens model"):
        Camera(matrix(90, 92, 63, 50), (96, 128), coefficients=(0.1,))
    with pytest.raises(ValueError, match="expected a lens model among pinhole, radial-tangential, fisheye, got 'fov'"):
        Camera(matrix(90, 92, 63, 50), (96, 128), "fov")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="check that K and coefficients belong to this model and size"):
        Rectification(Camera(matrix(90, 92, 400, 50), (96, 128), "radial-tangential", (-0.3,)))


def test_a_rational_lens_may_list_prism_and_tilt_of_zero() -> None:
    lens = (0.1, -0.02, 0.001, 0.002, 0.003, 0.01, 0.02, 0.001)
    K = np.array([[60, 0, 39.5], [0, 60, 29.5], [0, 0, 1]], np.float32)
    assert Camera(K, (60, 80), "radial-tangential", (*lens, *(0.0,) * 6)).coefficients == lens
    with pytest.raises(ValueError, match="got 14 numbers"):
        Camera(K, (60, 80), "radial-tangential", (*lens, *(0.01,) * 6))
