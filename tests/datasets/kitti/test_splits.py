"""KITTI's splits: which frames, which K, which neighbours; real lidar frames in the published layout agree."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.datasets.kitti.archives import KittiFolder
from kbnet.datasets.kitti.splits import (
    TrainFiles,
    TrainFrames,
    count_annotated,
    index_selection,
    index_train,
    read_rectified_intrinsics,
)
from kbnet.datasets.kitti.standing import IsStanding, by_speed, never
from kbnet.frames.depth_png import read_depth_png, write_depth_png
from kbnet.frames.frame_list import FrameFiles, FrameList, write_frame_list
from kbnet.points.projection import project_points
from kbnet.sources.scan_columns import KITTI, read_columns

MOVING, PARTLY_STANDING = "2011_09_26_drive_0001_sync", "2011_10_03_drive_0042_sync"


@pytest.fixture(scope="module")
def unpacked(kitti_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything unpacked; read only."""
    kitti = KittiFolder(tmp_path_factory.mktemp("kitti"), by_hand=(kitti_archives,))
    kitti.train()
    kitti.selection("validation")
    kitti.selection("test")
    return kitti.folder


@pytest.fixture
def folder(unpacked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(unpacked, tmp_path / "kitti"))


def train_files(folder: Path) -> TrainFiles:
    return KittiFolder(folder / "elsewhere", by_hand=(folder,)).train()


def index(folder: Path, is_standing: IsStanding = never) -> TrainFrames:
    return index_train(train_files(folder), folder / "intrinsics", is_standing)


def frame_named(frames: TrainFrames, name: str) -> FrameFiles:
    return next(frame for frame in frames.frames if frame.name == name)


def test_index_train_takes_annotated_frames_of_both_cameras(folder: Path) -> None:
    found = index(folder)
    assert [frame.name for frame in found.frames] == [
        f"{drive}/image_0{camera}/{number:010}"
        for drive in (MOVING, PARTLY_STANDING)
        for camera in (2, 3)
        for number in range(5, 10)
    ]
    assert (found.annotated, found.standing, found.lone) == (20, 0, 0)
    assert count_annotated(train_files(folder).ground_truth, "val") == 10


def test_index_train_passes_over_hidden_files_and_copies(folder: Path) -> None:
    for path in list(folder.rglob("*/image_02/0000000005.png")):
        path.with_name(f"._{path.name}").write_bytes(b"")
        path.with_name(f"{path.stem} (1).png").write_bytes(b"")
    assert len(index(folder).frames) == 20


def test_index_train_takes_the_raw_images_before_and_after(folder: Path) -> None:
    frame = frame_named(index(folder), f"{MOVING}/image_03/0000000005")
    raw = folder / "kitti_raw_data" / "2011_09_26" / MOVING / "image_03" / "data"
    assert [frame.previous, frame.image, frame.next] == [str(raw / f"000000000{number}.png") for number in (4, 5, 6)]


def test_index_train_takes_K_of_the_camera_that_saw_the_frame(folder: Path) -> None:
    list_path = folder / "train.csv"
    write_frame_list(list_path, index(folder).frames)
    frames = FrameList(list_path)
    left, right = (
        frames.triplet(frames.names.index(f"{MOVING}/image_0{camera}/0000000005"), 1).frame for camera in (2, 3)
    )
    # The right part of one rendered image: what the left camera sees at x, the right one sees at x - 4.
    np.testing.assert_array_equal(left.image[:, 4:], right.image[:, :-4])
    np.testing.assert_allclose(left.intrinsics - right.intrinsics, [[0, 0, 4], [0, 0, 0], [0, 0, 0]], atol=1e-4)
    assert left.ground_truth is not None
    both = (left.sparse_depth > 0) & (left.ground_truth > 0)
    assert both.any()
    np.testing.assert_array_equal(left.sparse_depth[both], left.ground_truth[both])


def test_index_train_leaves_out_frames_of_a_standing_car(folder: Path) -> None:
    found = index(folder, by_speed)
    names = {frame.name for frame in found.frames}
    assert found.standing == 4
    assert len(names) == 16
    assert not names & {f"{PARTLY_STANDING}/image_0{camera}/000000000{frame}" for camera in (2, 3) for frame in (6, 7)}


def test_index_train_keeps_frames_whose_speed_is_unknown_and_warns(folder: Path) -> None:
    shutil.rmtree(folder / "kitti_raw_data" / "2011_10_03" / PARTLY_STANDING / "oxts")
    with pytest.warns(UserWarning, match="10 of 20 training frames have no OXTS file"):
        found = index(folder, by_speed)
    assert len(found.frames) == 20


def test_index_train_leaves_out_frames_without_a_neighbour(folder: Path) -> None:
    (folder / "kitti_raw_data" / "2011_09_26" / MOVING / "image_02" / "data" / "0000000004.png").unlink()
    found = index(folder)
    assert found.lone == 1
    assert len(found.frames) == 19


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (f"kitti_raw_data/2011_09_26/{MOVING}/image_02/data/0000000007.png", "an image"),
        (
            "kitti_depth_completion/train_val_split/sparse_depth/train"
            f"/{MOVING}/proj_depth/velodyne_raw/image_02/0000000007.png",
            "sparse depth",
        ),
    ],
)
def test_index_train_names_the_partner_that_a_frame_lacks(folder: Path, path: str, what: str) -> None:
    (folder / path).unlink()
    with pytest.raises(FileNotFoundError, match=rf"expected {what} for the annotated frame .*0000000007.*{path}"):
        index(folder)


