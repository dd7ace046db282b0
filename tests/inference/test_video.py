"""Completion of a video with the past: gain over single frames, moving objects, jumps, memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import kbnet
from kbnet.errors import KBNetError
from kbnet.frame import FloatArray, Frame, Prior
from kbnet.inference.completer import DepthCompleter
from kbnet.inference.video import MOST_POINTS, PAST_FRAMES, VideoCompleter
from kbnet.network.config import KBNetConfig
from kbnet.network.kbnet import KBNet
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames


@pytest.fixture(scope="module")
def completer() -> DepthCompleter:
    return kbnet.load("indoor", engine="torch")


@pytest.fixture(scope="module")
def walk() -> list[Frame]:
    """Eight frames of a camera that walks through a room, 120 points each."""
    config = SyntheticConfig(frames=8, width=160, height=128, points=120)
    return [replace(frame, T_world_camera=pose) for frame, pose, _ in synthetic_frames(config)]


def errors(depths: Iterator[FloatArray] | list[FloatArray], frames: list[Frame]) -> list[float]:
    found = []
    for depth, frame in zip(depths, frames, strict=True):
        assert frame.ground_truth is not None
        assert np.isfinite(depth).all()
        assert (depth > 0).all()
        measured = frame.ground_truth > 0
        found.append(float(np.abs(depth - frame.ground_truth)[measured].mean()))
    return found


def test_the_past_reduces_the_error(completer: DepthCompleter, walk: list[Frame]) -> None:
    alone = errors(map(completer, walk), walk)
    video = VideoCompleter(completer)
    with_past = errors(map(video, walk), walk)
    assert with_past[0] == alone[0], "the first frame has no past"
    assert np.mean(with_past[4:]) < 0.95 * np.mean(alone[4:])
    video.reset()
    np.testing.assert_array_equal(video(walk[0]), completer(walk[0]))


@pytest.mark.parametrize("metres", [(0.0, 0.0, -1.5), (0.7, 0.2, 0.0), (0.5, 0.0, 0.5)])
def test_a_jump_of_the_poses_is_told_once_and_costs_nothing(
    metres: tuple[float, float, float], completer: DepthCompleter, walk: list[Frame]
) -> None:
    away = np.eye(4)
    away[:3, 3] = metres  # as if the tracker had lost its place
    jumped = [*walk[:4], *(replace(frame, T_world_camera=away @ frame.T_world_camera) for frame in walk[4:])]
    video = VideoCompleter(completer)
    for frame in jumped[:4]:
        video(frame)
    with pytest.warns(UserWarning, match=f"at frame '{jumped[4].name}', points of earlier frames do not fit"):
        depth = video(jumped[4])
    np.testing.assert_array_equal(depth, completer(jumped[4]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        video(jumped[5])


def test_an_object_that_went_away_is_forgotten(completer: DepthCompleter, walk: list[Frame]) -> None:
    still = walk[0]
    boxed = replace(still, sparse_depth=still.sparse_depth.copy())
    boxed.sparse_depth[40:90:6, 50:110:6] = 0.4  # points on a box close to the camera
    left = []
    for first in (still, boxed):
        video = VideoCompleter(completer)
        video(first)
        left.append(errors(map(video, [still] * 2), [still] * 2))
    assert np.mean(left[1]) < 1.05 * np.mean(left[0])


@pytest.mark.parametrize(("expected_error", "kept"), [(0.05, False), (1.0, True)])
def test_points_behind_an_object_that_came_into_view_are_dropped(
    expected_error: float, kept: bool, completer: DepthCompleter, walk: list[Frame]
) -> None:
    wall, box, (height, width) = 3.8, (slice(30, 90), slice(40, 110)), walk[0].size
    points = np.zeros((height, width), np.float32)
    points[4::8, 4::8] = wall
    around = points.copy()
    around[box] = 0
    away = np.diag([-1.0, 1, -1, 1])  # the frame before looks backwards, so it does not show what comes next
    given: list[Frame] = []

    class Seen:
        """A completer that shows a box at 2.5 m in front of the wall, in the last frame."""

        config = completer.config

        def __call__(self, frame: Frame, *, return_error: bool = False) -> object:
            given.append(frame)
            depth = np.full(frame.size, wall, np.float32)
            if frame.name == "last":
                depth[box] = 2.5
            return (depth, np.full(frame.size, expected_error, np.float32)) if return_error else depth

    video = VideoCompleter(Seen())  # type: ignore[arg-type]
    for name, sparse_depth, pose in (("first", points, np.eye(4)), ("next", points, away), ("last", around, np.eye(4))):
        video(Frame(walk[0].image, sparse_depth, walk[0].intrinsics, name=name, T_world_camera=pose))
    assert [frame.name for frame in given] == ["first", "next", "last", "last"], "the last frame is completed twice"
    assert (given[-1].sparse_depth[box] > 0).any() == kept


def test_memory_is_bounded(completer: DepthCompleter, walk: list[Frame]) -> None:
    video = VideoCompleter(completer, past_frames=3)
    sizes = []
    for index in range(12):
        video(walk[index % len(walk)])
        sizes.append(len(video._map.positions))
    most = max(int(np.count_nonzero(frame.sparse_depth)) for frame in walk)
    assert max(sizes) <= 3 * most
    for frame in walk[:3]:  # as a depth camera measures
        video(replace(frame, sparse_depth=frame.ground_truth))
    assert len(video._map.positions) <= 3 * MOST_POINTS


def test_size_and_camera_can_change(completer: DepthCompleter, walk: list[Frame]) -> None:
    halved = []
    for frame in walk[4:6]:
        K = frame.intrinsics.copy()
        K[:2] /= 2
        points = np.zeros((64, 80), np.float32)
        rows, columns = np.nonzero(frame.sparse_depth)
        points[rows // 2, columns // 2] = frame.sparse_depth[rows, columns]
        halved.append(Frame(frame.image[::2, ::2], points, K, T_world_camera=frame.T_world_camera))
    video = VideoCompleter(completer)
    for frame in [*walk[:3], *halved, walk[6]]:
        depth = video(frame)
        assert depth.shape == frame.size
        assert np.isfinite(depth).all()


def test_frames_without_points_get_depth_from_the_past(completer: DepthCompleter, walk: list[Frame]) -> None:
    blind = replace(walk[3], sparse_depth=np.zeros_like(walk[3].sparse_depth))
    video = VideoCompleter(completer)
    for frame in walk[:3]:
        video(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (past,), (alone,) = errors([video(blind)], [blind]), errors([completer(walk[3])], [blind])
    assert past < 3 * alone


def test_error_and_prior_of_a_frame_go_through(completer: DepthCompleter, walk: list[Frame]) -> None:
    video = VideoCompleter(completer)
    video(walk[0])
    depth, expected = video(walk[1], return_error=True)
    assert depth.shape == expected.shape == walk[1].size
    truth = walk[2].ground_truth
    assert truth is not None
    (informed,) = errors([video(replace(walk[2], prior=Prior(truth, "metric")))], [walk[2]])
    assert informed < errors([completer(walk[2])], [walk[2]])[0]


def test_what_cannot_use_the_past_is_refused(completer: DepthCompleter, walk: list[Frame]) -> None:
    with pytest.raises(KBNetError, match="expected a frame with T_world_camera to use the past"):
        VideoCompleter(completer)(replace(walk[0], T_world_camera=None))
    with pytest.raises(KBNetError, match="at least 1 past frame, got 0"):
        VideoCompleter(completer, past_frames=0)
    with pytest.raises(KBNetError, match="expected weights with a dense scaffold to use the past"):
        VideoCompleter(DepthCompleter(KBNet(KBNetConfig())))
    assert PAST_FRAMES > 1


def test_a_prior_needs_a_scaffold_and_the_size_of_the_image(walk: list[Frame]) -> None:
    frame, plain = walk[0], DepthCompleter(KBNet(KBNetConfig()))
    prior = Prior(np.ones(frame.size, np.float32))
    with pytest.raises(KBNetError, match="expected weights with a dense scaffold for a prior"):
        plain(frame.image, frame.sparse_depth, frame.intrinsics, prior=prior)
    with pytest.raises(KBNetError, match=r"expected a prior as kbnet\.Prior\(values, kind\), got float32 array"):
        plain(frame.image, frame.sparse_depth, frame.intrinsics, prior=prior.values)  # type: ignore[call-overload]
    with pytest.raises(KBNetError, match=r"the prior is 80x64 .* but image is 160x128"):
        replace(frame, prior=Prior(np.ones((64, 80), np.float32)))


def test_a_large_frame_takes_a_prior(completer: DepthCompleter, walk: list[Frame]) -> None:
    frame = walk[0]
    K = frame.intrinsics.copy()
    K[:2] *= 8
    points = np.zeros((1024, 1280), np.float32)
    points[::8, ::8] = frame.sparse_depth
    truth = frame.ground_truth
    assert truth is not None
    measured = truth.repeat(8, axis=0).repeat(8, axis=1)
    large = Frame(frame.image.repeat(8, axis=0).repeat(8, axis=1), points, K, prior=Prior(measured))
    depth, plain = completer(large), completer(replace(large, prior=None))
    assert np.abs(depth - measured).mean() < np.abs(plain - measured).mean()
