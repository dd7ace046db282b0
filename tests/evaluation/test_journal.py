"""A stopped evaluation or check goes on, and gives what one that nothing stopped gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from kbnet.errors import KBNetError
from kbnet.evaluation.ground_truth import Part, evaluate
from kbnet.evaluation.held_out_points import check
from kbnet.evaluation.journal import NAME, Journal, check_no_list, journal
from kbnet.evaluation.methods import Method, baseline_methods
from kbnet.frame import FloatArray, Frame
from kbnet.frames.frame_source import FrameSource

FRAMES = 7
K = np.array([[50, 0, 24], [0, 50, 20], [0, 0, 1]], np.float32)


@dataclass
class Room:
    """A wall that comes nearer. Frame 1 has no ground truth in range, frame 2 no points, frame 5 no ground truth."""

    folder: Path = Path("room")
    has_ground_truth: bool = True

    def __len__(self) -> int:
        return FRAMES

    def has_pose(self, index: int) -> bool:
        return True

    def frame(self, index: int) -> Frame:
        truth = np.full((40, 48), 9.0 if index == 1 else 4.0 - index / 3, np.float32)
        points = np.zeros_like(truth)
        points[::3, ::3] = 0 if index == 2 else truth[::3, ::3] * 1.01
        known = None if index == 5 else truth
        return Frame(np.zeros((40, 48, 3), np.uint8), points, K, known, name=f"{index:04}", T_world_camera=np.eye(4))


class StoppedError(Exception):
    """Stands for a signal."""


@dataclass
class Network:
    """Depth that differs from frame to frame; stops at a frame."""

    stop_at: int | None = None
    calls: int = 0

    def __call__(self, frame: Frame) -> FloatArray:
        if frame.name == f"{self.stop_at:04}" if self.stop_at is not None else False:
            raise StoppedError
        self.calls += 1
        return np.full(frame.size, 1.5 - int(frame.name) ** 2 / 100, np.float32)


def evaluated(network: Network, done: Journal) -> Any:
    methods = [Method("kbnet", network), *baseline_methods()]
    part = Part(cast(FrameSource, Room()), "room", "sparse_depth")
    rows = evaluate([part], methods, limits=(0.2, 5.0), boundaries=True, journal=done).rows()
    return [(row.method, row.frames, row.mean, row.std, row.boundary_f1, row.flicker_percent) for row in rows]


def expect(frame: Frame, depth: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    return np.full_like(depth, 0.1), np.ones(frame.size, np.bool_)


def checked(network: Network, done: Journal) -> Any:
    found = check(cast(FrameSource, Room()), [Method("kbnet", network), *baseline_methods()], expect, journal=done)
    return (
        found.overall(),
        found.bands(),
        found.unchecked,
        found.all_pixels_mm(),
        found.distance_px(),
        found.worst("kbnet", 2)[0].index,
        found.change_percent(),
    )


@pytest.mark.filterwarnings("ignore:.* of 7 frames of room:UserWarning")
@pytest.mark.parametrize("judge", [evaluated, checked])
def test_stopped_run_goes_on(judge: Callable[[Network, Journal], Any], tmp_path: Path) -> None:
    whole = Network()
    expected = judge(whole, Journal())
    with pytest.raises(StoppedError), journal(tmp_path, {"every": 1}) as done:
        judge(Network(stop_at=4), done)
    with (tmp_path / NAME).open("a", encoding="utf-8") as file:
        file.write('["cut o')  # as of a process that was killed while it wrote
    again = Network()
    with journal(tmp_path, {"every": 1}) as done:
        assert done.earlier == 4
        assert judge(again, done) == expected
    assert again.calls < whole.calls
    assert not list(tmp_path.iterdir())


def test_results_of_other_settings_are_not_used(tmp_path: Path) -> None:
    with pytest.raises(StoppedError), journal(tmp_path, {"weights": "a"}) as done:
        checked(Network(stop_at=1), done)
    with journal(tmp_path, {"weights": "b"}) as done:
        assert done.earlier == 0
        assert done.get("0") is None


def test_a_list_of_frames_is_not_replaced_by_their_errors(tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text("name,image,intrinsics,sparse_depth\n")
    with pytest.raises(KBNetError, match=r"frames.csv is a list of frames and would be replaced"):
        check_no_list(tmp_path, "method,frame,")
    (tmp_path / "frames.csv").write_text("method,frame,seen\n")
    check_no_list(tmp_path, "method,frame,")
    check_no_list(None, "method,frame,")
    with pytest.raises(KBNetError, match=r"frames.csv is of another command and would be replaced"):
        check_no_list(tmp_path, "method,sparse_depth,")
