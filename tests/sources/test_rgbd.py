"""Folders of colour and depth images: dense, sparse or smaller depth; recordings of an OAK-D."""

from __future__ import annotations

import json
import re
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kbnet
from kbnet.cli.main import main
from kbnet.training.recordings import places_of_recordings

K = np.array([[60.0, 0, 39.5], [0, 62, 29.5], [0, 0, 1]])
DEPTH = np.random.default_rng(0).uniform(1, 4, (60, 80)).astype(np.float32)
MILLIMETRES = np.rint(1000 * DEPTH).astype(np.uint16)


def write(folder: Path, *, images: str = "color", depth: str = "png", numbers: tuple[int, ...] = (9, 10, 11)) -> Path:
    """As Open3D's reader of Azure Kinect recordings: color/, depth/ in millimetres, intrinsic.json."""
    for name in (images, "depth"):
        (folder / name).mkdir(parents=True)
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(folder / images / f"frame-{number}.color.png")
        target = folder / "depth" / f"frame-{number}.depth.{depth}"
        if depth == "png":
            Image.fromarray(MILLIMETRES).save(target)
        else:
            np.save(target, DEPTH)
    content = {"width": 80, "height": 60, "intrinsic_matrix": K.T.ravel().tolist()}
    (folder / "intrinsic.json").write_text(json.dumps(content))
    return folder


def test_dense_depth_is_truth_and_its_corners_are_points(tmp_path: Path) -> None:
    source: Any = kbnet.open_frames(write(tmp_path), depth_unit=0.001, points=50)
    assert source.names == ("frame-09.color", "frame-10.color", "frame-11.color")
    frame = source.frame(1)
    np.testing.assert_array_equal(frame.image, np.random.default_rng(10).integers(0, 256, (60, 80, 3), np.uint8))
    np.testing.assert_allclose(frame.intrinsics, K)
    np.testing.assert_allclose(frame.ground_truth, MILLIMETRES / 1000, rtol=1e-6)
    taken = frame.sparse_depth > 0
    assert 0 < taken.sum() <= 50
    np.testing.assert_array_equal(frame.sparse_depth[taken], frame.ground_truth[taken])


def test_names_of_folders_may_have_capitals_and_others_are_refused_with_those_that_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path, images="Color", depth="npy")
    (folder / "depth").rename(folder / "DEPTH")
    assert len(kbnet.open_frames(folder)) == 3
    (folder / "DEPTH").rename(folder / "depth_maps")
    np.savetxt(folder / "K.txt", K)
    with pytest.raises(FileNotFoundError, match=r"call folders of colour and depth images color/ and depth/"):
        kbnet.open_frames(folder)


def test_files_of_another_format_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for path in (folder / "depth").iterdir():
        path.rename(path.with_suffix(".tiff"))
    with pytest.raises(FileNotFoundError, match=r"expected files .png, .npy, .exr in .*depth, got .tiff; convert them"):
        kbnet.open_frames(folder)


def test_k_of_another_program_as_json_is_refused_with_the_numbers_to_write(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "intrinsic.json").write_text(json.dumps({"fx": 60.0, "fy": 62.0, "ppx": 39.5, "ppy": 29.5}))
    with pytest.raises(ValueError, match=r"write 60.0 0 39.5 0 62.0 29.5 0 0 1 to K.txt, and give that"):
        kbnet.open_frames(folder, depth_unit=0.001).frame(0)


