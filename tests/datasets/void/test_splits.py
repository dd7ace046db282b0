"""VOID's splits: which frames, which neighbours, which files; a list that does not fit its files is refused by line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kbnet.datasets.void.archives import density_folder, unpack_density
from kbnet.datasets.void.splits import index_split
from kbnet.frames.frame_list import FrameList, write_frame_list


@pytest.fixture(scope="module")
def unpacked(void_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``void_150``; read only."""
    folder = tmp_path_factory.mktemp("void")
    unpack_density(150, folder, by_hand=(void_archives,))
    return density_folder(150, folder)


@pytest.fixture
def void_150(unpacked: Path, tmp_path: Path) -> Path:
    return shutil.copytree(unpacked, tmp_path / "void_150")


def write_empty_sequences(root: Path, lengths: dict[str, int]) -> list[str]:
    """Sequences of empty files, and the lines that list them."""
    lines = []
    for sequence, length in lengths.items():
        folder = root / "data" / sequence
        for kind in ("image", "sparse_depth"):
            (folder / kind).mkdir(parents=True)
            for index in range(length):
                (folder / kind / f"{index:03}.0.png").touch()
        (folder / "K.txt").touch()
        lines += [f"void_150/data/{sequence}/image/{index:03}.0.png\n" for index in range(length)]
    return lines


def test_index_split_trains_without_the_ends_on_neighbours_ten_away(unpacked: Path) -> None:
    split = index_split(unpacked, "train")
    times = sorted(path.stem for path in (unpacked / "data" / "corridor0" / "image").iterdir())
    assert (split.listed, split.sequences) == (84, 1)
    assert [frame.name for frame in split.frames] == [f"corridor0/{time}" for time in times[30:54]]
    for index, frame in enumerate(split.frames, start=30):
        neighbours = [Path(path).stem for path in (frame.previous, frame.next)]
        assert neighbours == [times[index - 10], times[index + 10]]
        poses = [Path(path).name for path in (frame.previous_pose, frame.pose, frame.next_pose)]
        assert poses == [f"{times[i]}.txt" for i in (index - 10, index, index + 10)]


def test_index_split_tests_on_the_listed_frames_in_their_order(void_150: Path) -> None:
    path = void_150 / "test_image.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[2], "", lines[0]]))
    split = index_split(void_150, "test")
    assert [f"void_150/data/{frame.name.replace('/', '/image/')}.png" for frame in split.frames] == [lines[2], lines[0]]
    assert all(frame.ground_truth and not frame.previous and not frame.next for frame in split.frames)


def test_index_split_makes_a_list_that_can_be_read(unpacked: Path, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "train.csv", index_split(unpacked, "train").frames)
    frames = FrameList(tmp_path / "train.csv")
    assert frames.has_poses
    assert frames.has_ground_truth
    assert frames.triplet_indices(1) == tuple(range(24))
    triplet = frames.triplet(5, 1)
    sequence = unpacked / "data" / "corridor0"
    assert triplet.frame.intrinsics.flatten().tolist() == pytest.approx(
        [float(number) for number in (sequence / "K.txt").read_text().split()]
    )
    assert 0 < (triplet.frame.sparse_depth > 0).sum() <= 30
    assert (triplet.previous_image != triplet.frame.image).any()
    assert (triplet.previous_image != triplet.next_image).any()


def test_index_split_sorts_within_each_sequence(tmp_path: Path) -> None:
    lines = write_empty_sequences(tmp_path, {"short": 60, "a": 61, "b": 62})
    (tmp_path / "train_image.txt").write_text("".join(reversed(lines)))
    split = index_split(tmp_path, "train")
    assert (split.listed, split.sequences) == (183, 3)
    assert [frame.name for frame in split.frames] == ["b/030.0", "b/031.0", "a/030.0"]
    assert [Path(split.frames[0].previous).name, Path(split.frames[0].next).name] == ["020.0.png", "040.0.png"]


def test_index_split_names_no_poses_and_truths_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "train_image.txt").write_text("".join(write_empty_sequences(tmp_path, {"a": 61})))
    (frame,) = index_split(tmp_path, "train").frames
    assert {frame.pose, frame.previous_pose, frame.next_pose, frame.ground_truth} == {""}


@pytest.mark.parametrize(
    ("split", "kind", "count"),
    [("test", "image", 2), ("test", "sparse_depth", 2), ("test", "ground_truth", 2), ("train", "sparse_depth", 2)],
)
def test_index_split_names_the_first_file_that_is_gone(void_150: Path, split: str, kind: str, count: int) -> None:
    sequence = {"test": "lobby1", "train": "corridor0"}[split]
    files = sorted((void_150 / "data" / sequence / kind).iterdir())
    for path in files[1 : 1 + count]:
        path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        index_split(void_150, split)  # type: ignore[arg-type]
    message = str(caught.value)
    assert f"{void_150 / split}_image.txt, but {count} frames lack some" in message
    assert f"line 2: there is no {files[1]};" in message


def test_index_split_needs_the_intrinsics_of_every_sequence(void_150: Path) -> None:
    (void_150 / "data" / "lobby1" / "K.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"but 4 frames lack some, first line 1: there is no .*lobby1/K\.txt"):
        index_split(void_150, "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty file"),
        ("void_150/data/a/depth/1.png\n", "got 'void_150/data/a/depth/1.png' in line 1 of"),
        ("\nvoid_150/data/../image/1.png\n", "in line 2 of"),
        ("1.png\n", "in line 1 of"),
        ("x/a/image/1.png\nx/a/image/1.png\n", "in lines 1 and 2 of"),
    ],
)
def test_index_split_refuses_a_list_of_something_else(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "test_image.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        index_split(tmp_path, "test")


def test_index_split_says_which_list_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the published list .*test_image\.txt"):
        index_split(tmp_path, "test")
