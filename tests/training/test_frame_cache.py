"""Frames kept in memory: read once, reduced, exact to the step of a depth PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.frame import Frame
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence
from kbnet.network.working_size import reduced_frame
from kbnet.training.dataset import FrameCache

K = np.array([[60, 0, 43.5], [0, 60, 35.5], [0, 0, 1]], np.float32)


class Counting:
    """A source of two frames that counts how often each is read."""

    def __init__(self) -> None:
        self.read = [0, 0]

    def __len__(self) -> int:
        return 2

    def frame(self, index: int) -> Frame:
        self.read[index] += 1
        generator = np.random.default_rng(index)
        depth = generator.uniform(0.5, 9, (72, 88)).astype(np.float32)
        points = np.where(generator.random(depth.shape) < 0.1, depth, np.float32(0))
        image = generator.integers(0, 256, (72, 88, 3), dtype=np.uint8)
        return Frame(image, points, K, depth if index else None, f"{index:04}")


def test_every_frame_is_read_once() -> None:
    source = Counting()
    cache = FrameCache(source, longer_side=0, factor=2)  # type: ignore[arg-type]
    assert len(cache) == 2
    for index in (0, 1, 1, 0, 1):
        assert cache.frame(index).name == f"{index:04}"
    assert source.read == [1, 1]


@pytest.mark.parametrize("index", [0, 1])
def test_cached_frames_are_the_reduced_ones_to_1_256_of_a_metre(index: int) -> None:
    cached = FrameCache(Counting(), longer_side=0, factor=2).frame(index)  # type: ignore[arg-type]
    expected = reduced_frame(Counting().frame(index), 2)
    np.testing.assert_array_equal(cached.image, expected.image)
    np.testing.assert_array_equal(cached.intrinsics, expected.intrinsics)
    np.testing.assert_allclose(cached.sparse_depth, expected.sparse_depth, rtol=0, atol=0.5 / 256 + 1e-6)
    assert ((cached.sparse_depth > 0) == (expected.sparse_depth > 0)).all()
    if expected.ground_truth is None:
        assert cached.ground_truth is None
    else:
        assert cached.ground_truth is not None
        np.testing.assert_allclose(cached.ground_truth, expected.ground_truth, rtol=0, atol=0.5 / 256 + 1e-6)


def test_depth_from_a_file_is_kept_exactly(tmp_path: Path) -> None:
    with new_sequence(tmp_path / "room", K) as writer:
        writer.add(Counting().frame(1), np.eye(4))
    source = Sequence(tmp_path / "room")
    cached = FrameCache(source, longer_side=0, factor=1).frame(0)
    np.testing.assert_array_equal(cached.sparse_depth, source.frame(0).sparse_depth)


@pytest.mark.parametrize(("longer_side", "size"), [(44, (36, 44)), (50, (36, 44)), (88, (72, 88)), (200, (72, 88))])
def test_frames_are_reduced_by_the_whole_number_nearest_to_the_wanted_side(
    longer_side: int, size: tuple[int, int]
) -> None:
    cache = FrameCache(Counting(), longer_side=longer_side, factor=1)  # type: ignore[arg-type]
    assert cache.frame(0).size == size
