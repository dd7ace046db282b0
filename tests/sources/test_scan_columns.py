"""Binary scans of any columns: the points that were written come back, or the candidates are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbnet.errors import KBNetError
from kbnet.sources.point_cloud_file import read_points
from kbnet.sources.scan_columns import KITTI, NUSCENES, Layout, checked_layout

RANDOM = np.random.default_rng(0)


def street(count: int = 2000) -> np.ndarray:
    """A turning lidar above a road between houses, as KITTI and nuScenes have it."""
    azimuth, elevation = RANDOM.uniform(-np.pi, np.pi, count), RANDOM.uniform(-0.4, 0.05, count)
    distance = np.minimum(RANDOM.uniform(5, 40, count), 1.7 / np.maximum(-np.sin(elevation), 1e-3))
    ray = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
    return distance[:, None] * np.stack(ray, axis=1)


def room(count: int = 2000) -> np.ndarray:
    return RANDOM.uniform([0.3, -2, -1], [3, 2, 1.5], (count, 3))


@pytest.mark.parametrize("scene", [street, room])
@pytest.mark.parametrize("more", [0, 1, 2, 3, 4, 5, 6, 7, 9])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("name", ["scan.bin", "scan.pcd.bin", "scan.PCD.BIN"])
def test_columns_are_told_by_the_values(scene: object, more: int, dtype: str, name: str, tmp_path: Path) -> None:
    assert callable(scene)
    points = scene().astype(dtype)
    count = len(points)
    rest = [RANDOM.integers(0, 255, count), RANDOM.integers(0, 32, count), np.linspace(0, 0.1, count)]
    rest += [np.zeros(count), RANDOM.integers(0, 4096, count), np.ones(count), RANDOM.uniform(0, 1, count)]
    rest += [np.arange(count) // 32, RANDOM.integers(0, 2, count)]
    np.column_stack([points, *rest[:more]]).astype(dtype).tofile(tmp_path / name)
    np.testing.assert_array_equal(read_points(tmp_path / name), points)


@pytest.mark.parametrize("rings", [16, 64])
@pytest.mark.parametrize("more", [0, 1, 2])
@pytest.mark.parametrize("missing", [0.0, np.nan])
def test_rings_that_take_turns_and_do_not_come_back_are_no_columns(
    rings: int, more: int, missing: float, tmp_path: Path
) -> None:
    """Upper rings of a street meet the sky: the same places of every turn are empty."""
    azimuth, elevation = np.meshgrid(np.arange(0, 6.28, 0.01), np.linspace(-0.4, 0.25, rings), indexing="ij")
    reach = np.minimum(1.7 / np.maximum(-np.sin(elevation), 0.03), 20 + 10 * np.sin(3 * azimuth))
    level, ring = reach * np.cos(elevation), np.indices(azimuth.shape)[1]
    columns = [level * np.cos(azimuth), level * np.sin(azimuth), reach * np.sin(elevation), 0.2 + 0 * reach, ring]
    table = np.stack(columns[: 3 + more], axis=-1).astype("<f4")
    points = table[:, : rings * 2 // 3, :3].reshape(-1, 3).copy()
    table[:, rings * 2 // 3 :] = missing
    table.tofile(tmp_path / "scan.bin")
    np.testing.assert_array_equal(read_points(tmp_path / "scan.bin"), points)


@pytest.mark.parametrize(("rings", "columns"), [(2, 3), (2, 4), (3, 4), (4, 3), (4, 6)])
def test_few_rings_that_take_turns_are_no_columns(rings: int, columns: int, tmp_path: Path) -> None:
    """Points of one azimuth have another z and, here, another range: several were read as one."""
    azimuth, elevation = np.meshgrid(np.arange(0, 6.28, 0.01), np.linspace(-0.3, 0.2, rings), indexing="ij")
    reach = np.minimum(20 + 10 * np.sin(3 * azimuth), 1.7 / np.maximum(-np.sin(elevation), 0.03))
    level, (time, ring) = reach * np.cos(elevation), np.indices(azimuth.shape)
    table = [level * np.cos(azimuth), level * np.sin(azimuth), reach * np.sin(elevation), 0.2 + 0 * reach, ring, time]
    points = np.stack(table[:columns], axis=-1).astype("<f4").reshape(-1, columns)
    points.tofile(tmp_path / "scan.bin")
    np.testing.assert_array_equal(read_points(tmp_path / "scan.bin"), points[:, :3])


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_scans_that_hold_all_x_first_are_refused(dtype: str, tmp_path: Path) -> None:
    """Oxford RobotCar's, of the turns of a lidar: read point by point, three x would be a point."""
    points = street(20_000)
    points = points[np.argsort(np.arctan2(points[:, 1], points[:, 0]))]
    points[:, 0] = 10  # a wall ahead
    np.ascontiguousarray(np.column_stack([points, np.ones(20_000)]).T).astype(dtype).tofile(tmp_path / "scan.bin")
    with pytest.raises(ValueError, match=r"scan\.bin, got all x first, .*reshape\(4, -1\)\.T\.tofile"):
        read_points(tmp_path / "scan.bin")


