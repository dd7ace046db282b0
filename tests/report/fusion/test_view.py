"""What goes into a fused cloud: frames with poses, pixels to be trusted, points where they are in the world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_list import write_frame_list
from kbnet.frames.open import open_frames
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import new_sequence
from kbnet.report.fusion.view import DepthView, confident_pixels, posed_frames, views

K = np.array([[50, 0, 24], [0, 50, 20], [0, 0, 1]], np.float32)


def _pose(x: float) -> Any:
    """Turned by 90 degrees about y, so that the camera looks along the world's x; and moved along x."""
    return np.array([[0, 0, 1, x], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]], np.float64)


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    """Five frames of a wall 2 m off, of which the third has no pose."""
    wall, points = np.full((40, 48), 2.0, np.float32), np.zeros((40, 48), np.float32)
    points[::8, ::8] = 2.0
    with new_sequence(tmp_path / "wall", K) as writer:
        for index in range(5):
            frame = Frame(np.full((40, 48, 3), 40 * index, np.uint8), points, K, wall, name=f"{index}")
            writer.add(frame, _pose(index))
    (tmp_path / "wall" / "absolute_pose" / "2.txt").unlink()
    return Sequence(tmp_path / "wall")


def _complete(frame: Frame) -> tuple[FloatArray, FloatArray]:
    """The truth, of which the lower half is said to be off by a metre."""
    assert frame.ground_truth is not None
    error = np.full(frame.size, 0.01, np.float32)
    error[20:] = 1.0
    return frame.ground_truth, error


def test_posed_frames_leaves_out_frames_without_a_pose(sequence: Sequence) -> None:
    assert posed_frames(sequence) == [0, 1, 3, 4]
    assert posed_frames(sequence, every=2) == [0, 3]


def test_posed_frames_says_where_poses_belong(sequence: Sequence) -> None:
    for path in (sequence.folder / "absolute_pose").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"expected poses \(camera to world\) in absolute_pose/ of .*wall, got none"):
        posed_frames(sequence)
    with pytest.raises(ValueError, match="at least 1 frame, got 0"):
        posed_frames(sequence, every=0)


def test_posed_frames_of_a_list_are_those_with_a_pose_in_their_line(sequence: Sequence, tmp_path: Path) -> None:
    lines = [replace(sequence.files(i), pose=str(sequence.folder / f"absolute_pose/{i}.txt")) for i in (0, 1, 3)]
    path = tmp_path / "list.csv"
    write_frame_list(path, [lines[0], replace(lines[1], pose=""), lines[2]])
    source = open_frames(path)
    assert posed_frames(source) == [0, 2]
    np.testing.assert_array_equal(source.pose(2), _pose(3.0))
    write_frame_list(path, [replace(line, pose="") for line in lines])
    with pytest.raises(ValueError, match=r"in the column pose of .*list\.csv"):
        posed_frames(open_frames(path))


def test_views_keep_the_confident_share_nearer_than_the_farthest(sequence: Sequence) -> None:
    first, second = views(sequence, [0, 3], _complete, keep=0.5, farthest=10.0)
    assert (first.depth[:20] == 2).all()
    assert not first.depth[20:].any()
    np.testing.assert_array_equal(second.T_world_camera, _pose(3.0))
    assert not next(views(sequence, [0], _complete, keep=1.0, farthest=2.0)).depth.any()


def test_view_points_stand_in_the_world() -> None:
    depth = np.zeros((40, 48), np.float32)
    depth[20, 24], depth[20, 34] = 2.0, 2.0
    points, _ = DepthView(np.zeros((40, 48, 3), np.uint8), depth, K, _pose(5.0)).points()
    np.testing.assert_allclose(points, [[7.0, 0, 0], [7.0, 0, -0.4]], atol=1e-6)


def test_confident_pixels_go_by_relative_error_and_bear_depth_of_0() -> None:
    depth, error = np.array([[1.0, 10.0], [2.0, 0.0]], np.float32), np.array([[0.1, 0.2], [0.3, 0.1]], np.float32)
    assert confident_pixels(depth, error, 0.25).tolist() == [[False, True], [False, False]]
    assert confident_pixels(depth, error, 0.75).tolist() == [[True, True], [True, False]]
