"""Sequence folders appear whole or not at all, and nothing that was there is lost by accident."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kbnet.frame import Frame
from kbnet.frames.sequence import Sequence
from kbnet.frames.sequence_writer import PosedFrame, new_sequence, write_sequence

K = np.array([[50, 0, 23.5], [0, 50, 19.5], [0, 0, 1]], np.float32)


def make_frame(name: str = "000000", *, truth: bool = True) -> Frame:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
    depth = generator.uniform(1, 5, (40, 48)).astype(np.float32)
    return Frame(image, np.where(image[..., 0] < 20, depth, 0), K, depth if truth else None, name)


def write(folder: Path, *names: str, overwrite: bool = False) -> None:
    with new_sequence(folder, K, overwrite=overwrite) as sequence:
        for name in names or ("000000",):
            sequence.add(make_frame(name))


def write_and_fail(folder: Path, error: BaseException | type[BaseException], *, overwrite: bool = False) -> None:
    with new_sequence(folder, K, overwrite=overwrite) as sequence:
        sequence.add(make_frame("c"))
        raise error


def test_written_frames_are_read_back(tmp_path: Path) -> None:
    T_world_camera = np.array([[0, 0, 1, 0.5], [0, 1, 0, -2], [-1, 0, 0, 1.25], [0, 0, 0, 1]])
    with new_sequence(tmp_path / "new" / "room", K) as writer:
        writer.add(make_frame("a"), T_world_camera)
        writer.add(make_frame("b", truth=False))
    sequence = Sequence(tmp_path / "new" / "room")
    assert sequence.names == ("a", "b")
    np.testing.assert_array_equal(sequence.intrinsics, K)
    read, written = sequence.frame(0), make_frame()
    np.testing.assert_array_equal(read.image, written.image)
    np.testing.assert_allclose(read.sparse_depth, written.sparse_depth, atol=0.5 / 256)
    assert read.ground_truth is not None
    np.testing.assert_allclose(read.ground_truth, written.ground_truth, atol=0.5 / 256)
    np.testing.assert_array_equal(sequence.pose(0), T_world_camera)
    assert len((tmp_path / "new/room/absolute_pose/a.txt").read_text().splitlines()) == 3
    assert sequence.frame(1).ground_truth is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        write_and_fail(tmp_path / "room", error)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    write(tmp_path / "room")
    assert len(Sequence(tmp_path / "room")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["room"]


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "room")
    with pytest.raises(ValueError, match=r"holds files; choose another, or replace it \(--overwrite\)"):
        write(tmp_path / "room", "other")
    assert Sequence(tmp_path / "room").names == ("000000",)


def test_overwriting_replaces_the_whole_sequence(tmp_path: Path) -> None:
    write(tmp_path / "room", "a", "b")
    write(tmp_path / "room", "c", overwrite=True)
    assert Sequence(tmp_path / "room").names == ("c",)
    assert [path.name for path in tmp_path.iterdir()] == ["room"]


def test_overwriting_keeps_the_old_sequence_after_an_error(tmp_path: Path) -> None:
    write(tmp_path / "room", "a", "b")
    with pytest.raises(ValueError, match="late"):
        write_and_fail(tmp_path / "room", ValueError("late"), overwrite=True)
    assert Sequence(tmp_path / "room").names == ("a", "b")
    assert [path.name for path in tmp_path.iterdir()] == ["room"]


def test_an_input_that_a_failing_disk_does_not_give_is_named_not_the_output(tmp_path: Path) -> None:
    def failing() -> Iterator[PosedFrame]:
        yield PosedFrame(make_frame("a"))
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match=r"Input/output error: 'walk\.bag'"):
        write_sequence(tmp_path / "room", failing(), inputs=[Path("walk.bag")])
    assert not list(tmp_path.iterdir())


def test_overwriting_touches_nothing_but_sequences(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("all of it")
    with pytest.raises(ValueError, match="holds something else"):
        write(tmp_path / "thesis", overwrite=True)
    with pytest.raises(ValueError, match="is a file"):
        write(tmp_path / "thesis" / "chapter.tex", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "all of it"


def test_a_pose_that_is_not_rigid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a rigid transform"), new_sequence(tmp_path / "room", K) as writer:
        writer.add(make_frame(), 2 * np.eye(4))


def test_a_changing_k_is_refused(tmp_path: Path) -> None:
    frame = make_frame("b")
    zoomed = Frame(frame.image, frame.sparse_depth, K * np.array([[2], [2], [1]], np.float32), name="b")
    with new_sequence(tmp_path / "room", K) as writer:
        writer.add(make_frame("a"))
        with pytest.raises(ValueError, match=r"one K for the whole sequence, but .* 100.00, .* in frame 'b' and 50.00"):
            writer.add(zoomed)


@pytest.mark.parametrize("name", ["room", "room/image", "room/scans/0.bin"])
def test_what_a_sequence_is_made_of_is_not_overwritten(name: str, tmp_path: Path) -> None:
    write(tmp_path / "room")
    with (
        pytest.raises(ValueError, match=r"lies in .*room, which --overwrite would remove"),
        new_sequence(tmp_path / "room", K, overwrite=True, inputs=[tmp_path / name]),
    ):
        pytest.fail("a sequence was begun")
    assert len(Sequence(tmp_path / "room")) == 1
    with new_sequence(tmp_path / "room", K, overwrite=True, inputs=[tmp_path / "room2" / "image"]) as sequence:
        sequence.add(make_frame())
