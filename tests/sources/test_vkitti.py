"""Virtual KITTI 2: centimetres, sky, KITTI's lidar pixels, camera and poses, and what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_rendered_sets import KITTI_SIZE, STREET_M
from PIL import Image

import kbnet
from kbnet.errors import KBNetError


def test_each_frame_is_paired_with_every_drive(vkitti: Path, lidar_masks: Path) -> None:
    source = kbnet.open_frames(vkitti, masks=lidar_masks)
    drives = ("2011_09_26_drive_0001", "2011_09_26_drive_0009")
    assert source.names == tuple(
        f"Scene01_{camera}_{drive}_{number:05}" for camera in (0, 1) for drive in drives for number in range(3)
    )
    columns = [np.flatnonzero(source.frame(index).sparse_depth.any(axis=0)).tolist() for index in range(6)]
    # The second drive has fewer frames than the scene, so that its first one serves for all.
    assert columns == [[10], [20], [30], [10], [10], [10]]
    assert len(kbnet.open_frames(vkitti, masks=lidar_masks / f"{drives[0]}_sync", every=2)) == 4


def test_pairs_are_counted_without_being_read(vkitti: Path, lidar_masks: Path) -> None:
    for mask in lidar_masks.rglob("*.png"):
        Image.fromarray(np.random.default_rng(0).integers(1, 65535, KITTI_SIZE, np.uint16)).save(mask)
    for depth in vkitti.rglob("depth_*.png"):
        depth.write_bytes(b"")
    source = kbnet.open_frames(vkitti, masks=lidar_masks)
    assert len(source) == 12
    with pytest.raises(ValueError, match=r"depth_00000.png cannot be read"):
        source.frame(0)


@pytest.mark.parametrize("row", ["0 0" + 16 * " 0", "inf 0" + 16 * " 1"])
def test_a_damaged_table_of_poses_is_one_line(row: str, vkitti: Path, lidar_masks: Path) -> None:
    table = next(vkitti.rglob("extrinsic.txt"))
    table.write_text(f"frame cameraID\n{row}\n")
    with pytest.raises(KBNetError, match=r"expected .*extrinsic\.txt"):
        kbnet.open_frames(vkitti, masks=lidar_masks).frame(0)


def test_depth_is_in_metres_and_sky_is_unmeasured(vkitti: Path, lidar_masks: Path) -> None:
    frame = kbnet.open_frames(vkitti, masks=lidar_masks).frame(0)
    assert frame.size == KITTI_SIZE
    assert frame.ground_truth is not None
    assert not frame.ground_truth[:22].any()
    np.testing.assert_allclose(frame.ground_truth[22:], STREET_M, rtol=1e-6)
    rows = np.flatnonzero(frame.sparse_depth[:, 10])
    assert rows.tolist() == list(range(22, 66, 2))
    np.testing.assert_allclose(frame.sparse_depth[rows, 10], STREET_M, rtol=1e-6)


def test_intrinsics_follow_the_size_and_poses_are_camera_to_world(vkitti: Path, lidar_masks: Path) -> None:
    source = kbnet.open_frames(vkitti, masks=lidar_masks)
    # 1.1 times as large: fx 80 becomes 88, and the centre of the image stays its centre.
    np.testing.assert_allclose(source.frame(0).intrinsics, [[88, 0, 54.5], [0, 88, 32.5], [0, 0, 1]], rtol=1e-6)
    np.testing.assert_allclose(source.pose(8)[:3, 3], [0.5, 0, 2])
    shutil.rmtree(vkitti / "vkitti_2.0.3_textgt")
    without = kbnet.open_frames(vkitti, masks=lidar_masks)
    assert not without.has_poses
    assert without.frame(0).intrinsics[0, 0] == pytest.approx(1.1 * 725.0087)


def test_drives_of_two_sizes_are_refused(vkitti: Path, lidar_masks: Path) -> None:
    folder = lidar_masks / "2011_09_28_drive_0002_sync" / "proj_depth" / "velodyne_raw"
    for camera in ("image_02", "image_03"):
        (folder / camera).mkdir(parents=True)
        Image.fromarray(np.full((64, 108), 256, np.uint16)).save(folder / camera / "0000000005.png")
    with pytest.raises(ValueError, match=r"110x66 .*and 108x64 .*name the drives of one date \(--date 2011_09_26\)"):
        kbnet.open_frames(vkitti, masks=lidar_masks)
    assert len(kbnet.open_frames(vkitti, masks=lidar_masks, date="2011_09_28")) == 6


def test_files_without_a_number_are_no_frames(vkitti: Path, lidar_masks: Path) -> None:
    before = kbnet.open_frames(vkitti, masks=lidar_masks).names
    depth = next(vkitti.rglob("depth_00001.png"))
    shutil.copy(depth, depth.with_name("depth_00001 (copy).png"))
    assert kbnet.open_frames(vkitti, masks=lidar_masks).names == before


def test_a_frame_without_a_point_is_left_out(vkitti: Path, lidar_masks: Path) -> None:
    sky = lidar_masks / "2011_09_26_drive_0001_sync/proj_depth/velodyne_raw/image_02"
    path = sorted(sky.iterdir())[1]
    mask = np.zeros(KITTI_SIZE, np.uint16)
    mask[:20, 10] = 256
    Image.fromarray(mask).save(path)
    source: Any = kbnet.open_frames(vkitti, masks=lidar_masks)
    name = "Scene01_0_2011_09_26_drive_0001_00001"
    assert len(source) == 11
    assert name not in source.names
    assert source.notes() == [f"left out: 1 frames without points, first {name}"]
    for one in lidar_masks.rglob("*.png"):
        Image.fromarray(mask).save(one)
    with pytest.raises(ValueError, match=r"no frame of .* has depth where the lidar measured"):
        len(kbnet.open_frames(vkitti, masks=lidar_masks))