@pytest.mark.parametrize(
    ("columns", "said"), [("ring", "a ring, not x"), ("rad", "angles and a"), ("deg", "angles and")]
)
def test_a_ring_first_and_polar_columns_are_refused(columns: str, said: str, tmp_path: Path) -> None:
    points, path = street(), tmp_path / "scan.bin"
    polar = [np.linalg.norm(points, axis=1), np.arctan2(*points.T[1::-1]), np.arcsin(points[:, 2] / 50)]
    angles = np.stack([polar[0], *(np.stack(polar[1:]) * (180 / np.pi if columns == "deg" else 1))], axis=1)
    table = np.column_stack([RANDOM.integers(0, 32, 2000), points] if columns == "ring" else [angles])
    np.column_stack([table, RANDOM.uniform(0, 1, 2000)]).astype("<f4").tofile(path)
    with pytest.raises(KBNetError, match=said):
        read_points(path)
    assert len(read_points(path, Layout(("x", "y", "z", "a", *"b"[: columns == "ring"])))) == 2000


def test_columns_that_are_named_are_taken(tmp_path: Path) -> None:
    points = room(30)
    table = np.column_stack([np.arange(30), points[:, ::-1]]).astype("<f8")
    table.tofile(tmp_path / "scan.bin")
    np.testing.assert_array_equal(
        read_points(tmp_path / "scan.bin", Layout(("ring", "z", "y", "x"), "float64")), points
    )
    with pytest.raises(ValueError, match=r"whole points of 28 bytes"):
        read_points(tmp_path / "scan.bin", Layout(("x", "y", "z", "a", "b", "c", "d")))
    with pytest.raises(ValueError, match=r"with x, y and z, each once, got x,y; such as --columns"):
        Layout(("x", "y"))


def test_what_is_no_scan_or_could_be_several_is_refused(tmp_path: Path) -> None:
    RANDOM.integers(0, 256, 48_000, np.uint8).tofile(tmp_path / "noise.bin")
    with pytest.raises(ValueError, match=r"name its columns \(--columns, --dtype\)"):
        read_points(tmp_path / "noise.bin")
    RANDOM.uniform(1, 9, 600).astype("<f4").tofile(tmp_path / "same.pcd.bin")  # all columns alike: the name decides
    assert len(read_points(tmp_path / "same.pcd.bin")) == 120
    for seed in range(10):
        np.random.default_rng(seed).uniform(20, 30, 9 * 15).astype("<f4").tofile(tmp_path / "scan.bin")
        with pytest.raises(ValueError, match="cannot tell the columns"):  # neither KITTI's nor told apart
            read_points(tmp_path / "scan.bin")
    with pytest.raises(
        ValueError, match=r"cannot tell the columns .* --columns x,y,z --dtype float32; --columns x,y,z,"
    ):
        read_points(tmp_path / "scan.bin")


def test_scans_of_a_data_set_with_other_columns_are_refused(tmp_path: Path) -> None:
    points = street(12_000)
    rest = RANDOM.uniform(0, 1, 12_000), RANDOM.integers(0, 32, 12_000), np.linspace(0, 0.1, 12_000)
    for layout, name in ((KITTI, "0.bin"), (NUSCENES, "0.pcd.bin")):
        for count in range(3, 7):
            np.column_stack([points, *rest[: count - 3]]).astype("<f4").tofile(tmp_path / name)
            if count == len(layout.columns):
                checked_layout(tmp_path / name, layout)
            else:
                with pytest.raises(KBNetError, match=r"but it seems to hold x,y,z.* as float32"):
                    checked_layout(tmp_path / name, layout)


def test_real_scans_of_four_columns_are_those_of_kitti(shared: Path) -> None:
    scans = sorted((shared / "data" / "kitti_seq00" / "velodyne").glob("*.bin"))
    assert scans
    for scan in scans:
        checked_layout(scan, KITTI)