def test_depth_of_another_camera_is_refused_or_carried_over(tmp_path: Path) -> None:
    """ScanNet's folders: the lens is the same, so that each depth pixel has its place in the larger image."""
    folder = write(tmp_path / "scan", depth="npy")
    (folder / "intrinsic").mkdir()
    (folder / "intrinsic.json").rename(folder / "K.json")
    wide = np.array([[25.0, 0, 16], [0, 26, 15], [0, 0, 1]])
    depth = np.zeros((28, 36), np.float32)
    depth[6:20, 9:27] = 2
    for path in (folder / "depth").iterdir():
        np.save(path, depth)
    for name, matrix in (("intrinsic_color", K), ("intrinsic_depth", wide)):
        padded = np.eye(4)  # as ScanNet's own reader exports it
        padded[:3, :3] = matrix
        np.savetxt(folder / "intrinsic" / f"{name}.txt", padded, fmt="%f")
    with pytest.raises(ValueError, match=r"another camera took it \(fx 25.0 at 36x28, of images 60.0.*aligned_depth"):
        kbnet.open_frames(folder).frame(0)
    for name in ("extrinsic_color", "extrinsic_depth"):
        np.savetxt(folder / "intrinsic" / f"{name}.txt", np.eye(4))
    frame = kbnet.open_frames(folder).frame(0)
    np.testing.assert_allclose(frame.intrinsics, K)
    assert frame.ground_truth is None
    rows, columns = np.nonzero(depth)
    x, y = K[0, 0] * (columns - 16) / 25 + K[0, 2], K[1, 1] * (rows - 15) / 26 + K[1, 2]
    seen = sorted({(round(a), round(b)) for a, b in zip(y.tolist(), x.tolist(), strict=True) if b > -0.5 and a > -0.5})
    assert list(zip(*(part.tolist() for part in np.nonzero(frame.sparse_depth)), strict=True)) == seen


@pytest.mark.parametrize("size", [(484, 648), (480, 640)])
def test_k_of_scannet_is_that_of_the_whole_images_whatever_size_was_exported(
    size: tuple[int, int], tmp_path: Path
) -> None:
    for name, pixels in (("color", np.zeros((*size, 3), np.uint8)), ("depth", np.full((480, 640), 2000, np.uint16))):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    (tmp_path / "intrinsic").mkdir()
    (tmp_path / "intrinsic" / "intrinsic_color.txt").write_text("1170 0 647.75 0 0 1170 483.75 0 0 0 1 0 0 0 0 1")
    if size == (480, 640):
        with pytest.raises(
            ValueError, match=r"intrinsic_color.txt is for 1296x968 .* images have 640x480, which is no"
        ):
            kbnet.open_frames(tmp_path, depth_unit=0.001).frame(0)
    else:
        source: Any = kbnet.open_frames(tmp_path, depth_unit=0.001)
        with pytest.warns(UserWarning, match=r"K is scaled by 0\.5"):
            K = source.camera.K
        np.testing.assert_allclose(K[:2, 2], [323.625, 241.625])


def test_depth_that_lies_on_the_images_by_name_is_preferred(tmp_path: Path) -> None:
    folder = write(tmp_path / "scan")
    assert "is taken to lie on the images" in kbnet.open_frames(folder, depth_unit=0.001).assumptions()[0]  # type: ignore[attr-defined]
    np.savetxt(folder / "K_depth.txt", K + np.diag([9, 9, 0]))
    with pytest.raises(ValueError, match="another camera took it"):
        kbnet.open_frames(folder, depth_unit=0.001).frame(0)
    np.savetxt(folder / "K_depth.txt", K)
    assert kbnet.open_frames(folder, depth_unit=0.001).frame(0).ground_truth is not None
    np.savetxt(folder / "K_depth.txt", K + np.diag([9, 9, 0]))
    (folder / "depth").rename(folder / "aligned_depth")
    write(tmp_path / "raw", numbers=(1, 2))
    (tmp_path / "raw" / "depth").rename(folder / "depth")
    source: Any = kbnet.open_frames(folder, depth_unit=0.001)
    assert len(source) == 3
    assert source.assumptions() == []


def poses_as(layout: str, folder: Path, poses: list[Any]) -> None:
    """Poses of images 9, 10 and 11."""
    if layout == "scannet":
        (folder / "pose").mkdir()
        for number, pose in zip((9, 10, 11), poses, strict=True):
            np.savetxt(folder / "pose" / f"{number}.txt", pose)
    elif layout == "open3d":
        (folder / "scene").mkdir()
        entries = [f"{index} {index} 4\n" + "\n".join(map(str, pose)) for index, pose in enumerate(poses)]
        (folder / "scene" / "trajectory.log").write_text("\n".join(entries).replace("[", "").replace("]", ""))
    elif layout == "blocks":
        np.savetxt(folder / "poses.txt", np.concatenate(poses))
    elif layout == "blocks of 3x4":
        np.savetxt(folder / "poses.txt", np.concatenate([pose[:3] for pose in poses]))
    elif layout == "files of 3x4":
        (folder / "poses").mkdir()
        for number, pose in zip((9, 10, 11), poses, strict=True):
            np.savetxt(folder / "poses" / f"frame-{number:06}.pose.txt", pose[:3])
    elif layout == "kitti":
        np.savetxt(folder / "poses.txt", [pose[:3].ravel() for pose in poses])
    else:
        np.savetxt(
            folder / "trajectory.txt", [[index / 30, *pose[:3, 3], 0, 0, 0, 1] for index, pose in enumerate(poses)]
        )