def test_index_train_accepts_sparse_depth_and_truth_in_one_folder(folder: Path) -> None:
    split = folder / "kitti_depth_completion" / "train_val_split"
    shutil.copytree(split / "sparse_depth" / "train", split / "ground_truth" / "train", dirs_exist_ok=True)
    together = replace(train_files(folder), sparse_depth=split / "ground_truth")
    assert len(index_train(together, folder / "intrinsics", never).frames) == 20


def test_index_selection_keeps_published_names_and_finds_partners(folder: Path) -> None:
    root = folder / "kitti_depth_completion"
    name = "2011_09_26_drive_0002_sync_image_0000000000_image_02"
    frame = index_selection(root / "validation", "validation")[0]
    assert frame == FrameFiles(
        name=name,
        image=str(root / "validation" / "image" / f"{name}.png"),
        intrinsics=str(root / "validation" / "intrinsics" / f"{name}.txt"),
        sparse_depth=str(root / "validation" / "sparse_depth" / f"{name.replace('_image_', '_velodyne_raw_', 1)}.png"),
        ground_truth=str(
            root / "validation" / "ground_truth" / f"{name.replace('_image_', '_groundtruth_depth_', 1)}.png"
        ),
    )
    test = index_selection(root / "testing", "test")
    assert [frame.name for frame in test] == ["0000000000", "0000000001", "0000000002"]
    assert not any(frame.ground_truth for frame in test)


@pytest.mark.parametrize("kind", ["sparse_depth", "ground_truth", "intrinsics"])
def test_index_selection_names_the_partner_that_a_frame_lacks(folder: Path, kind: str) -> None:
    validation = folder / "kitti_depth_completion" / "validation"
    gone = sorted((validation / kind).iterdir())[1]
    gone.unlink()
    with pytest.raises(FileNotFoundError, match=f"expected a partner of .*_0000000001_image_03.*{gone}"):
        index_selection(validation, "validation")


def test_index_selection_refuses_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="images of the test split"):
        index_selection(tmp_path, "test")


@pytest.mark.parametrize("numbers", [None, "7 0 3", "7 0 3 0 0 7 1 0 0 0 one 0"])
def test_read_rectified_intrinsics_refuses_a_calibration_without_them(tmp_path: Path, numbers: str | None) -> None:
    path = tmp_path / "calib_cam_to_cam.txt"
    path.write_text("P_rect_03: 7 0 3 0 0 7 1 0 0 0 1 0\n" + (f"P_rect_02: {numbers}\n" if numbers else ""))
    np.testing.assert_array_equal(read_rectified_intrinsics(path, "image_03"), [[7, 0, 3], [0, 7, 1], [0, 0, 1]])
    with pytest.raises(ValueError, match=r"12 numbers of P_rect_02 in .*calib_cam_to_cam\.txt"):
        read_rectified_intrinsics(path, "image_02")
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        read_rectified_intrinsics(tmp_path / "none.txt", "image_02")


def test_real_lidar_frames_in_the_published_layout_read_back_with_image_and_K(shared: Path, tmp_path: Path) -> None:
    recording = shared / "data" / "kitti_seq00"
    calibration = dict(line.split(":") for line in (recording / "calib.txt").read_text().splitlines() if line)
    P2, Tr = (np.array(calibration[key].split(), float).reshape(3, 4) for key in ("P2", "Tr"))
    T_camera_lidar = np.eye(4)
    T_camera_lidar[:3] = Tr
    T_camera_lidar[:3, 3] += np.linalg.solve(P2[:, :3], P2[:, 3])
    selected = tmp_path / "depth_selection" / "val_selection_cropped"
    for kind in ("image", "intrinsics"):
        (selected / kind).mkdir(parents=True)

    # Cropped as published: 1216 x 352 pixels, at the bottom and in the middle.
    top, left, size = 376 - 352, (1241 - 1216) // 2, (352, 1216)
    K = P2[:, :3] - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]])
    for number in (0, 6):
        name = f"2011_10_03_drive_0027_sync_{{}}_{number:010}_image_02"
        picture = Image.open(recording / "image_2" / f"{number:06}.png").crop((left, top, left + 1216, top + 352))
        picture.save(selected / "image" / f"{name.format('image')}.png")
        np.savetxt(selected / "intrinsics" / f"{name.format('image')}.txt", K.reshape(1, 9))
        scan = read_columns(recording / "velodyne" / f"{number:06}.bin", KITTI)
        for kind in ("velodyne_raw", "groundtruth_depth"):
            depth = project_points(scan, K.astype(np.float32), T_camera_lidar, size)
            write_depth_png(selected / kind / f"{name.format(kind)}.png", depth)

    folder = KittiFolder(tmp_path / "kitti", by_hand=(tmp_path,)).selection("validation")
    write_frame_list(tmp_path / "kitti" / "validation.csv", index_selection(folder, "validation"))
    frames = FrameList(tmp_path / "kitti" / "validation.csv")
    assert len(frames) == 2
    for position, number in enumerate((0, 6)):
        frame = frames.frame(position)
        assert frame.size == size
        whole = np.asarray(Image.open(recording / "image_2" / f"{number:06}.png"))
        np.testing.assert_array_equal(frame.image, whole[top : top + 352, left : left + 1216])
        scan = read_columns(recording / "velodyne" / f"{number:06}.bin", KITTI)
        again = project_points(scan, frame.intrinsics, T_camera_lidar, frame.size)
        np.testing.assert_array_equal(again > 0, frame.sparse_depth > 0)
        np.testing.assert_allclose(again, frame.sparse_depth, atol=0.5 / 256 + 1e-4)
        # A 64-beam lidar measures some 4 to 5 % of the published crop, from a car's length on.
        assert 0.03 < np.mean(frame.sparse_depth > 0) < 0.06
        assert read_depth_png(frames.files(position).ground_truth).max() < 121
