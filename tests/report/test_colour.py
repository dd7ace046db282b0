"""Depth to colour."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.report.colour import COLOUR_MAP, colourise


def test_colourise_agrees_with_matplotlib() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    depth = np.linspace(1, 5, 256)[None]
    expected = 255 * matplotlib.colormaps[COLOUR_MAP](np.arange(256))[None, :, :3]
    assert np.abs(colourise(depth, 1.0, 5.0) - expected).max() <= 3


def test_colourise_leaves_unmeasured_pixels_black() -> None:
    depth = np.array([[0.0, np.nan, -1.0, np.inf, 2.0]], dtype=np.float32)
    assert colourise(depth, 1.0, 3.0).any(axis=-1).tolist() == [[False, False, False, False, True]]


def test_colourise_clips_at_its_limits() -> None:
    coloured = colourise(np.array([[0.5, 1.0, 3.0, 9.0]]), 1.0, 3.0)
    assert coloured.dtype == np.uint8
    np.testing.assert_array_equal(coloured[:, 0], coloured[:, 1])
    np.testing.assert_array_equal(coloured[:, 2], coloured[:, 3])


def test_colourise_is_brighter_the_nearer() -> None:
    brightness = colourise(np.linspace(1, 3, 50)[None], 1.0, 3.0)[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) < 0).all()


def test_colourise_refuses_limits_out_of_order() -> None:
    with pytest.raises(ValueError, match="got 3 and 3"):
        colourise(np.ones((2, 2)), 3.0, 3.0)
