"""Cut-outs: nearer than what they hide, seen in the image where they are in depth, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from kbnet.frame import FloatArray, ImageArray
from kbnet.training.cut_and_paste import cut_and_paste

HEIGHT, WIDTH = 48, 64


@pytest.fixture(name="frame")
def frame_fixture() -> tuple[ImageArray, FloatArray]:
    """A slope from 1 to 4 m, unmeasured in a band."""
    generator = np.random.default_rng(5)
    depth = np.tile(np.linspace(1, 4, WIDTH, dtype=np.float32), (HEIGHT, 1))
    depth[20:24] = 0
    return generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), depth


def paste(frame: tuple[ImageArray, FloatArray], seed: int) -> tuple[ImageArray, FloatArray]:
    texture = np.random.default_rng(9).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return cut_and_paste(*frame, texture, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(12))
def test_cut_outs_are_nearer_than_what_they_hide(frame: tuple[ImageArray, FloatArray], seed: int) -> None:
    image, depth = frame[0].copy(), frame[1].copy()
    pasted_image, pasted = paste(frame, seed)
    measured = depth > 0
    assert (pasted[measured] <= depth[measured]).all()
    assert (pasted[measured] > 0.1 * depth[measured].min()).all()
    assert (pasted_image.dtype, pasted.dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(frame[0], image)
    np.testing.assert_array_equal(frame[1], depth)


def test_most_frames_get_cut_outs_with_steps_in_depth(frame: tuple[ImageArray, FloatArray]) -> None:
    changed = [(paste(frame, seed)[1] != frame[1]).mean() for seed in range(12)]
    assert sum(share > 0.02 for share in changed) >= 9
    assert max(changed) < 1


def test_the_same_seed_pastes_the_same_and_another_does_not(frame: tuple[ImageArray, FloatArray]) -> None:
    first, second, other = paste(frame, 3), paste(frame, 3), paste(frame, 4)
    for one, same in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first[1], other[1])


def test_a_frame_without_depth_stays_as_it_is(frame: tuple[ImageArray, FloatArray]) -> None:
    nothing = np.zeros((HEIGHT, WIDTH), np.float32)
    image, depth = paste((frame[0], nothing), 0)
    np.testing.assert_array_equal(image, frame[0])
    assert not depth.any()
