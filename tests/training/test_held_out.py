"""Holding points out: they are gone from what training reads, for every kind of sparse depth, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kbnet.frames.frame_files import write_frame_list
from kbnet.frames.frame_list import FrameList
from kbnet.frames.open import open_frames
from kbnet.frames.sequence import Sequence
from kbnet.points.hold_out import draw_pixels
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


def test_training_learns_from_points_of_neighbours_but_in_no_patch_that_is_held_out(held_out: HeldOut) -> None:
    """On a wall 2 m ahead all points agree, and each of the neighbours 2 frames on moved by 4 of 44 pixels."""
    trained = FrameList(held_out.training)
    assert held_out.trained == len(trained) == 8
    for index in range(len(trained)):
        frame = trained.frame(index)
        assert frame.ground_truth is not None
        learnt = frame.ground_truth > 0
        assert not (learnt & draw_pixels(frame.size, index, by="patches")).any()
        assert learnt.sum() > 2 * (frame.sparse_depth > 0).sum()
        np.testing.assert_allclose(frame.ground_truth[learnt], 2, atol=1 / 256)


def test_without_a_gap_nothing_is_learnt_from_neighbours(write_sequence: WriteSequence, tmp_path: Path) -> None:
    held = hold_out({"sparse_depth": Sequence(write_sequence(frames=6))}, tmp_path / "run", gap=None)
    assert not FrameList(held.training).has_ground_truth  # of the sequence, which has it


def test_some_three_hundred_frames_of_a_long_video_are_trained_on(
    write_sequence: WriteSequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kbnet.training.held_out.TRAINED_FRAMES", 10)
    held = hold_out({"sparse_depth": Sequence(write_sequence(frames=25))}, tmp_path / "run", gap=1)
    assert [int(name) for name in FrameList(held.training).names] == list(range(0, 25, 3))
    assert held.trained == 9
    assert held.frames == 25


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


def test_a_list_keeps_its_windows(write_sequence: WriteSequence, tmp_path: Path) -> None:
    sequence = Sequence(write_sequence(frames=6))
    lines = [replace(sequence.files(index), window="2 4 32 36") for index in range(6)]
    write_frame_list(tmp_path / "video.csv", lines)
    held = hold_out({"sparse_depth": FrameList(tmp_path / "video.csv")}, tmp_path / "run", gap=None)
    trained, judged = FrameList(held.training), FrameList(held.judged["sparse_depth"])
    assert trained.frame(0).size == judged.frame(0).size == (32, 36)
    assert held.trained == 6


def test_too_few_frames_with_points_are_refused(write_sequence: WriteSequence, tmp_path: Path) -> None:
    source = Sequence(write_sequence(frames=4))
    with pytest.raises(ValueError, match="at least 5 frames with sparse points to judge by, got 4 of 4"):
        hold_out({"sparse_depth": source}, tmp_path / "run", gap=1)
