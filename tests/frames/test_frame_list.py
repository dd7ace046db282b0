"""Frame lists: what they read equals what a sequence folder gives, and one line for each thing that is wrong."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.frame import Triplet
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_list import FrameFiles, FrameList, write_frame_list
from kbnet.frames.open import open_frames
from kbnet.frames.sequence import Sequence

HEIGHT, WIDTH, COUNT = 36, 48, 4
FrameAt = Callable[..., FrameFiles]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A sequence of random images and depth maps, with poses."""
    folder = tmp_path / "room"
    generator = np.random.default_rng(0)
    for name in ("image", "absolute_pose"):
        (folder / name).mkdir(parents=True)
    np.savetxt(folder / "K.txt", [[50, 0, 24], [0, 51, 18], [0, 0, 1]])
    for index in range(COUNT):
        image = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / "image" / f"{index}.png")
        for kind, least in (("sparse_depth", 2.0), ("sparse_depth_150", 3.0), ("ground_truth", 1.0)):
            write_depth_png(folder / kind / f"{index}.png", generator.uniform(least, 4, (HEIGHT, WIDTH)))
        pose = np.eye(4)
        pose[:3, 3] = generator.normal(size=3)
        np.savetxt(folder / "absolute_pose" / f"{index}.txt", pose)
    return folder


@pytest.fixture
def frame_at(room: Path) -> FrameAt:
    """The files of a frame of the room, with neighbours and poses where it has both."""

    def make(index: int = 1) -> FrameFiles:
        files = FrameFiles(
            f"{index}",
            str(room / f"image/{index}.png"),
            str(room / "K.txt"),
            str(room / f"sparse_depth/{index}.png"),
            ground_truth=str(room / f"ground_truth/{index}.png"),
            other_sparse_depth={"sparse_depth_150": str(room / f"sparse_depth_150/{index}.png")},
        )
        if not 0 < index < COUNT - 1:
            return files
        return replace(
            files,
            previous=str(room / f"image/{index - 1}.png"),
            next=str(room / f"image/{index + 1}.png"),
            pose=str(room / f"absolute_pose/{index}.txt"),
            previous_pose=str(room / f"absolute_pose/{index - 1}.txt"),
            next_pose=str(room / f"absolute_pose/{index + 1}.txt"),
        )

    return make


