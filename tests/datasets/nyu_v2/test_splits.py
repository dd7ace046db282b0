"""Which files of NYU v2 are frames of a split: scenes, neighbours, the official test frames; and bad archives."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from kbnet.datasets.nyu_v2 import splits as nyu_v2
from kbnet.datasets.nyu_v2.splits import find_data, list_testing, list_training, read_test_split

WriteNYU = Callable[..., Path]


@pytest.fixture
def labelled(tmp_path: Path) -> Callable[[int], Path]:
    """A folder ``testing`` with empty files of all labelled frames."""

    def write(first: int) -> Path:
        for folder in ("images", "depths"):
            (tmp_path / "testing" / folder).mkdir(parents=True)
            for index in range(1449):
                (tmp_path / "testing" / folder / f"{first + index}.png").touch()
        return tmp_path / "testing"

    return write


@pytest.fixture
def splits_file(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(0).permutation(np.arange(1, 1450))
    savemat(tmp_path / "splits.mat", {"testNdxs": numbers[:654, None], "trainNdxs": numbers[654:, None]})
    return tmp_path / "splits.mat"


def test_list_training_takes_published_scenes_with_neighbours_ten_frames_away(write_nyu: WriteNYU) -> None:
    frames = list_training(write_nyu() / "training")
    assert [frame.name for frame in frames] == ["kitchen_0003/10", "kitchen_0003/11"]
    assert [frames[0].previous.stem, frames[0].image.stem, frames[0].next.stem] == ["0", "10", "20"]  # type: ignore[union-attr]
    assert frames[0].depth.is_file()


def test_list_training_leaves_out_frames_without_depth_and_says_so(write_nyu: WriteNYU) -> None:
    root = write_nyu() / "training"
    (root / "depths" / "raw_data" / "kitchen_0003" / "11.png").unlink()
    with pytest.warns(UserWarning, match=r"1 of 2 .* have none, first .*11\.png"):
        assert [frame.name for frame in list_training(root)] == ["kitchen_0003/10"]


def test_list_training_pairs_by_order_where_depth_has_other_names(write_nyu: WriteNYU) -> None:
    root = write_nyu() / "training"
    depths = root / "depths" / "raw_data" / "kitchen_0003"
    for path in list(depths.iterdir()):
        path.rename(depths / f"d-{path.name}")
    assert [frame.depth.name for frame in list_training(root)] == ["d-10.png", "d-11.png"]


def test_list_training_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="scenes like kitchen_0003"):
        list_training(tmp_path)


def test_list_testing_takes_all_of_another_number_and_warns(write_nyu: WriteNYU) -> None:
    with pytest.warns(UserWarning, match=r"expected 654 test frames .* got 3"):
        assert [frame.name for frame in list_testing(write_nyu(first=9) / "testing")] == ["9", "10", "11"]


@pytest.mark.parametrize("first", [0, 1])
def test_list_testing_takes_the_official_frames_of_all_labelled_ones(
    labelled: Callable[[int], Path], splits_file: Path, first: int
) -> None:
    frames = list_testing(labelled(first), splits_file)
    assert [int(frame.name) - first + 1 for frame in frames] == read_test_split(splits_file)
    assert len(frames) == 654


def test_list_testing_asks_for_the_official_split(labelled: Callable[[int], Path]) -> None:
    with pytest.raises(ValueError, match=r"all 1449 labelled frames; fetch .*splits\.mat .*--test-split"):
        list_testing(labelled(0))


def test_list_testing_refuses_numbers_it_cannot_count_on(labelled: Callable[[int], Path], splits_file: Path) -> None:
    with pytest.raises(ValueError, match=r"numbered from 0 or 1 .* got 5\.png"):
        list_testing(labelled(5), splits_file)


def test_list_testing_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected PNG images in"):
        list_testing(tmp_path)


def test_read_test_split_refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "splits.mat"
    with pytest.raises(FileNotFoundError, match="nothing is there"):
        read_test_split(path)
    path.write_text("no MATLAB file")
    with pytest.raises(ValueError, match="cannot be read"):
        read_test_split(path)
    savemat(path, {"testNdxs": np.arange(3)})
    with pytest.raises(ValueError, match="expected 654 numbers"):
        read_test_split(path)


def test_find_data_uses_unpacked_folders_where_they_lie(write_nyu: WriteNYU, tmp_path: Path) -> None:
    root = find_data("test", tmp_path / "out", by_hand=(write_nyu(),))
    assert root == (tmp_path / "unpacked" / "testing").resolve()
    assert not (tmp_path / "out").exists()


def test_find_data_unpacks_only_the_split_asked_for(nyu_archives: Path, tmp_path: Path) -> None:
    root = find_data("test", tmp_path, by_hand=(nyu_archives,))
    assert sorted(path.name for path in (root / "depths").iterdir()) == ["1.png", "2.png", "3.png"]
    assert not (tmp_path / "training").exists()


def test_find_data_needs_no_archive_once_a_split_is_unpacked(nyu_archives: Path, tmp_path: Path) -> None:
    root = find_data("test", tmp_path, by_hand=(nyu_archives,))
    (tmp_path / "nothing").mkdir()
    assert find_data("test", tmp_path, by_hand=(tmp_path / "nothing",)) == root
    with pytest.raises(FileNotFoundError, match=r"nyu_v2\.zip.*, or put it into .*archives"):
        find_data("train", tmp_path, by_hand=(tmp_path / "nothing",))


@pytest.mark.parametrize("listed", [False, True])
def test_find_data_does_not_take_an_interrupted_unpacking_for_done(
    nyu_archives: Path, tmp_path: Path, listed: bool
) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    shutil.copy(nyu_archives / "nyu_v2.zip", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        find_data("train", tmp_path, by_hand=(tmp_path,), on_progress=interrupt)
    if listed:
        (tmp_path / "train.csv").touch()
    root = find_data("train", tmp_path, by_hand=(tmp_path,))
    assert len(list(root.rglob("*.png"))) == 2 * (22 + 1)


def test_find_data_refuses_a_wrong_and_a_truncated_archive(nyu_archives: Path, tmp_path: Path) -> None:
    path = tmp_path / nyu_v2.ARCHIVE.name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("void_1500/train.txt", "")
    with pytest.raises(
        ValueError, match=r"expected nyu_v2\.zip to hold testing, but .* has void_1500/train\.txt; fetch"
    ):
        find_data("test", tmp_path, by_hand=(path,))
    assert path.is_file()
    path.write_bytes((nyu_archives / "nyu_v2.zip").read_bytes()[:-5000])
    with pytest.raises(ValueError, match="truncated"):
        find_data("test", tmp_path, by_hand=(path,))
    assert not (tmp_path / "testing").exists()


def test_find_data_downloads_a_wrong_archive_again(nyu_archives: Path, archive_server: Any, tmp_path: Path) -> None:
    served = archive_server.folder / nyu_v2.ARCHIVE.name
    shutil.copy(nyu_archives / "kitchens_part9.zip", served)
    with pytest.raises(
        ValueError, match=r"has kitchen_0021a/.*nyu_v2\.zip\.wrong, and the next run downloads it again"
    ):
        find_data("test", tmp_path)
    shutil.copy(nyu_archives / served.name, served)
    assert find_data("test", tmp_path).is_dir()
    assert [request.status for request in archive_server.requests] == [200, 200]