@pytest.mark.parametrize("layout", ["scannet", "open3d", "blocks", "blocks of 3x4", "files of 3x4", "kitti", "tum"])
def test_poses_beside_the_images_are_read(layout: str, tmp_path: Path) -> None:
    poses = [np.eye(4) + 0.5 * index * np.eye(4, k=3) for index in range(3)]
    poses_as(layout, write(tmp_path / "scan"), poses)
    source: Any = kbnet.open_frames(tmp_path / "scan", depth_unit=0.001)
    for index, pose in enumerate(poses):
        np.testing.assert_allclose(source.pose(index), pose)
    assert "taken for camera to world" in source.assumptions()[1]


def test_poses_that_belong_to_no_image_for_certain_are_not_used(tmp_path: Path) -> None:
    poses_as("kitti", write(tmp_path / "more"), [np.eye(4)] * 4)
    with pytest.warns(UserWarning, match="is not used: it holds 4 poses for 3 images"):
        assert not kbnet.open_frames(tmp_path / "more", depth_unit=0.001).has_pose(0)
    poses_as("open3d", write(tmp_path / "gap"), [np.eye(4)] * 3)
    log = tmp_path / "gap" / "scene" / "trajectory.log"
    log.write_text(log.read_text().replace("2 2 4", "3 3 4"))
    with pytest.warns(UserWarning, match="is not used: .* that count the images one by one"):
        assert not kbnet.open_frames(tmp_path / "gap", depth_unit=0.001).has_pose(0)
    poses_as("scannet", write(tmp_path / "lost"), [np.full((4, 4), -np.inf), np.eye(4), np.eye(4)])
    with pytest.warns(UserWarning, match="1 of 3 images have no pose"):
        source = kbnet.open_frames(tmp_path / "lost", depth_unit=0.001)
    assert [source.has_pose(index) for index in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    "content", ["", "Poses by hand.\n", "1 2 3 0 0 0 1\n" * 3, "0001.png 1 2 3 0 0 0 1\n" * 3, "1 2 3 4\n" * 12]
)
def test_a_list_of_another_format_does_not_keep_the_images_from_being_read(content: str, tmp_path: Path) -> None:
    (write(tmp_path) / "poses.txt").write_text(content)
    np.savetxt(tmp_path / "traj.txt", [np.eye(4).ravel()] * 3)
    with pytest.warns(UserWarning, match=r"poses\.txt is not used: "):
        source: Any = kbnet.open_frames(tmp_path, depth_unit=0.001)
    assert source.has_pose(0)
    assert "traj.txt" in source.assumptions()[1]


