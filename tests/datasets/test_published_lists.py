"""The published text lists: lines that belong together, images side by side, and one message for what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.datasets.published_lists import frames_of_lists
from kbnet.frames.depth_png import write_depth_png
from kbnet.frames.frame_list import FrameList, write_frame_list

HEIGHT, WIDTH = 32, 40
CAMERAS = ("drive_1/image_02", "drive_1/image_03", "drive_2/image_02")
WriteLists = Callable[..., dict[str, Path]]


@pytest.fixture
def write_lists(tmp_path: Path) -> WriteLists:
    """Write a frame of three cameras, whose pixels tell camera and time, and the lists; return these by kind."""

    def write(times: tuple[int, ...] = (0, 1, 2)) -> dict[str, Path]:
        lines: dict[str, list[str]] = {"image": [], "sparse_depth": [], "intrinsics": [], "ground_truth": []}
        for number, camera in enumerate(CAMERAS):
            path = {kind: tmp_path / "data" / kind / camera / "0000000005.png" for kind in lines}
            path["intrinsics"] = path["intrinsics"].with_suffix(".npy")
            for kind in lines:
                path[kind].parent.mkdir(parents=True)
                lines[kind].append(f"{path[kind].relative_to(tmp_path)}\n")
            images = [np.full((HEIGHT, WIDTH, 3), 100 * number + time, np.uint8) for time in times]
            Image.fromarray(np.concatenate(images, axis=1)).save(path["image"])
            write_depth_png(path["sparse_depth"], np.full((HEIGHT, WIDTH), 1.0 + number, np.float32))
            write_depth_png(path["ground_truth"], np.full((HEIGHT, WIDTH), 10.0 + number, np.float32))
            np.save(path["intrinsics"], np.array([[50 + number, 0, 20], [0, 50, 16], [0, 0, 1]]))
        for kind in lines:
            (tmp_path / f"train_{kind}.txt").write_text("".join(lines[kind]))
        return {kind: tmp_path / f"train_{kind}.txt" for kind in lines}

    return write


def test_triplets_side_by_side_become_frames_with_neighbours(write_lists: WriteLists, tmp_path: Path) -> None:
    path = tmp_path / "lists" / "train.csv"
    write_frame_list(path, frames_of_lists(**write_lists(), root=tmp_path))
    listed = FrameList(path)
    assert listed.names == tuple(f"{camera}/0000000005" for camera in CAMERAS)
    assert listed.triplet_indices(1) == (0, 1, 2)
    triplet = listed.triplet(2, 1)
    images = (triplet.previous_image, triplet.frame.image, triplet.next_image)
    assert [image[0, 0, 0] for image in images] == [200, 201, 202]
    assert triplet.frame.size == (HEIGHT, WIDTH)
    assert triplet.frame.intrinsics[0, 0] == 52
    assert triplet.frame.sparse_depth[0, 0] == 3
    assert triplet.frame.ground_truth is not None
    assert triplet.frame.ground_truth[0, 0] == 12


def test_single_images_become_frames_without_neighbours(write_lists: WriteLists, tmp_path: Path) -> None:
    lists = write_lists(times=(1,))
    del lists["ground_truth"]
    write_frame_list(tmp_path / "test.csv", frames_of_lists(**lists, root=tmp_path))
    listed = FrameList(tmp_path / "test.csv")
    assert not listed.has_ground_truth
    assert listed.frame(1).image[0, 0, 0] == 101
    with pytest.raises(ValueError, match="for evaluation"):
        listed.triplet_indices(1)


def test_names_are_as_short_as_tells_them_apart(write_lists: WriteLists, tmp_path: Path) -> None:
    lists = write_lists()
    for path in lists.values():
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert [files.name for files in frames_of_lists(**lists, root=tmp_path)] == [
        "image_02/0000000005",
        "image_03/0000000005",
    ]


def test_absolute_paths_and_blank_ends_of_any_system_are_taken(write_lists: WriteLists, tmp_path: Path) -> None:
    lists = write_lists()
    expected = frames_of_lists(**lists, root=tmp_path)
    for path in lists.values():
        path.write_text("\r\n".join(str(tmp_path / line) for line in path.read_text().split()) + "\r\n\r\n \n")
    assert frames_of_lists(**lists, root=tmp_path / "elsewhere") == expected


def _shorten(lists: dict[str, Path], root: Path) -> None:
    lists["intrinsics"].write_text("".join(lists["intrinsics"].read_text().splitlines(keepends=True)[:2]))


def _remove_files(lists: dict[str, Path], root: Path) -> None:
    for camera in CAMERAS[1:]:
        (root / "data" / "ground_truth" / camera / "0000000005.png").unlink()


def _empty(lists: dict[str, Path], root: Path) -> None:
    lists["sparse_depth"].write_text("\n\n")


def _leave_a_gap(lists: dict[str, Path], root: Path) -> None:
    lists["image"].write_text(lists["image"].read_text().replace("\n", "\n\n", 1))


def _name_twice(lists: dict[str, Path], root: Path) -> None:
    first, *_, last = lists["image"].read_text().splitlines(keepends=True)
    lists["image"].write_text(first + first + last)


def _no_text(lists: dict[str, Path], root: Path) -> None:
    lists["image"].write_bytes(b"\xfd\xfe\n\xff\n\xfe\n")


def _narrow(lists: dict[str, Path], root: Path) -> None:
    Image.fromarray(np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)).save(
        root / "data" / "image" / CAMERAS[0] / "0000000005.png"
    )


def _break(lists: dict[str, Path], root: Path) -> None:
    (root / "data" / "image" / CAMERAS[0] / "0000000005.png").write_bytes(b"no image")


def _forget(lists: dict[str, Path], root: Path) -> None:
    lists["image"].unlink()


def _give(column: str, other: str) -> Callable[[dict[str, Path], Path], None]:
    return lambda lists, root: lists.update({column: lists[other]})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_shorten, r"train_image\.txt has 3, .*train_intrinsics\.txt has 2, .*train_ground_truth\.txt has 3; take"),
        (_remove_files, r"train_ground_truth\.txt names, but 2 of 3 are missing, first .*05\.png \(line 2\); name the"),
        (_empty, r"one path a line in .*train_sparse_depth\.txt, got nothing; take"),
        (_leave_a_gap, r"one path a line in .*train_image\.txt, got nothing in line 2; correct"),
        (_name_twice, r"another image in every line of .*train_image\.txt"),
        (_no_text, r"train_image\.txt names, but 3 of 3 are missing"),
        (_narrow, r"or three times so, got 80x32 in .* and 40x32 in .*; take lists that belong together"),
        (
            _break,
            r"expected a list of images in .*_image\.txt, but .*: expected an image, but .*05\.png cannot be read",
        ),
        (_give("intrinsics", "image"), r"a list of camera matrices K in .*_image\.txt, but its first file is none: "),
        (_give("image", "sparse_depth"), r"a list of images in .*_sparse_depth\.txt, but its first .* an 8-bit colour"),
        (_give("ground_truth", "image"), r"a list of true depth maps in .*_image\.txt, but its first .* 16-bit"),
        (_forget, r"expected a text file of paths at .*_image\.txt, but there is no such file; check its path"),
    ],
)
def test_lists_that_do_not_fit_are_refused(
    write_lists: WriteLists, tmp_path: Path, spoil: Callable[[dict[str, Path], Path], None], message: str
) -> None:
    lists = write_lists()
    spoil(lists, tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        frames_of_lists(**lists, root=tmp_path)
