"""KITTI's archives: only what is wanted is unpacked, once; what the user has is used where it lies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from kbnet.datasets.kitti import archives as kitti_archives
from kbnet.datasets.kitti.archives import KittiFolder, calibration, raw_drive

MOVING, PARTLY_STANDING = "2011_09_26_drive_0001_sync", "2011_10_03_drive_0042_sync"


def test_urls_are_the_published_ones() -> None:
    bucket = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
    assert raw_drive(MOVING).url == f"{bucket}/raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip"
    assert calibration("2011_09_26").url == f"{bucket}/raw_data/2011_09_26_calib.zip"
    assert kitti_archives.SELECTION.url == f"{bucket}/data_depth_selection.zip"


def test_train_unpacks_two_cameras_and_the_speed(kitti_archives: Path, tmp_path: Path) -> None:
    files = KittiFolder(tmp_path, by_hand=(kitti_archives,)).train()
    assert list(files.drives) == [MOVING, PARTLY_STANDING]
    drive = tmp_path / "kitti_raw_data" / "2011_09_26" / MOVING
    assert files.drives[MOVING] == drive
    assert sorted(path.name for path in drive.iterdir()) == ["image_02", "image_03", "oxts"]
    assert {path.name for path in drive.glob("*/*")} == {"data"}
    assert sorted(path.name for path in drive.parent.iterdir()) == [MOVING, "calib_cam_to_cam.txt"]
    proj_depth = files.sparse_depth / "val" / "2011_09_26_drive_0002_sync" / "proj_depth"
    assert len(list((proj_depth / "velodyne_raw" / "image_03").iterdir())) == 5


def test_selection_is_unpacked_without_what_is_for_another_task(kitti_archives: Path, tmp_path: Path) -> None:
    kitti = KittiFolder(tmp_path, by_hand=(kitti_archives / "data_depth_selection.zip",))
    validation, test = kitti.selection("validation"), kitti.selection("test")
    assert sorted(path.name for path in validation.iterdir()) == ["ground_truth", "image", "intrinsics", "sparse_depth"]
    assert sorted(path.name for path in test.iterdir()) == ["image", "intrinsics", "sparse_depth"]
    assert sorted(path.name for path in (tmp_path / "kitti_depth_completion").iterdir()) == ["testing", "validation"]
    assert kitti.written == 3 * 4 + 3 * 3
    assert not list(tmp_path.rglob("*.unfinished"))


def test_train_downloads_the_drives_that_the_annotations_name(
    kitti_archives: Path, tmp_path: Path, archive_server: Any
) -> None:
    shutil.copytree(kitti_archives, archive_server.folder, dirs_exist_ok=True)
    files = KittiFolder(tmp_path).train()
    assert len(files.drives) == 2
    names = [request.name for request in archive_server.requests]
    assert sorted(names) == sorted(path.name for path in kitti_archives.iterdir() if "selection" not in path.name)


def test_train_needs_no_archive_once_it_is_unpacked(kitti_archives: Path, tmp_path: Path) -> None:
    first = KittiFolder(tmp_path, by_hand=(kitti_archives,))
    files = first.train()
    assert first.written > 0
    (tmp_path / "nothing").mkdir()
    second = KittiFolder(tmp_path, by_hand=(tmp_path / "nothing",))
    assert second.train() == files
    assert second.written == 0


def test_train_unpacks_again_what_was_removed(kitti_archives: Path, tmp_path: Path) -> None:
    KittiFolder(tmp_path, by_hand=(kitti_archives,)).train()
    shutil.rmtree(tmp_path / "kitti_raw_data" / "2011_09_26" / MOVING)
    second = KittiFolder(tmp_path, by_hand=(kitti_archives,))
    assert second.train().drives[MOVING].is_dir()
    assert second.written == 3 * 12


def test_an_interrupted_unpacking_is_not_taken_for_done(kitti_archives: Path, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if PARTLY_STANDING in what and done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        KittiFolder(tmp_path, by_hand=(kitti_archives,), on_progress=interrupt).train()
    drive = tmp_path / "kitti_raw_data" / "2011_10_03" / PARTLY_STANDING
    before = len(list(drive.rglob("*.*")))
    assert before < 36
    again = KittiFolder(tmp_path, by_hand=(kitti_archives,))
    again.train()
    assert len(list(drive.rglob("*.*"))) == 36
    assert again.written == 36 - before


def test_train_says_all_that_is_missing_and_unpacks_the_rest(kitti_archives: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(kitti_archives / "data_depth_velodyne.zip", given)
    kitti = KittiFolder(tmp_path / "kitti", by_hand=(given,))
    with pytest.raises(FileNotFoundError, match=r"expected data_depth_annotated\.zip, .*says which raw drives"):
        kitti.train()
    shutil.copy(kitti_archives / "data_depth_annotated.zip", given)
    shutil.copy(kitti_archives / f"{MOVING}.zip", given)
    kitti = KittiFolder(tmp_path / "kitti", by_hand=(given,))
    with pytest.raises(FileNotFoundError, match=r"2011_09_26_calib\.zip and 2 more, .*--from.*kitti/archives$"):
        kitti.train()
    missing = ["2011_09_26_calib.zip", "2011_10_03_calib.zip", f"{PARTLY_STANDING}.zip"]
    assert [archive.name for archive in kitti.missing] == missing
    assert (kitti.folder / "kitti_raw_data" / "2011_09_26" / MOVING).is_dir()


def test_train_takes_the_drives_that_are_whole_and_names_the_others(kitti_archives: Path, tmp_path: Path) -> None:
    given = Path(shutil.copytree(kitti_archives, tmp_path / "given"))
    (given / "2011_09_26_calib.zip").unlink()
    kitti = KittiFolder(tmp_path / "kitti", by_hand=(given,))
    files = kitti.train()
    assert list(files.drives) == [PARTLY_STANDING]
    assert list(files.calibrations) == ["2011_10_03"]
    assert kitti.what_is_missing().startswith("expected 2011_09_26_calib.zip, but")
    shutil.copy(kitti_archives / "2011_09_26_calib.zip", given)
    again = KittiFolder(tmp_path / "kitti", by_hand=(given,))
    assert list(again.train().drives) == [MOVING, PARTLY_STANDING]
    assert again.missing == []


def test_train_does_not_take_its_own_folder_for_unpacked_when_named_by_hand(
    kitti_archives: Path, tmp_path: Path
) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if "annotated" in what and done > total / 2:
            raise KeyboardInterrupt

    folder = Path(shutil.copytree(kitti_archives, tmp_path / "kitti"))
    with pytest.raises(KeyboardInterrupt):
        KittiFolder(folder, by_hand=(folder,), on_progress=interrupt).train()
    truth = KittiFolder(folder, by_hand=(folder,)).train().ground_truth
    assert len(list(truth.rglob("*.png"))) == 3 * 2 * 5


def test_unpacked_data_is_used_where_it_lies(kitti_archives: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    made = KittiFolder(ours, by_hand=(kitti_archives,))
    files = made.train()
    made.selection("test")
    for given in ((ours,), (ours / "kitti_raw_data", ours / "kitti_depth_completion")):
        other = KittiFolder(tmp_path / "other", by_hand=given)
        assert other.train() == files
        assert other.selection("test") == ours / "kitti_depth_completion" / "testing"

    for archive in kitti_archives.glob("*.zip"):
        ZipFile(archive).extractall(theirs)
    other = KittiFolder(tmp_path / "other", by_hand=(theirs,))
    files = other.train()
    assert files.sparse_depth == files.ground_truth == theirs
    assert files.drives[MOVING] == theirs / "2011_09_26" / MOVING
    assert other.selection("validation") == theirs / "depth_selection" / "val_selection_cropped"
    assert other.selection("test") == theirs / "depth_selection" / "test_depth_completion_anonymous"
    assert not other.folder.exists()


def test_unpacked_data_in_the_folder_itself_is_used(kitti_archives: Path, tmp_path: Path) -> None:
    KittiFolder(tmp_path / "theirs", by_hand=(kitti_archives,)).train()
    (tmp_path / "theirs").rename(tmp_path / "ours")
    for given in ((), (tmp_path / "ours",)):
        kitti = KittiFolder(tmp_path / "ours", by_hand=given)
        assert len(kitti.train().drives) == 2
        assert kitti.written == 0


def test_a_truncated_archive_is_named(kitti_archives: Path, tmp_path: Path) -> None:
    whole = (kitti_archives / "data_depth_selection.zip").read_bytes()
    (tmp_path / "data_depth_selection.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"data_depth_selection\.zip.* truncated"):
        KittiFolder(tmp_path / "kitti", by_hand=(tmp_path,)).selection("validation")


def test_an_archive_without_the_split_is_named(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "data_depth_selection.zip", "w") as archive:
        archive.writestr("depth_selection/test_depth_completion_anonymous/image/0000000000.png", b"x")
    kitti = KittiFolder(tmp_path / "kitti", by_hand=(tmp_path,))
    assert kitti.selection("test").is_dir()
    with pytest.raises(ValueError, match=r"expected data_depth_selection\.zip to hold validation"):
        kitti.selection("validation")


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path / 'nothing'}, but nothing is there; check --from"):
        KittiFolder(tmp_path, by_hand=(tmp_path / "nothing",))


@pytest.mark.parametrize(
    "name", ["data_depth_annotated.zip", "data_depth_velodyne.zip", f"{MOVING}.zip", "2011_10_03_calib.zip"]
)
def test_a_wrong_download_leaves_nothing_and_is_fetched_again(
    kitti_archives: Path, tmp_path: Path, archive_server: Any, name: str
) -> None:
    shutil.copytree(kitti_archives, archive_server.folder, dirs_exist_ok=True)
    other = {"data_depth_annotated.zip": "data_depth_velodyne.zip", "data_depth_velodyne.zip": f"{MOVING}.zip"}
    archive_server.contents[name] = (kitti_archives / other.get(name, "data_depth_annotated.zip")).read_bytes()
    with pytest.raises(
        ValueError, match=rf"expected {name} to hold .*{name} has .*; it is put aside as .*{name}\.wrong"
    ):
        KittiFolder(tmp_path).train()
    archive_server.contents.clear()
    kitti = KittiFolder(tmp_path)
    assert len(kitti.train().drives) == 2
    assert not list(tmp_path.rglob("*.unfinished"))
    assert len([request for request in archive_server.requests if request.name == name]) == 2
    assert len(list(tmp_path.rglob("*.png"))) == 2 * 2 * 12 + 2 * 3 * 2 * 5
