"""Points of several frames in one: where they land, what hides them, and whose stay out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.frame import FloatArray
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_files import write_frame_list
from kbnet.frames.frame_list import FrameList
from kbnet.frames.sequence import Sequence
from kbnet.report.fusion.accumulation import Accumulator, write_accumulated

HEIGHT, WIDTH, FOCAL_LENGTH, FAR, NEAR = 60, 80, 50.0, 4.0, 2.0
STEP_M = 0.16
"""Two pixels on the far wall, four on the board before it."""


def scene(offset_m: float) -> FloatArray:
    """A wall, and a board before its middle, from a camera that slid ``offset_m`` to the right."""
    depth = np.full((HEIGHT, WIDTH), FAR, np.float32)
    middle = round(WIDTH / 2 - offset_m * FOCAL_LENGTH / NEAR)
    depth[15:45, max(0, middle - 10) : max(0, middle + 10)] = NEAR
    return depth


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Seven frames of a camera that slides to the right, with a tenth of the pixels measured."""
    folder, generator = tmp_path / "board", np.random.default_rng(0)
    for name in ("image", "absolute_pose"):
        (folder / name).mkdir(parents=True)
    (folder / "K.txt").write_text(f"{FOCAL_LENGTH} 0 {WIDTH / 2}\n0 {FOCAL_LENGTH} {HEIGHT / 2}\n0 0 1\n")
    for index in range(7):
        Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "image" / f"{index}.png")
        depth = scene(index * STEP_M)
        measured = generator.random(depth.shape) < 0.1
        write_depth_png(folder / "sparse_depth" / f"{index}.png", np.where(measured, depth, np.float32(0)))
        pose = np.eye(4)
        pose[0, 3] = index * STEP_M
        np.savetxt(folder / "absolute_pose" / f"{index}.txt", pose)
    return folder


def test_points_of_neighbours_land_where_this_frame_sees_them(sequence: Path) -> None:
    """All but what the rim of the board lets through: a point can hide only within the hull of what is nearer."""
    source = Sequence(sequence)
    own, depth = source.sparse_depth(3), Accumulator(source).depth(3)
    np.testing.assert_array_equal(depth[own > 0], own[own > 0])
    assert (depth > 0).sum() > 4 * (own > 0).sum()
    true = scene(3 * STEP_M)
    wrong = (depth > 0) & (np.abs(depth - true) > 0.1)
    assert wrong.sum() < 0.02 * (depth > 0).sum()
    assert not wrong[22:38, 22:32].any()


def test_a_wall_seen_past_a_board_from_elsewhere_is_hidden_by_it(sequence: Path) -> None:
    """From three frames on, the camera sees wall that the board hides from the first."""
    source = Sequence(sequence)
    depth = Accumulator(source).depth(0)
    board = depth[20:40, 33:47]
    assert (board == NEAR).sum() > 30
    assert not (board == FAR).any()


def test_false_ranges_are_not_lent(sequence: Path) -> None:
    source = Sequence(sequence)
    for index in (2, 4):
        depth = source.sparse_depth(index)
        depth[5, 60] = 9.0
        write_depth_png(sequence / "sparse_depth" / f"{index}.png", depth)
    assert Accumulator(Sequence(sequence)).depth(3).max() == FAR


def test_a_frame_without_a_pose_neither_lends_nor_borrows(sequence: Path) -> None:
    (sequence / "absolute_pose" / "3.txt").unlink()
    source = Sequence(sequence)
    accumulator = Accumulator(source, gap=1, reach=1)
    np.testing.assert_array_equal(accumulator.depth(3), source.sparse_depth(3))
    assert (accumulator.depth(2) > 0).sum() < 2.1 * (source.sparse_depth(2) > 0).sum()


def test_gap_and_reach_say_who_lends(sequence: Path) -> None:
    """Only frames 1, 3 and 5 have poses beside this one: none is asked at a gap of 2, all within a reach of 3."""
    for index in (0, 2, 6):
        (sequence / "absolute_pose" / f"{index}.txt").unlink()
    source = Sequence(sequence)
    near, far = (Accumulator(source, gap, 3).depth(4) > 0 for gap in (2, 1))
    own = source.sparse_depth(4) > 0
    assert near.sum() == own.sum()
    assert far.sum() > 3 * own.sum()


@pytest.mark.parametrize(("gap", "reach"), [(0, 3), (1, 0)])
def test_a_gap_or_reach_of_nothing_is_refused(sequence: Path, gap: int, reach: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 frame, got {gap} and {reach}"):
        Accumulator(Sequence(sequence), gap, reach)


def test_a_list_has_accumulated_depth_as_ground_truth(sequence: Path, tmp_path: Path) -> None:
    source = Sequence(sequence)
    points = write_accumulated({"sparse_depth": source}, tmp_path / "lists" / "board.csv", gap=1)
    written = FrameList(tmp_path / "lists" / "board.csv")
    accumulator = Accumulator(source)
    for index in range(7):
        frame = written.frame(index)
        assert frame.ground_truth is not None
        np.testing.assert_allclose(frame.ground_truth, accumulator.depth(index), atol=1 / 256)
        np.testing.assert_array_equal(frame.sparse_depth, source.sparse_depth(index))
    assert points == np.mean([np.count_nonzero(accumulator.depth(index)) for index in range(7)])
    assert written.triplet_indices(1) == tuple(range(1, 6))
    assert written.has_poses


def test_a_list_that_cannot_be_written_leaves_no_depth_to_refuse_the_second_try(
    sequence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr("kbnet.report.fusion.accumulation.write_frame_list", fail)
    with pytest.raises(OSError, match="full"):
        write_accumulated({"sparse_depth": Sequence(sequence)}, tmp_path / "new" / "board.csv", gap=1)
    assert not list((tmp_path / "new").glob("*"))


def test_a_run_that_was_killed_before_its_folder_appeared_is_given_again(sequence: Path, tmp_path: Path) -> None:
    path, one_kind = tmp_path / "board.csv", {"sparse_depth": Sequence(sequence)}
    write_accumulated(one_kind, path, gap=1)
    shutil.rmtree(tmp_path / "board_depth")
    write_accumulated(one_kind, path, gap=1)
    assert FrameList(path).frame(0).ground_truth is not None


def test_a_folder_that_the_list_does_not_name_is_not_replaced(sequence: Path, tmp_path: Path) -> None:
    source = {"sparse_depth": Sequence(sequence)}
    (tmp_path / "board_depth").mkdir()
    write_frame_list(tmp_path / "board.csv", [source["sparse_depth"].files(0, None)])
    with pytest.raises(KBNetError, match="board_depth is there already, of something else than"):
        write_accumulated(source, tmp_path / "board.csv", gap=1, overwrite=True)
