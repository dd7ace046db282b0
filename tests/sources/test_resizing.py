"""Resizing and cropping, by projecting a known plane: K and points still tell the same world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import Frame
from kbnet.frames.window import crop_frame
from kbnet.points.sparse_points import map_to_points
from kbnet.sources.lidar_calibration import LidarCalibration
from kbnet.sources.lidar_scans import LidarFrames, open_lidar
from kbnet.sources.rectification import Camera
from kbnet.sources.resizing import fit_camera, limit_longer_side, resize_frame

NORMAL, DISTANCE = np.array([0.2, -0.3, 1.0]), 3.0


def plane_frame(size: tuple[int, int] = (96, 128), *, share: float = 0.05) -> Frame:
    """A frame of the plane NORMAL · X = DISTANCE with a few of its pixels measured, and all in the ground truth."""
    K = np.array([[100, 0.5, 61], [0, 105, 50], [0, 0, 1]], np.float32)
    rows, columns = np.indices(size)
    rays = np.stack([columns, rows, np.ones(size)], axis=-1) @ np.linalg.inv(K).T
    depth = (DISTANCE / (rays @ NORMAL)).astype(np.float32)
    generator = np.random.default_rng(0)
    image = np.stack([columns, rows, columns + rows], axis=-1).astype(np.uint8)
    return Frame(image, np.where(generator.random(size) < share, depth, 0).astype(np.float32), K, depth, "plane")


def distance_from_plane(frame: Frame) -> np.ndarray:
    """Of the backprojected sparse points, metres."""
    pixels, depth = map_to_points(frame.sparse_depth)
    points = np.c_[pixels, np.ones(len(pixels))] @ np.linalg.inv(frame.intrinsics.astype(float)).T * depth[:, None]
    return np.abs(points @ NORMAL - DISTANCE) / np.linalg.norm(NORMAL)


@pytest.mark.parametrize("size", [(48, 64), (192, 256), (33, 127), (97, 45), (96, 128)])
def test_points_stay_on_the_plane_after_resizing(size: tuple[int, int]) -> None:
    frame = plane_frame()
    resized = resize_frame(frame, size)
    assert resized.size == size
    # A point lies at most half a new pixel beside its place, where the plane is 0.5 px x slope nearer or farther.
    half_pixel = 0.5 * max(frame.size[0] / size[0], frame.size[1] / size[1])
    assert distance_from_plane(resized).max() < 0.02 * half_pixel + 1e-5


def test_no_depth_is_made_up_and_the_nearest_wins() -> None:
    frame = plane_frame(share=0.5)
    for size in ((40, 50), (192, 256)):
        resized = resize_frame(frame, size)
        assert set(np.unique(resized.sparse_depth)) <= set(np.unique(frame.sparse_depth))
    halved = resize_frame(frame, (48, 64)).sparse_depth
    blocks = np.where(frame.sparse_depth > 0, frame.sparse_depth, np.inf).reshape(48, 2, 64, 2).min(axis=(1, 3))
    np.testing.assert_array_equal(halved, np.where(np.isfinite(blocks), blocks, 0))


def test_enlarging_makes_no_new_points() -> None:
    frame = plane_frame()
    resized = resize_frame(frame, (192, 256))
    assert (resized.sparse_depth > 0).sum() == (frame.sparse_depth > 0).sum()


def test_the_image_and_intrinsics_move_alike() -> None:
    frame = plane_frame()
    resized = resize_frame(frame, (48, 64))
    # The colours are the columns and rows, so the pixel at which K sees a ray must be coloured as before.
    ray = np.linalg.solve(frame.intrinsics.astype(float), [20.5, 40.5, 1])
    x, y, _ = resized.intrinsics @ ray
    np.testing.assert_allclose([x, y], [10, 20], atol=1e-4)
    np.testing.assert_allclose(resized.image[20, 10, :2], [20.5, 40.5], atol=0.51)


def test_the_longer_side_is_limited_and_small_frames_stay() -> None:
    frame = plane_frame((128, 96))
    assert limit_longer_side(frame, 64).size == (64, 48)
    assert limit_longer_side(frame, 500) is frame


def test_points_stay_on_the_plane_after_cropping() -> None:
    frame = plane_frame()
    cropped = crop_frame(frame, 11, 23, 40, 70)
    assert cropped.size == (40, 70)
    assert distance_from_plane(cropped).max() < 1e-5
    np.testing.assert_array_equal(cropped.image[0, 0], frame.image[11, 23])


@pytest.mark.parametrize("window", [(-1, 0, 40, 40), (0, 100, 40, 40), (60, 0, 40, 40)])
def test_a_window_outside_is_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected a window inside 128x96 pixels"):
        crop_frame(plane_frame(), *window)


K = np.array([[721.5, 0, 609.6], [0, 721.5, 172.9], [0, 0, 1]], np.float32)


@pytest.mark.parametrize("size", [(512, 1392), (352, 1216), (370, 1226), (374, 1238), (375, 621)])
def test_what_is_no_plain_resizing_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"is for 1242x375 pixels .* images have {size[1]}x{size[0]}, .* cropped"):
        fit_camera(Camera(K, (375, 1242)), size, "K")


def test_k_of_resized_images_shows_the_same_rays() -> None:
    camera = Camera(K, (375, 1242), "radial-tangential", (-0.1, 0.0, 0.0, 0.0))
    with pytest.warns(UserWarning, match=r"images have 621x188: K is scaled by 0\.5"):
        small = fit_camera(camera, (188, 621), "K")
    corner, large = np.array([[-0.5, -0.5], [620.5, -0.5]]), np.array([[-0.5, -0.5], [1241.5, -0.5]])
    np.testing.assert_allclose(small.to_rays(corner), camera.to_rays(large), atol=1e-3)
    assert small.coefficients == camera.coefficients


@pytest.mark.parametrize(("size", "what"), [((512, 1392), "raw ones"), ((352, 1216), "depth benchmark")])
def test_a_calibration_of_kitti_without_a_size_knows_which_images_it_is_not_of(
    size: tuple[int, int], what: str, tmp_path: Path
) -> None:
    Image.new("RGB", size[::-1]).save(tmp_path / "0.png")
    np.ones((20, 4), "<f4").tofile(tmp_path / "0.bin")
    calibration = LidarCalibration(K, of_kitti=True)
    listing = open_lidar(tmp_path / "0.png", tmp_path / "0.bin", calibration)
    with pytest.raises(ValueError, match=rf"has {size[1]}x{size[0]} pixels .* not for .*{what}"):
        _ = LidarFrames(listing, calibration, tmp_path).camera
