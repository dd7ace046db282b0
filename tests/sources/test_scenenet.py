"""SceneNet RGB-D: distance along the ray to depth along z, the published frames and points, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures_rendered_sets import FLOOR_M, WALL_M
from PIL import Image

import kbnet


def test_frames_of_all_trajectories_without_the_ends_and_the_named_one(scenenet: Path) -> None:
    source = kbnet.open_frames(scenenet, pattern="uniform")
    names = ("0_77_2100", "0_77_2150", "0_78_25", "0_78_50", "0_78_75")
    assert source.names == names
    assert kbnet.open_frames(scenenet / "0", pattern="uniform").names == names
    assert kbnet.open_frames(scenenet / "0" / "78", pattern="uniform").names == names[2:]
    elsewhere = scenenet.with_name("val")
    scenenet.rename(elsewhere)
    assert kbnet.open_frames(elsewhere / "0" / "77", pattern="uniform").names == ("0_77_2100", "0_77_2125", "0_77_2150")


def test_depth_is_along_z_in_metres(scenenet: Path) -> None:
    frame = kbnet.open_frames(scenenet).frame(0)
    assert frame.ground_truth is not None
    assert not frame.ground_truth[:20, :20].any()
    np.testing.assert_allclose(frame.ground_truth[20:, :160], WALL_M, atol=1e-3)
    np.testing.assert_allclose(frame.ground_truth[:, 160:], FLOOR_M, atol=1e-3)
    np.testing.assert_allclose(frame.intrinsics, [[277.128, 0, 159.5], [0, 289.706, 119.5], [0, 0, 1]], rtol=1e-6)


def test_sparse_points_are_true_depth_at_about_384_pixels(scenenet: Path) -> None:
    frame = kbnet.open_frames(scenenet).frame(0)
    measured = frame.sparse_depth > 0
    assert 300 <= measured.sum() <= 384
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(frame.sparse_depth[measured], frame.ground_truth[measured])
    uniform = kbnet.open_frames(scenenet, points=100, pattern="uniform").frame(0)
    assert (uniform.sparse_depth > 0).sum() == 100


def test_depth_of_another_size_is_refused(scenenet: Path) -> None:
    Image.fromarray(np.ones((120, 160), np.uint16)).save(scenenet / "0" / "77" / "depth" / "2100.png")
    with pytest.raises(ValueError, match="expected depth of 320x240 pixels, got 160x120"):
        kbnet.open_frames(scenenet).frame(0)
