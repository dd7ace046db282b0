"""Calibration as ROS publishes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kbnet.sources.ros_camera import camera_from_infos, remember_info

K = np.array([50.0, 0, 32, 0, 50, 24, 0, 0, 1])
P = np.array([40.0, 0, 31, 0, 0, 40, 23, 0, 0, 0, 1, 0])
BROWN = np.array([-0.2, 0.1, 0.0, 0.0, 0.0])


def info(d: np.ndarray = BROWN, model: str = "plumb_bob", **changes: Any) -> SimpleNamespace:
    roi, stamp = SimpleNamespace(width=0), SimpleNamespace(sec=0, nanosec=0)
    header = SimpleNamespace(frame_id="left", stamp=stamp)
    values = dict(
        height=48, width=64, distortion_model=model, k=K, d=d, p=P, binning_x=0, binning_y=0, roi=roi, header=header
    )
    return SimpleNamespace(**{**values, **changes})


def test_calibration_of_raw_images_is_k_and_the_lens() -> None:
    camera = camera_from_infos([info()], "/info", "/camera/image_raw/compressed")
    np.testing.assert_array_equal(camera.K, K.reshape(3, 3))
    assert (camera.size, camera.model, camera.coefficients) == ((48, 64), "radial-tangential", tuple(BROWN))
    assert camera_from_infos([info(BROWN[:4], "equidistant")], "/info", "/image_raw").model == "fisheye"
    assert camera_from_infos([info(np.zeros(5), "thin_prism")], "/info", "/image_raw").is_pinhole


def test_calibration_of_rectified_images_is_p() -> None:
    camera = camera_from_infos([info()], "/info", "/camera/image_rect_color/compressed")
    np.testing.assert_array_equal(camera.K, P.reshape(3, 4)[:, :3])
    assert camera.is_pinhole


def test_the_right_camera_of_a_stereo_pair_is_refused() -> None:
    """Its points would be off by the baseline: 12 cm to the left."""
    right = np.where(np.arange(12) == 3, -40 * 0.12, P)
    with pytest.raises(ValueError, match=r"an offset of -0\.120 m, as of the right camera"):
        camera_from_infos([info(p=right)], "/info", "/right/image_rect")
    with pytest.warns(UserWarning, match=r"frame 'left' is taken for its own, not that of the left one"):
        assert not camera_from_infos([info(p=right)], "/info", "/right/image_raw").is_pinhole


@pytest.mark.parametrize("name", ["image_color_corrected", "direct/image_raw"])
def test_corrected_and_direct_images_are_not_rectified(name: str) -> None:
    camera = camera_from_infos([info()], "/info", f"/camera/{name}")
    assert not camera.is_pinhole
    assert camera.K[0, 0] == info().k[0]


@pytest.mark.parametrize(("name", "p"), [("image_rect", 0 * P), ("image_undistorted", P), ("left_rect/image", P)])
def test_images_without_distortion_need_k_of_their_own(name: str, p: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"/image\w* seems to have no distortion, but /info has one, .*--intrinsics"):
        camera_from_infos([info(p=p)], "/info", f"/camera/{name}")
    assert camera_from_infos([info(np.zeros(5), p=p)], "/info", f"/camera/{name}").is_pinhole


def test_calibration_of_ros_1_has_capitals() -> None:
    message = info()
    message.K, message.D, message.P = message.k, message.d, message.p
    del message.k, message.d, message.p
    assert camera_from_infos([message], "/info", "/image_raw").coefficients == tuple(BROWN)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "got none"),
        ([info(k=np.zeros(9))], r"no calibration \(K is 0\)"),
        ([info(binning_x=2)], "got binning"),
        ([info(model="thin_prism")], "got 'thin_prism'"),
        ([info(), info(k=K * 1.5)], r"changes from 50\.0 .* at 0\.000 s"),
    ],
)
def test_calibrations_that_are_none_are_refused(messages: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        camera_from_infos(messages, "/info", "/image_raw")


def test_of_thousands_of_calibrations_only_those_that_say_something_new_are_kept() -> None:
    kept: list[Any] = []
    for message in [info(), info(), info(k=K * 1.5), info(k=K * 1.5), info(width=32), info(d=BROWN * 2)]:
        remember_info(kept, message)
    assert len(kept) == 4