def assert_equal(one: Triplet, other: Triplet) -> None:
    for name in ("image", "sparse_depth", "intrinsics", "ground_truth"):
        np.testing.assert_array_equal(getattr(one.frame, name), getattr(other.frame, name))
    for name in ("previous_image", "next_image", "T_previous_current", "T_next_current"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.frame.name == other.frame.name


def write_text(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.mark.parametrize("sparse_depth", ["sparse_depth", "sparse_depth_150"])
def test_list_reads_what_the_sequence_it_points_to_reads(
    room: Path, frame_at: FrameAt, tmp_path: Path, sparse_depth: str
) -> None:
    path = tmp_path / "elsewhere" / "lists" / "rooms.csv"
    assert write_frame_list(path, map(frame_at, range(COUNT))) == COUNT
    listed, sequence = (open_frames(source, sparse_depth=sparse_depth) for source in (path, room))
    assert isinstance(listed, FrameList)
    assert isinstance(sequence, Sequence)
    assert (listed.name, listed.folder, listed.names) == ("rooms", path, sequence.names)
    assert len(listed) == COUNT
    assert listed.has_ground_truth
    assert listed.has_poses
    assert listed.triplet_indices(7) == (1, 2)
    for index in (1, 2):
        assert_equal(listed.triplet(index, 7), sequence.triplet(index, 1))
        np.testing.assert_array_equal(listed.image(index), sequence.image(index))
        np.testing.assert_array_equal(listed.frame(index).sparse_depth, sequence.frame(index).sparse_depth)


def test_list_moves_with_its_folder(room: Path, frame_at: FrameAt, tmp_path: Path) -> None:
    path = room / "all.csv"
    write_frame_list(path, [frame_at()])
    assert path.read_text().splitlines()[1].startswith("1,image/1.png,K.txt,sparse_depth/1.png,ground_truth/1.png,")
    room.rename(tmp_path / "moved")
    assert FrameList(tmp_path / "moved" / "all.csv").frame(0).name == "1"


def test_list_survives_pickling_for_data_workers(frame_at: FrameAt, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "a.csv", map(frame_at, range(COUNT)))
    listed = FrameList(tmp_path / "a.csv")
    assert_equal(pickle.loads(pickle.dumps(listed)).triplet(2, 1), listed.triplet(2, 1))


def test_list_holds_its_lines_in_little_memory(frame_at: FrameAt, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "a.csv", (replace(frame_at(), name=f"{number:05}") for number in range(2000)))
    assert len(pickle.dumps(FrameList(tmp_path / "a.csv"))) < 1.2 * (tmp_path / "a.csv").stat().st_size + 2000 * 40


def test_list_does_without_ground_truth_neighbours_and_poses(frame_at: FrameAt, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "test.csv", [replace(frame_at(0), ground_truth="")])
    listed = FrameList(tmp_path / "test.csv")
    assert not listed.has_ground_truth
    assert not listed.has_poses
    assert listed.frame(0).ground_truth is None
    with pytest.raises(ValueError, match=r"test\.csv, got none; this list is for evaluation"):
        listed.triplet_indices(1)
    with pytest.raises(ValueError, match=r"frame '0' of .* has no neighbours"):
        listed.triplet(0, 1)


def test_list_gives_the_pose_of_a_frame_that_has_one(room: Path, frame_at: FrameAt, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    write_frame_list(path, [frame_at(0), frame_at(1)])
    source = open_frames(path)
    assert [source.has_pose(index) for index in (0, 1)] == [False, True]
    np.testing.assert_array_equal(source.pose(1), Sequence(room).pose(1))
    np.testing.assert_array_equal(source[1].T_world_camera, source.pose(1))
    assert source[0].T_world_camera is None
    with pytest.raises(FileNotFoundError, match=r"expected a pose of frame '0' in .*list\.csv, got none"):
        source.pose(0)


def test_one_missing_pose_leaves_the_motion_of_a_list_unknown(frame_at: FrameAt, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "a.csv", [frame_at(1), replace(frame_at(2), next_pose="")])
    listed = FrameList(tmp_path / "a.csv")
    assert not listed.has_poses
    assert listed.triplet(0, 1).T_next_current is not None
    assert listed.triplet(1, 1).T_previous_current is None


def test_window_crops_images_and_depth_and_moves_the_principal_point(frame_at: FrameAt, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "a.csv", [frame_at(1), replace(frame_at(1), name="cut", window="3 5 32 40")])
    listed = FrameList(tmp_path / "a.csv")
    whole, cut = listed.triplet(0, 1), listed.triplet(1, 1)
    part = np.s_[3:35, 5:45]
    for name in ("image", "sparse_depth", "ground_truth"):
        np.testing.assert_array_equal(getattr(cut.frame, name), getattr(whole.frame, name)[part])
        np.testing.assert_array_equal(getattr(listed.frame(1), name), getattr(cut.frame, name))
    for name in ("previous_image", "next_image"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name)[part])
    np.testing.assert_array_equal(listed.image(1), cut.frame.image)
    assert cut.frame.intrinsics.tolist() == [[50, 0, 19], [0, 51, 15], [0, 0, 1]]
    np.testing.assert_array_equal(cut.T_previous_current, whole.T_previous_current)


def test_window_hides_no_depth_map_of_another_size(room: Path, frame_at: FrameAt, tmp_path: Path) -> None:
    write_depth_png(room / "sparse_depth" / "1.png", np.ones((HEIGHT, WIDTH + 8), np.float32))
    write_frame_list(tmp_path / "a.csv", [replace(frame_at(1), window="0 0 32 40")])
    with pytest.raises(ValueError, match="sparse_depth is 56x36"):
        FrameList(tmp_path / "a.csv").frame(0)


@pytest.mark.parametrize("window", ["0 9 36 40", "1 0 36 48"])
def test_window_beyond_the_image_is_refused(frame_at: FrameAt, tmp_path: Path, window: str) -> None:
    write_frame_list(tmp_path / "a.csv", [replace(frame_at(1), window=window)])
    for read in (FrameList.frame, FrameList.image):
        with pytest.raises(ValueError, match=rf"inside 48x36 pixels.*got '{window}' \(frame '1' of .*a\.csv"):
            read(FrameList(tmp_path / "a.csv"), 0)


def test_neighbours_are_cut_from_images_side_by_side(room: Path, frame_at: FrameAt, tmp_path: Path) -> None:
    images = [np.asarray(Image.open(room / "image" / f"{index}.png")) for index in range(3)]
    Image.fromarray(np.concatenate(images, axis=1)).save(tmp_path / "three.png")
    three = replace(frame_at(1), image=str(tmp_path / "three.png"), previous="", next="", side_by_side="1")
    lines = [frame_at(1), replace(three, name="three"), replace(three, name="cut", window="0 2 36 40")]
    write_frame_list(tmp_path / "a.csv", lines)
    listed = FrameList(tmp_path / "a.csv")
    assert listed.triplet_indices(1) == (0, 1, 2)
    apart, together, cut = (listed.triplet(index, 1) for index in range(3))
    for name in ("previous_image", "next_image", "T_previous_current"):
        np.testing.assert_array_equal(getattr(together, name), getattr(apart, name))
    np.testing.assert_array_equal(together.frame.image, apart.frame.image)
    np.testing.assert_array_equal(listed.image(1), apart.frame.image)
    np.testing.assert_array_equal(listed.frame(1).image, apart.frame.image)
    np.testing.assert_array_equal(cut.next_image, apart.next_image[:, 2:42])


def test_images_side_by_side_are_of_equal_width(room: Path, frame_at: FrameAt, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((HEIGHT, 3 * WIDTH + 1, 3), np.uint8)).save(tmp_path / "three.png")
    write_frame_list(tmp_path / "a.csv", [replace(frame_at(1), image=str(tmp_path / "three.png"), side_by_side="1")])
    with pytest.raises(ValueError, match=r"width divisible by 3, got 145 in .*three\.png"):
        FrameList(tmp_path / "a.csv").image(0)


def test_missing_files_are_counted_and_the_first_is_named(room: Path, frame_at: FrameAt, tmp_path: Path) -> None:
    write_frame_list(tmp_path / "a.csv", map(frame_at, range(COUNT)))
    for name in ("ground_truth/2.png", "image/3.png"):
        (room / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"a\.csv names, but 3 are missing, first .*2\.png \(ground_truth, line 4\); prepare"
    ):
        FrameList(tmp_path / "a.csv")
    (room / "sparse_depth_150" / "0.png").unlink()
    with pytest.raises(FileNotFoundError, match="3 are missing"):
        FrameList(tmp_path / "a.csv")


HEADER = ["name", "image", "intrinsics", "sparse_depth"]
LINE = ["1", "i.png", "K.txt", "s.png"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[*HEADER, "ground_thruth"], [*LINE, "g.png"]], r"has unknown 'ground_thruth'; .*kbnet prepare lists"),
        ([["name", "sparse_depth"], ["1", "s.png"]], r"expected columns name, image, .* lacks 'image', 'intrinsics'"),
        ([[*HEADER, "image"], [*LINE, "j.png"]], "repeats 'image'"),
        ([["data/image/0001.png"], ["data/image/0002.png"]], "has unknown 'data/image/0001.png', and lacks 'name'"),
        ([], "lacks 'name', 'image', 'intrinsics'"),
        ([HEADER], "at least one frame in .*, got none"),
        ([HEADER, LINE, LINE[:3]], "expected 4 cells as in the first line, got 3 in line 3 of"),
        ([HEADER, LINE, [], LINE], r"lines 2 and 4 of .* are both named '1'"),
        ([HEADER, ["1", "", *LINE[2:]]], r"expected a file for image, got none in line 2 of .* \(frame '1'\)"),
        ([HEADER, [*LINE[:3], ""]], "expected a file for sparse_depth, got none"),
        ([[*HEADER, "window"], [*LINE, "0 0 40"]], "'top left height width' in pixels, got '0 0 40' in line 2"),
        ([[*HEADER, "window"], [*LINE, "0 0 0 40"]], "got '0 0 0 40'"),
        ([[*HEADER, "window"], [*LINE, "-1 0 32 40"]], "got '-1 0 32 40'"),
        ([[*HEADER, "side_by_side"], [*LINE, "yes"]], "side_by_side, got 'yes' in line 2"),
        *[
            ([HEADER, [name, *LINE[1:]]], r"not absolute, '\.\.' or '\.\*\.partial', got ")
            for name in ("", "../a", "a/../b", "a\\..\\b", "/a", "a//b", "a/", "./a", "C:\\a", "a\nb")
        ],
    ],
)
def test_list_refuses_in_one_message_what_is_no_list(tmp_path: Path, rows: list[list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        FrameList(write_text(tmp_path / "a.csv", *rows))
    assert str(tmp_path / "a.csv") in str(caught.value)


def test_list_names_the_columns_of_sparse_depth_to_choose_from(tmp_path: Path) -> None:
    header = [*HEADER[:3], "sparse_depth_150", "sparse_depth_500"]
    path = write_text(tmp_path / "a.csv", header, [*LINE, "t.png"])
    for name in ("sparse_depth", "image"):
        with pytest.raises(ValueError, match="choose sparse_depth_150 or sparse_depth_500 with --sparse-depth"):
            FrameList(path, sparse_depth=name)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff", b'name,image,intrinsics,sparse_depth\n"1,2\n'])
def test_list_refuses_what_is_no_csv(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"as CSV text, but .*a\.csv is none"):
        FrameList(tmp_path / "a.csv")


def test_list_counts_what_is_no_path_as_missing(tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, ValueError), match=r"4 are missing|is none"):  # csv refuses NUL before 3.11
        FrameList(write_text(tmp_path / "a.csv", [*HEADER, "pose"], [*LINE, "a\0/b"]))


def test_list_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.csv"):
        open_frames(tmp_path / "nowhere.csv")


def test_list_written_by_a_spreadsheet_is_read(room: Path, tmp_path: Path) -> None:
    line = ["a b", "room/image/1.png", "room/K.txt", "room/sparse_depth/1.png"]
    text = "\ufeff" + ",".join(HEADER) + "\r\n" + ",".join(line) + "\r\n\r\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    assert FrameList(tmp_path / "a.csv").frame(0).name == "a b"


def test_writing_refuses_what_could_not_be_read_and_keeps_what_is_there(frame_at: FrameAt, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_frame_list(path, [frame_at(1)])
    before = path.read_text()
    refused: list[list[FrameFiles]] = [[], [frame_at(1)] * 2, [replace(frame_at(1), name="../1")]]
    for frames in refused:
        with pytest.raises(ValueError, match="expected"):
            write_frame_list(path, frames)
    assert path.read_text() == before
