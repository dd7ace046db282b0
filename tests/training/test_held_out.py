"""Holding points out: they are gone from what training reads, for every kind of sparse depth, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kbnet.data.frame_files import FrameFiles, write_frame_list
from kbnet.data.frame_list import FrameList
from kbnet.data.frame_source import open_frames
from kbnet.data.sequence import Sequence
from kbnet.training.held_out import JUDGED_FRAMES, HeldOut, hold_out

WriteSequence = Callable[..., Path]
KINDS = ("sparse_depth", "dense")


@pytest.fixture
def held_out(write_sequence: WriteSequence, tmp_path: Path) -> HeldOut:
    folder = write_sequence(frames=8, sparse_depths=KINDS)
    return hold_out({kind: Sequence(folder, sparse_depth=kind) for kind in KINDS}, tmp_path / "run", gap=2)


def test_points_are_parted_and_none_is_lost(held_out: HeldOut, tmp_path: Path) -> None:
    assert held_out.columns == ("sparse_depth", "sparse_depth_dense")
    for kind, column in zip(KINDS, held_out.columns, strict=True):
        whole, trained = (
            Sequence(tmp_path / "wall", sparse_depth=kind),
            open_frames(held_out.training, sparse_depth=column),
        )
        judged = FrameList(held_out.judged[kind])
        assert trained.names == whole.names == judged.names
        for index in range(len(whole)):
            seen, unseen = trained.frame(index).sparse_depth, judged.frame(index).ground_truth
            assert unseen is not None
            assert unseen.any()
            assert not (seen * unseen).any()
            np.testing.assert_array_equal(seen + unseen, whole.sparse_depth(index))
            np.testing.assert_array_equal(seen, judged.frame(index).sparse_depth)


def test_a_pixel_held_out_of_one_kind_is_not_seen_in_another(held_out: HeldOut) -> None:
    one, other = (FrameList(held_out.judged[kind]) for kind in KINDS)
    for index in range(len(one)):
        assert not (np.asarray(one.frame(index).ground_truth) * other.frame(index).sparse_depth).any()


def test_patches_not_single_points_are_held_out(held_out: HeldOut) -> None:
    """Of two measured neighbours, both or none, but at the borders of patches."""
    judged = FrameList(held_out.judged["dense"])
    together = apart = 0
    for index in range(len(judged)):
        frame = judged.frame(index)
        unseen = np.asarray(frame.ground_truth) > 0
        measured = unseen | (frame.sparse_depth > 0)
        pairs = measured[:, 1:] & measured[:, :-1]
        together += (pairs & (unseen[:, 1:] == unseen[:, :-1])).sum()
        apart += (pairs & (unseen[:, 1:] != unseen[:, :-1])).sum()
    assert together > 5 * apart


def test_training_has_neighbours_and_motion_but_no_ground_truth(held_out: HeldOut) -> None:
    trained = FrameList(held_out.training)
    assert held_out.triplets == len(trained.triplet_indices(1)) == 4
    assert trained.has_poses
    assert not trained.has_ground_truth
    triplet = trained.triplet(2, 1)
    np.testing.assert_array_equal(triplet.previous_image, trained.image(0))
    np.testing.assert_array_equal(triplet.next_image, trained.image(4))
    assert triplet.T_next_current is not None
    assert triplet.T_next_current[0, 3] == pytest.approx(-0.2)


def test_about_thirty_frames_of_a_long_video_are_judged(write_sequence: WriteSequence, tmp_path: Path) -> None:
    held = hold_out({"sparse_depth": Sequence(write_sequence(frames=100))}, tmp_path / "run", gap=1)
    assert JUDGED_FRAMES - 10 < held.frames <= JUDGED_FRAMES
    names = FrameList(held.judged["sparse_depth"]).names
    assert [int(name) for name in names] == list(range(0, 100, 4))


def test_the_same_points_are_held_out_again(write_sequence: WriteSequence, tmp_path: Path) -> None:
    source = Sequence(write_sequence(frames=6))
    one, other = (hold_out({"sparse_depth": source}, tmp_path / name, gap=1) for name in ("one", "other"))
    frames = (FrameList(held.judged["sparse_depth"]).frame(3) for held in (one, other))
    np.testing.assert_array_equal(*(frame.ground_truth for frame in frames))


def test_frames_without_known_motion_are_left_out_where_most_know_it(
    write_sequence: WriteSequence, tmp_path: Path
) -> None:
    folder = write_sequence(frames=10)
    (folder / "absolute_pose" / "0003.txt").unlink()
    held = hold_out({"sparse_depth": Sequence(folder)}, tmp_path / "run", gap=1)
    trained = FrameList(held.training)
    assert trained.has_poses
    assert [trained.names[index] for index in trained.triplet_indices(1)] == ["0001", "0005", "0006", "0007", "0008"]
    assert held.triplets == 5


def test_a_list_keeps_its_neighbours_and_windows(write_sequence: WriteSequence, tmp_path: Path) -> None:
    sequence = Sequence(write_sequence(frames=6))
    lines = [sequence.files(index, 1) for index in range(1, 5)]
    lines = [FrameFiles(**{**vars(files), "window": "2 4 32 36"}) for files in lines]
    lines += [FrameFiles(**{**vars(sequence.files(index)), "window": "2 4 32 36"}) for index in (0, 5)]
    write_frame_list(tmp_path / "video.csv", lines)
    held = hold_out({"sparse_depth": FrameList(tmp_path / "video.csv")}, tmp_path / "run", gap=1)
    trained, judged = FrameList(held.training), FrameList(held.judged["sparse_depth"])
    assert trained.frame(0).size == judged.frame(0).size == (32, 36)
    assert held.triplets == 4


def test_too_few_frames_with_points_are_refused(write_sequence: WriteSequence, tmp_path: Path) -> None:
    source = Sequence(write_sequence(frames=4))
    with pytest.raises(ValueError, match="at least 5 frames with sparse points to judge by, got 4 of 4"):
        hold_out({"sparse_depth": source}, tmp_path / "run", gap=1)
