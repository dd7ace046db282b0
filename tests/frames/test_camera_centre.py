"""K that was left as it was when the images were resized is recognised by its centre."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from kbnet.frame import Frame
from kbnet.frames.camera_centre import warn_of_far_centre
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence

K = np.array([[60, 0, 39.5], [0, 60, 29.5], [0, 0, 1]], np.float32)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_k_of_images_half_or_twice_as_large_is_warned_of(factor: float) -> None:
    with pytest.warns(UserWarning, match=r"far from the middle of 80x60 pixels .* Scale K with the images"):
        warn_of_far_centre(factor * K, (60, 80))


def test_k_of_images_that_were_turned_is_warned_of() -> None:
    """Its centre is not far from the middle of the upright ones: that of 4:3 is a sixth away."""
    with pytest.warns(UserWarning, match=r"far from the middle of 60x80 pixels .* if they were turned"):
        warn_of_far_centre(K, (80, 60))


@pytest.mark.parametrize("unit", [1 / 80, 1 / 20])
def test_focal_lengths_in_shares_of_the_image_or_millimetres_are_warned_of(unit: float) -> None:
    with pytest.warns(UserWarning, match=r"has fx .* as of no lens: write fx, fy, cx and cy in pixels"):
        warn_of_far_centre(K * [[unit], [unit], [1]], (60, 80))


def test_a_centre_that_a_real_camera_may_have_is_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_far_centre(K + np.array([[0, 0, 10], [0, 0, -8], [0, 0, 0]]), (60, 80))


def test_a_sequence_names_the_file(tmp_path: Path) -> None:
    with new_sequence(tmp_path / "room", K) as sequence:
        sequence.add(Frame(np.zeros((60, 80, 3), np.uint8), np.ones((60, 80), np.float32), K, name="0"))
    np.savetxt(tmp_path / "room" / "K.txt", np.diag([2, 2, 1]) @ K)
    with pytest.warns(UserWarning, match=r"room/K\.txt has its centre at \(79, 59\)"):
        Sequence(tmp_path / "room").frame(0)