@pytest.mark.parametrize(
    ("other", "removed", "said"),
    [
        ("README.txt", (), ""),
        ("0009.txt", (), r"0009\.txt and 9\.txt have equal numbers"),
        ("README.txt", (9, 10, 11), "no pose of an image"),
    ],
)
def test_files_of_poses_belong_to_images_by_their_numbers(
    other: str, removed: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    poses_as("scannet", write(tmp_path), [np.eye(4)] * 3)
    (tmp_path / "pose" / other).write_text("Camera to world.")
    for number in removed:
        (tmp_path / "pose" / f"{number}.txt").unlink()
    with pytest.warns(UserWarning, match=f"is not used: .*{said}") if said else nullcontext():
        assert kbnet.open_frames(tmp_path, depth_unit=0.001).has_pose(0) == (not said)


def test_as_many_poses_of_other_numbers_are_not_used(tmp_path: Path) -> None:
    """Counted from 8, not from 9: each image would have the pose of the next one."""
    poses_as("scannet", write(tmp_path), [np.eye(4)] * 3)
    (tmp_path / "pose" / "11.txt").rename(tmp_path / "pose" / "8.txt")
    with pytest.warns(UserWarning, match="pose is not used: it has as many poses as there are images, but of other"):
        assert not kbnet.open_frames(tmp_path, depth_unit=0.001).has_pose(0)


def in_one_folder(folder: Path, *, image: str, depth: str, unit: float) -> Path:
    """Frames 0, 1 and 3 whose depth is their number and 1 m."""
    folder.mkdir(parents=True)
    for number in (0, 1, 3):
        Image.fromarray(np.full((60, 80, 3), 9 * number, np.uint8)).save(folder / image.format(number))
        values = np.full((60, 80), round((1 + number) / unit), np.uint16)
        Image.fromarray(values).save(folder / depth.format(number))
    return folder


def test_images_and_depth_in_one_folder_are_told_by_name(tmp_path: Path) -> None:
    """7-Scenes' sequences; Replica's rooms as NICE-SLAM wrote them, with K and the unit beside them."""
    scenes = in_one_folder(
        tmp_path / "seq-01", image="frame-{:06}.color.png", depth="frame-{:06}.depth.png", unit=0.001
    )
    for number in (0, 1, 3):
        np.savetxt(scenes / f"frame-{number:06}.pose.txt", np.eye(4) + number * np.eye(4, k=3))
    with pytest.raises(FileNotFoundError, match=r"expected K of .*seq-01 in K\.txt"):
        kbnet.open_frames(scenes, depth_unit=0.001).frame(0)
    np.savetxt(scenes / "K.txt", K)
    room = in_one_folder(
        tmp_path / "Replica" / "room0" / "results", image="frame{:06}.png", depth="depth{:06}.png", unit=2**-12
    ).parent
    np.savetxt(room / "traj.txt", [(np.eye(4) + number * np.eye(4, k=3)).ravel() for number in (0, 1, 3)])
    camera = {"w": 80, "h": 60, "fx": 60.0, "fy": 62.0, "cx": 39.5, "cy": 29.5, "scale": 2**12}
    (room.parent / "cam_params.json").write_text(json.dumps({"camera": camera}))
    for source in (kbnet.open_frames(scenes, depth_unit=0.001), kbnet.open_frames(room)):
        np.testing.assert_allclose(source.frame(0).intrinsics, K)
        for index, number in enumerate((0, 1, 3)):
            assert source.frame(index).image[0, 0, 0] == 9 * number
            np.testing.assert_allclose(source.frame(index).ground_truth, 1 + number)
            assert source.pose(index)[0, 3] == number
    in_one_folder(tmp_path / "zed", image="left{:06}.png", depth="depth{:06}.png", unit=0.001)
    (tmp_path / "zed" / "right000000.png").write_bytes((tmp_path / "zed" / "left000000.png").read_bytes())
    with pytest.raises(ValueError, match=r"of one kind each in .*zed, got names as left0\.png, right0\.png; move"):
        kbnet.open_frames(tmp_path / "zed", depth_unit=0.001)


def test_one_of_two_folders_of_images_and_metres_are_said_aloud(tmp_path: Path) -> None:
    folder = write(tmp_path, depth="npy")
    write(tmp_path / "other")
    (tmp_path / "other" / "color").rename(folder / "rgb")
    with pytest.warns(UserWarning, match="holds color and rgb: the images of color are read"):
        source: Any = kbnet.open_frames(folder)
    assert f"metres along z: a median of {np.median(DEPTH):.3g} m in the first image" in source.assumptions()[1]


@pytest.mark.parametrize("step", [1, 2])
def test_distances_from_the_camera_are_told_from_depth_by_flat_walls(step: int, tmp_path: Path) -> None:
    """As Isaac Sim's distance_to_camera; in a corner of a room."""
    folder = write(tmp_path, depth="npy")
    v, u = np.indices(DEPTH.shape)
    rays = np.linalg.inv(K) @ np.stack([u, v, np.ones(DEPTH.shape)]).reshape(3, -1)
    depth = (3 / (1 + np.abs(rays[0]))).reshape(DEPTH.shape)
    distance = depth * np.linalg.norm(rays, axis=0).reshape(DEPTH.shape)
    for values, said in ((depth, False), (distance, True)):
        for path in (folder / "depth").iterdir():
            np.save(path, values[::step, ::step].astype(np.float32))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kbnet.open_frames(folder).frame(0)
        assert ["seems to be the distance from the camera" in str(one.message) for one in caught] == [True] * said


def test_poses_counted_otherwise_than_the_images_are_warned_of_or_not_used(tmp_path: Path) -> None:
    folder = write(tmp_path / "one off", numbers=tuple(range(5)))
    (folder / "pose").mkdir()
    for number in (1, 2, 4, 5):
        np.savetxt(folder / "pose" / f"{number}.txt", np.eye(4))
    with pytest.warns(UserWarning, match="hold 5 and 4 files, counted from 0 and 1, of which equal numbers pair"):
        kbnet.open_frames(folder, depth_unit=0.001)
    for name, rows, used in (("same", (0, 1, 3), True), ("other", (0, 2, 3), False)):
        folder = write(tmp_path / name, numbers=(9, 10, 12))
        np.savetxt(folder / "poses.txt", [[row, row, 0, 0, 0, 0, 0, 1] for row in rows])
        with nullcontext() if used else pytest.warns(UserWarning, match="its first column counts other frames"):
            assert kbnet.open_frames(folder, depth_unit=0.001).has_pose(0) == used


def rename_images(folder: Path, names: tuple[str, ...]) -> None:
    for part in ("color", "depth"):
        for name, path in zip(names, sorted((folder / part).iterdir()), strict=True):
            path.rename(path.with_name(f"{name}.png"))


def test_dates_as_names_are_no_times_and_poses_of_another_clock_are_not_used(tmp_path: Path) -> None:
    poses_as("tum", write(tmp_path), [np.eye(4)] * 3)
    rename_images(tmp_path, ("20230101_120000", "20230101_120001", "20230101_120002"))
    assert kbnet.open_frames(tmp_path, depth_unit=0.001).has_pose(0)
    rename_images(tmp_path, ("1403636579.0", "1403636579.1", "1403636579.2"))
    with pytest.warns(UserWarning, match="check that both have one clock") as caught:
        source: Any = kbnet.open_frames(tmp_path, depth_unit=0.001)
    assert len(caught) == 1
    assert "poses" not in "".join(source.assumptions())


def test_poses_are_taken_at_the_times_in_names(tmp_path: Path) -> None:
    folder = write(tmp_path / "scan")
    rename_images(folder, ("1403636579.000000", "1403636579.100000", "1403636579.200000"))
    rows = [[1403636579e9 + 1e8 * index, index, 0, 0, 0, 0, 0, 1] for index in range(-2, 5)]
    np.savetxt(folder / "groundtruth.txt", rows)
    source = kbnet.open_frames(folder, depth_unit=0.001)
    np.testing.assert_allclose([source.pose(index)[0, 3] for index in range(3)], [0, 1, 2], atol=1e-4)


def test_recordings_of_one_name_are_written_to_a_folder_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbnet.training.recordings.recording_kind", lambda *_: "a kind")
    places = places_of_recordings([Path("p/a_3"), Path("q/a"), Path("r/a")], Path("run"))
    assert len(set(places.values())) == 3


def test_a_folder_named_as_a_sequence_is_one_by_its_sparse_depth_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "scan", images="image")
    np.savetxt(folder / "K.txt", K)
    assert len(kbnet.open_frames(folder, depth_unit=0.001)) == 3
    with pytest.raises(FileNotFoundError, match="sparse depth PNG for every image"):
        kbnet.open_frames(folder, sparse_depth="depth")
    assert places_of_recordings([folder], tmp_path, ["depth"]) == {}
    (folder / "sparse_depth_500").mkdir()
    with pytest.raises(FileNotFoundError, match="choose sparse_depth_500"):
        kbnet.open_frames(folder)


