"""A calibration of another size: scaled if the image was resized, refused if it may have been cropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.sources.lidar_calibration import LidarCalibration
from kbnet.sources.lidar_scans import LidarFrames, open_lidar
from kbnet.sources.rectification import Camera
from kbnet.sources.resizing import fit_camera

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
