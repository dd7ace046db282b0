"""Dense depth made sparse: one more folder in the sequence, or a copy; nothing is lost by accident."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.sequence import Sequence
from kbnet.points.patterns import SparsePattern
from kbnet.sources.made_sparse import add_sparse_depth, copy_made_sparse, open_dense

PATTERN = SparsePattern("uniform", 30)


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """Two frames with depth and a pose, and no sparse depth."""
    folder = tmp_path / "room"
    for name in ("image", "absolute_pose"):
        (folder / name).mkdir(parents=True)
    (folder / "K.txt").write_text("50 0 24\n0 50 20\n0 0 1\n")
    for index in range(2):
        generator = np.random.default_rng(index)
        image = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / "image" / f"{index}.png")
        write_depth_png(folder / "ground_truth" / f"{index}.png", generator.uniform(1, 9, (40, 48)).astype(np.float32))
        np.savetxt(folder / "absolute_pose" / f"{index}.txt", np.eye(4)[:3])
    return folder


def test_a_folder_of_points_is_added(dense: Path) -> None:
    assert add_sparse_depth(open_dense(dense), PATTERN, "sparse_depth_30") == 30
    sequence = Sequence(dense, sparse_depth="sparse_depth_30")
    for index in range(2):
        frame = sequence.frame(index)
        measured = frame.sparse_depth > 0
        assert measured.sum() == 30
        assert frame.ground_truth is not None
        np.testing.assert_array_equal(frame.sparse_depth[measured], frame.ground_truth[measured])


def test_points_are_replaced_only_when_told_and_survive_a_failure(dense: Path) -> None:
    sequence = open_dense(dense)
    add_sparse_depth(sequence, PATTERN, "sparse_depth")
    with pytest.raises(ValueError, match=r"sparse_depth is there already; .*--overwrite"):
        add_sparse_depth(sequence, PATTERN, "sparse_depth")
    write_depth_png(dense / "ground_truth" / "1.png", np.zeros((40, 48), np.float32))
    for pattern in ("uniform", "corners", "rings"):
        with pytest.raises(ValueError, match=r"none in frame '1' of .*room"):
            add_sparse_depth(sequence, SparsePattern(pattern), "sparse_depth", overwrite=True)
    assert Sequence(dense).sparse_depth(1).any()
    assert sorted(path.name for path in dense.iterdir()) == [
        "K.txt", "absolute_pose", "ground_truth", "image", "sparse_depth",
    ]  # fmt: skip


def test_only_folders_of_points_can_be_named(dense: Path) -> None:
    for name in ("ground_truth", "image", "../sparse_depth", "sparse_depth/../image"):
        with pytest.raises(ValueError, match="begins with sparse_depth"):
            add_sparse_depth(open_dense(dense), PATTERN, name, overwrite=True)


def test_a_copy_has_the_points_and_everything_else(dense: Path, tmp_path: Path) -> None:
    before = sorted(dense.rglob("*"))
    copy_made_sparse(open_dense(dense), PATTERN, tmp_path / "copy")
    assert sorted(dense.rglob("*")) == before
    copy, original = Sequence(tmp_path / "copy"), open_dense(dense)
    assert copy.has_poses
    np.testing.assert_array_equal(copy.image(1), original.image(1))
    np.testing.assert_array_equal(copy.frame(1).ground_truth, original.sparse_depth(1))
    assert np.count_nonzero(copy.sparse_depth(1)) == 30


def test_a_sequence_without_dense_depth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    with pytest.raises(FileNotFoundError, match=r"expected dense depth in .*ground_truth, but there is no such folder"):
        open_dense(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        open_dense(tmp_path / "none")


def test_points_of_a_run_killed_between_two_renames_are_not_replaced_unless_told(dense: Path) -> None:
    sequence = open_dense(dense)
    add_sparse_depth(sequence, PATTERN, "sparse_depth")
    (dense / "sparse_depth").rename(dense / ".sparse_depth.former")
    with pytest.raises(KBNetError, match="is there already"):
        add_sparse_depth(sequence, PATTERN, "sparse_depth")
    assert Sequence(dense).sparse_depth(1).any()
    assert not [path for path in dense.iterdir() if path.name.startswith(".")]