def test_confidence_of_unknown_numbers_is_said_to_be_unused(tmp_path: Path) -> None:
    (write(tmp_path) / "confidence").mkdir()
    with pytest.warns(UserWarning, match="confidence is not used"):
        kbnet.open_frames(tmp_path, depth_unit=0.001)


def test_centimetres_near_the_camera_are_warned_of(tmp_path: Path) -> None:
    """Of simulators. The nearest tenth is too near to be refused."""
    folder = write(tmp_path / "scan", depth="npy")
    for path in (folder / "depth").iterdir():
        np.save(path, np.where(np.arange(80) < 20, np.float32(60), 100 * DEPTH))
    with pytest.warns(UserWarning, match=r"half of the depth in .* is beyond 100 m: is it in centi.*--depth-unit"):
        kbnet.open_frames(folder).frame(0)


def test_depth_that_ends_at_one_is_warned_of(tmp_path: Path) -> None:
    """Depth buffers of simulators, and normalised depth."""
    folder = write(tmp_path / "scan", depth="npy")
    for path in (folder / "depth").iterdir():
        np.save(path, DEPTH / DEPTH.max())
    with pytest.warns(UserWarning, match=r"its largest value is exactly 1: is it normalised depth.*--depth-unit"):
        kbnet.open_frames(folder).frame(0)


