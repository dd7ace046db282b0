"""The motorcycle scene: its depth follows from its disparity, its points are true."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from kbnet.datasets.motorcycle import BASELINE, FOCAL_LENGTH_PX, depth_from_disparity, load_motorcycle

pytest.importorskip("skimage")


def test_depth_from_disparity_by_hand() -> None:
    disparity = np.array([[68.914, 168.914, np.inf, np.nan]], np.float32)
    # 994.978 * 0.193001 = 192.03175 px m, over 100 and 200 px
    np.testing.assert_allclose(depth_from_disparity(disparity), [[1.9203175, 0.96015875, 0, 0]], rtol=1e-6)


def test_motorcycle_is_a_frame_with_truth_from_2_to_5_metres() -> None:
    frame = load_motorcycle()
    assert frame.size == (500, 741)
    assert frame.name == "motorcycle"
    np.testing.assert_allclose(frame.intrinsics[0], [994.978, 0, 311.193])
    np.testing.assert_allclose(frame.intrinsics[1], [0, 994.978, 254.877])
    assert frame.ground_truth is not None
    known = frame.ground_truth[frame.ground_truth > 0]
    assert 0.9 < known.size / frame.ground_truth.size < 0.95
    assert known.min() > 2
    assert known.max() < 5.1


def test_motorcycle_points_are_true_and_seeded() -> None:
    frame = load_motorcycle(200)
    assert frame.ground_truth is not None
    measured = frame.sparse_depth > 0
    assert measured.sum() == 200
    np.testing.assert_array_equal(frame.sparse_depth[measured], frame.ground_truth[measured])
    noisy, again = (load_motorcycle(200, range_noise=0.01, seed=3).sparse_depth for _ in range(2))
    np.testing.assert_array_equal(noisy, again)
    assert (noisy != frame.sparse_depth).any()


def test_motorcycle_depth_leads_to_the_same_colours_in_the_right_image() -> None:
    """The points of the left image, moved by the baseline and projected with the right principal point."""
    from skimage.data import stereo_motorcycle

    right_image = stereo_motorcycle()[1]
    frame = load_motorcycle()
    assert frame.ground_truth is not None
    rows, columns = np.nonzero(frame.ground_truth)
    z = frame.ground_truth[rows, columns]
    x = (columns - 311.193) / FOCAL_LENGTH_PX * z - BASELINE
    u = np.rint(FOCAL_LENGTH_PX * x / z + 311.193 + 31.086).astype(int)
    inside = (u >= 0) & (u < 741)
    left = frame.image[rows, columns][inside].astype(float)
    matched = np.abs(left - right_image[rows[inside], u[inside]]).mean()
    mirrored = np.abs(left - right_image[rows[inside], columns[inside]]).mean()
    assert matched < 10
    assert matched < mirrored / 3


def test_missing_scikit_image_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kbnet\[demo\]'"):
        load_motorcycle()
