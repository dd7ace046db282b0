"""The check without ground truth: hand arithmetic, that nobody sees what is held out, and which frames look worst."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import kbnet
from kbnet.evaluation.held_out_points import CheckedFrame, check
from kbnet.evaluation.methods import Method, baseline_methods
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

K = np.array([[50, 0, 24], [0, 50, 20], [0, 0, 1]], np.float32)


class Frames(list[Frame]):
    """Frames in memory as a source."""

    folder = Path("frames")

    def frame(self, index: int) -> Frame:
        return self[index]


@pytest.mark.parametrize(
    ("pixels", "count", "found"),
    [(0, 10, None), (3, 10, "image moved left"), (-3, 10, "image moved right"), (3, 4, None)],
)
def test_check_finds_an_image_that_was_moved(pixels: int, count: int, found: str | None) -> None:
    config = SyntheticConfig(frames=count, width=320, height=240, points=300)
    frames = Frames(replace(one, image=np.roll(one.image, pixels, axis=1)) for one, *_ in synthetic_frames(config))
    checked = kbnet.check(cast(FrameSource, frames), kbnet.load("indoor-small", engine="torch"), moved_images=True)
    better = checked.better_image()
    assert (better and better[0]) == found
    assert better is None or better[1] > 2


@dataclass
class Room:
    """Frames with points at every other pixel, of one depth a frame; a depth of 0 is a frame without points."""

    depths: tuple[float, ...]
    false: dict[int, float] = field(default_factory=dict)
    folder: Path = Path("room")

    def __len__(self) -> int:
        return len(self.depths)

    def frame(self, index: int) -> Frame:
        points = np.zeros((40, 48), np.float32)
        points[::2, ::2] = self.depths[index]
        if index in self.false:
            points[::10] *= self.false[index]
        return Frame(np.zeros((40, 48, 3), np.uint8), points, K, name=f"{index:04}")


def _source(*depths: float, **options: Any) -> FrameSource:
    return cast(FrameSource, Room(depths, **options))


def _constant(depth: float, name: str = "kbnet") -> Method:
    return Method(name, lambda frame: np.full(frame.size, depth, np.float32))


def _expect(frame: Frame, depth: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    return np.full_like(depth, 0.1), np.ones(frame.size, np.bool_)


def test_check_by_patches_holds_out_neighbours_together() -> None:
    kept: dict[str, float] = {}
    for by in ("points", "patches"):

        def predict(frame: Frame, by: str = by) -> FloatArray:
            assert frame.ground_truth is not None
            seen, unseen = ((depth > 0)[::2, ::2] for depth in (frame.sparse_depth, frame.ground_truth))
            kept[by] = float((seen[:, 1:] & unseen[:, :-1]).sum() / unseen.sum())
            return np.full(frame.size, 2.0, np.float32)

        check(_source(2.0), [Method("kbnet", predict)], _expect, by=cast(Any, by))
    assert kept["patches"] < 0.5 * kept["points"]


def test_check_judges_only_at_points_that_were_taken_away() -> None:
    seen: list[int] = []

    def predict(frame: Frame) -> FloatArray:
        seen.append(np.count_nonzero(frame.sparse_depth))
        assert frame.ground_truth is not None
        assert not (frame.sparse_depth * frame.ground_truth).any()
        return np.full(frame.size, 2.0, np.float32)

    found = check(_source(2.0, 2.5), [Method("kbnet", predict)], _expect, share=0.25)
    assert [frame.seen for frame in found.frames] == seen
    assert [frame.seen + frame.points.true.size for frame in found.frames] == [480, 480]
    assert [frame.errors["kbnet"].mae_mm for frame in found.frames] == pytest.approx([0, 500])
    points = [frame.points.true.size for frame in found.frames]
    assert found.overall()["kbnet"].mae_mm == pytest.approx(500 * points[1] / sum(points))


def test_check_puts_the_interpolations_beside() -> None:
    found = check(_source(2.0, 3.0), [_constant(2.0), *baseline_methods()], _expect)
    overall = found.overall()
    assert list(overall) == ["kbnet", "nearest", "linear"]
    assert overall["linear"].mae_mm == pytest.approx(0, abs=1e-3)
    assert overall["kbnet"].mae_mm > 400


def test_check_bands_hold_the_points_of_their_distance() -> None:
    found = check(_source(1.0, 1.5, 4.0, 120.0), [_constant(1.5)], _expect)
    bands = {(band.low, band.high): band.errors["kbnet"] for band in found.bands()}
    assert list(bands) == [(0.5, 1.0), (1.0, 2.0), (3.0, 5.0), (100.0, np.inf)], "a band holds its far end"
    assert [errors.mae_mm for errors in bands.values()] == pytest.approx([500, 0, 2500, 118500])
    assert sum(errors.points for errors in bands.values()) == found.overall()["kbnet"].points


def test_check_finds_the_frames_that_look_worst_by_share_of_points() -> None:
    far_off_in_few_points = {0: 20.0}
    found = check(_source(2.0, 2.3, 2.0, 3.0, false=far_off_in_few_points), [_constant(2.0)], _expect)
    assert [frame.name for frame in found.worst("kbnet", 3)] == ["0003", "0001", "0000"]
    assert found.frames[0].errors["kbnet"].mae_mm > found.frames[3].errors["kbnet"].mae_mm
    assert found.worst("kbnet", 0) == []


def test_check_counts_frames_with_too_few_points() -> None:
    seen = []
    found = check(_source(2.0, 0.0, 2.0), [_constant(2.0)], _expect, on_frame=lambda: seen.append(1))
    assert [frame.name for frame in found.frames] == ["0000", "0002"]
    assert found.unchecked == 1
    assert len(seen) == 3


def test_check_takes_every_nth_frame_and_holds_out_the_same_points() -> None:
    every, all_frames = (check(_source(*[2.0] * 5), [_constant(2.0)], _expect, every=n) for n in (2, 1))
    assert [frame.name for frame in every.frames] == ["0000", "0002", "0004"]
    assert [frame.seen for frame in every.frames] == [frame.seen for frame in all_frames.frames[::2]]


def test_check_scales_the_expected_error_of_all_pixels_by_what_is_found_at_believed_points() -> None:
    def expect(frame: Frame, depth: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        assert frame.ground_truth is not None
        expected = np.where(frame.ground_truth > 0, np.float32(0.1), np.float32(0.4))
        return expected, frame.ground_truth < 10

    found = check(_source(2.0, 2.0, false={1: 20.0}), [_constant(2.2)], expect)
    share = np.mean([frame.points.true.size for frame in found.frames]) / (40 * 48)
    assert found.all_pixels_mm() == pytest.approx(2 * 1000 * (0.1 * share + 0.4 * (1 - share)), rel=1e-3)


@pytest.mark.parametrize(
    ("depths", "options", "message"),
    [
        ((0.0, 0.0), {}, "got none among 2 of room"),
        ((2.0,), {"every": 0}, "at least 1"),
        ((2.0,), {"share": 1}, "0 and"),
    ],
)
def test_check_refuses_what_cannot_be_checked(depths: tuple[float, ...], options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(_source(*depths), [_constant(2.0)], _expect, **options)


def test_checked_frame_keeps_points_alone() -> None:
    found = check(_source(2.0), [_constant(2.0)], _expect)
    frame: CheckedFrame = found.frames[0]
    assert frame.points.true.ndim == 1
    assert frame.points.depths["kbnet"].shape == frame.points.true.shape


def test_check_says_how_near_to_others_held_out_points_are() -> None:
    """On scan lines ten rows apart a held-out point has a neighbour beside it; half of the pixels are 3 rows away."""

    class Lidar(Room):
        def frame(self, index: int) -> Frame:
            points = np.zeros((40, 48), np.float32)
            points[5::10] = self.depths[index]
            return Frame(np.zeros((40, 48, 3), np.uint8), points, K, name=f"{index:04}")

    lidar = cast(FrameSource, Lidar((2.0, 3.0)))
    at_points, at_pixels = check(lidar, [_constant(2.0)], _expect).distance_px()
    assert at_points == 1
    assert 2 < at_pixels < 4
    at_points, at_pixels = check(_source(2.0), [_constant(2.0)], _expect).distance_px()
    assert at_points == 2
    assert at_pixels == 1