def test_depth_of_another_rate_is_warned_of(tmp_path: Path) -> None:
    for path in sorted((write(tmp_path, numbers=tuple(range(9))) / "depth").iterdir())[3:]:
        path.unlink()
    with pytest.warns(UserWarning, match="counted from 0: copy the missing ones or, if one was recorded more often"):
        kbnet.open_frames(tmp_path, depth_unit=0.001)


def test_sparse_and_smaller_depth_are_points(tmp_path: Path) -> None:
    folder = write(tmp_path / "small", depth="npy")
    for path in (folder / "depth").iterdir():
        np.save(path, DEPTH[::2, ::2])
    frame = kbnet.open_frames(folder).frame(0)
    assert frame.ground_truth is None
    assert np.count_nonzero(frame.sparse_depth) == 30 * 40
    few = np.zeros_like(DEPTH)
    few[::10, ::10] = DEPTH[::10, ::10]
    for path in (folder / "depth").iterdir():
        np.save(path, few)
    np.testing.assert_array_equal(kbnet.open_frames(folder).frame(0).sparse_depth, few)


def test_whole_numbers_without_a_unit_and_names_that_do_not_pair_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "scan")
    with pytest.raises(ValueError, match=r"the unit of the whole numbers in .* is not known: give .*--depth-unit"):
        kbnet.open_frames(folder).frame(0)
    for index, path in enumerate(sorted((folder / "depth").iterdir())):
        path.rename(path.with_name(f"depth_{'abc'[index]}.png"))
    with pytest.raises(ValueError, match="expected names that pair images and depth"):
        kbnet.open_frames(folder, depth_unit=0.001)
    write(tmp_path / "times", images="image")  # as Redwood's scans: numbers and times, of which few are equal
    assert len(kbnet.open_frames(tmp_path / "times", depth_unit=0.001)) == 3
    for path in sorted((tmp_path / "times" / "depth").iterdir())[:2]:
        path.rename(path.with_name(f"{path.stem}-07.png"))
    with pytest.raises(ValueError, match="expected names that pair images and depth"):
        kbnet.open_frames(tmp_path / "times", depth_unit=0.001)


def test_k_is_of_the_images_or_scaled(tmp_path: Path) -> None:
    folder = write(tmp_path / "scan")
    twice = np.diag([2, 2, 1]) @ K
    content = {"width": 160, "height": 120, "intrinsic_matrix": twice.T.ravel().tolist()}
    (folder / "intrinsic.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"K is scaled by 0\.5"):
        np.testing.assert_allclose(kbnet.open_frames(folder, depth_unit=0.001).frame(0).intrinsics[0, 0], 60)
    (folder / "intrinsic.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected K of .*--intrinsics"):
        kbnet.open_frames(folder, depth_unit=0.001).frame(0)


def test_prepare_and_inspect_name_the_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "scan", images="rgb")
    assert main(["prepare", "rgbd", str(folder), str(tmp_path / "room"), "--depth-unit", "0.001"]) == 0
    assert "wrote 3 frames of 80x60 pixels" in capsys.readouterr().out
    assert main(["inspect", str(folder)]) == 1
    assert "missing: the unit of the whole numbers" in capsys.readouterr().out
    np.savetxt(folder / "poses.txt", [np.eye(4).ravel()] * 3)
    said = "depth is taken to lie on the images pixel by pixel; .*camera to world, metres"
    for command, *more in (["complete", "--output", str(tmp_path / "depth")], ["inspect"]):
        assert main([command, str(folder), "--depth-unit", "0.001", *more]) == 0
        assert len(re.findall(said, capsys.readouterr().out, re.DOTALL)) == 1


def test_depth_in_two_formats_is_refused(tmp_path: Path) -> None:
    """A picture to look at beside the numbers."""
    for name in ("color/1.png", "depth/1.png", "depth/1.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"files of different names in .*depth, got 1\.npy and 1\.png; move one kind"):
        kbnet.open_frames(tmp_path)


@pytest.mark.parametrize(("largest", "said"), [(65.535, r"65\.535 m .* 65535"), (10.0, r"10\.000 m .* cut off")])
def test_depth_that_means_none_is_warned_of(largest: float, said: str, tmp_path: Path) -> None:
    """The largest millimetres, and the far plane of a simulator."""
    folder = write(tmp_path / "scan", depth="npy")
    for path in (folder / "depth").iterdir():
        depth = np.load(path).astype(np.float32)
        depth[:30] = largest
        np.save(path, depth)
    with pytest.warns(UserWarning, match=f"ground truth of .* is {said}"):
        assert kbnet.open_frames(folder).frame(0).size


@pytest.mark.parametrize(("limit", "warned"), [((6.0, 6.0), True), ((6.0, 5.0), False)])
def test_depth_that_goes_on_to_whole_metres_is_cut_off_if_it_stays_there(
    limit: tuple[float, float], warned: bool, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """A floor up to the limit in two frames of a moving camera; or up to a wall, which comes nearer."""
    folder = write(tmp_path / "scan", depth="npy", numbers=(1, 2))
    for path, height, largest in zip(sorted((folder / "depth").iterdir()), (1.0, 1.2), limit, strict=True):
        floor = 60 * height / np.maximum(np.arange(60) - 29.5, 0.5)
        np.save(path, np.broadcast_to(np.minimum(floor, largest)[:, None], (60, 80)).astype(np.float32))
    assert len(list(kbnet.open_frames(folder))) == 2
    assert ["6.000 m at many pixels, its largest" in str(one.message) for one in recwarn] == [True] * warned


@pytest.mark.parametrize(
    ("names", "said"),
    [
        *(
            (f"calib.json {one}", "videos say")
            for one in ("color.mp4", "CAM_A.mp4", "right.hevc", "CAM_B.H265", "a.dat")
        ),
        ("color.h265 mono1.h265", "videos say"),
        ("calib_1844.json color_0.png depth_0.png", "color/, depth to aligned_depth/ and K to K.txt"),
    ],
)
def test_a_recording_of_an_oak_d_names_the_way_out(names: str, said: str, tmp_path: Path) -> None:
    for name in names.split():
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=f"{said}.*ros2 bag record /oak/rgb/image_raw"):
        kbnet.open_frames(tmp_path)


def test_frames_whose_depth_the_rectified_image_does_not_show_are_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "scan", depth="npy")
    corner = np.zeros_like(DEPTH)
    corner[0, 0] = 2
    second, third, first = sorted((folder / "depth").iterdir())  # 10, 11, 9
    np.save(second, corner)
    source: Any = kbnet.open_frames(folder, lens="radial-tangential", distortion=(-0.3, 0.1, 0, 0))
    assert source.names == ("frame-09.color", "frame-11.color")
    assert source.notes() == [f"left out: 1 frames whose depth is empty, first {second}"]
    # Sparse depth too; and a frame that is smaller than the first one.
    np.save(first, np.where(np.arange(DEPTH.size).reshape(DEPTH.shape) % 20 == 0, DEPTH, 0))
    assert len(kbnet.open_frames(folder, lens="radial-tangential", distortion=(-0.3, 0.1, 0, 0))) == 2
    np.save(first, DEPTH)
    np.save(third, DEPTH[::2, ::2])
    assert kbnet.open_frames(folder).frame(2).ground_truth is None
