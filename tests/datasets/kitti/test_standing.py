"""A standing car is told by the two velocities over ground, or by any of the usual kinds of list."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbnet.datasets.kitti.standing import by_list, by_speed, never

DRIVE = Path("2011_09_26_drive_0001_sync")


def write_packet(drive: Path, frame: str, forward: float, leftward: float) -> None:
    packet = ["49.0", "8.4", *["9.9"] * 6, str(forward), str(leftward), *["9.9"] * 15, *["4"] * 5]
    path = drive / "oxts" / "data" / f"{frame}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(" ".join(packet) + "\n")


@pytest.mark.parametrize(
    ("forward", "leftward", "stands"),
    [
        (0.0, 0.0, True),
        (0.29, 0.0, True),
        (0.31, 0.0, False),
        (-0.31, 0.0, False),
        (0.22, -0.22, False),
        (0.2, 0.2, True),
    ],
)
def test_by_speed_takes_the_length_of_the_velocity(
    tmp_path: Path, forward: float, leftward: float, stands: bool
) -> None:
    write_packet(tmp_path, "0000000005", forward, leftward)
    assert by_speed(tmp_path, "image_02", "0000000005") is stands
    assert by_speed(tmp_path, "image_03", "0000000005") is stands


def test_by_speed_does_not_know_without_a_packet(tmp_path: Path) -> None:
    assert by_speed(tmp_path, "image_02", "0000000005") is None


def test_by_speed_refuses_what_is_no_packet(tmp_path: Path) -> None:
    write_packet(tmp_path, "0000000005", float("nan"), 0)
    write_packet(tmp_path, "0000000006", 0, 0)
    (tmp_path / "oxts" / "data" / "0000000006.txt").write_text("1 2 3\n")
    for frame in ("0000000005", "0000000006"):
        with pytest.raises(ValueError, match=f"30 numbers of an OXTS packet.*{frame}"):
            by_speed(tmp_path, "image_02", frame)


@pytest.mark.parametrize(
    "line",
    [
        "2011_09_26_drive_0001_sync 0000000005",
        "2011_09_26_drive_0001 5",
        "2011_09_26 2011_09_26_drive_0001_sync 0000000005",
        "data/train/2011_09_26_drive_0001_sync/0000000005.png",
    ],
)
def test_by_list_without_a_camera_means_both(tmp_path: Path, line: str) -> None:
    (tmp_path / "standing.txt").write_text(f"# standing\n\n{line}\n")
    is_standing = by_list(tmp_path / "standing.txt")
    assert is_standing(DRIVE, "image_02", "0000000005")
    assert is_standing(DRIVE, "image_03", "0000000005")
    assert not is_standing(DRIVE, "image_02", "0000000006")
    assert not is_standing(Path("2011_09_26_drive_0002_sync"), "image_02", "0000000005")


@pytest.mark.parametrize(
    "line",
    [
        "data/kitti_raw_data/2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000005.png",
        "train/2011_09_26_drive_0001_sync/proj_depth/velodyne_raw/image_03/0000000005.png",
    ],
)
def test_by_list_with_a_camera_means_that_one(tmp_path: Path, line: str) -> None:
    (tmp_path / "standing.txt").write_text(line)
    is_standing = by_list(tmp_path / "standing.txt")
    assert is_standing(DRIVE, "image_03", "0000000005")
    assert not is_standing(DRIVE, "image_02", "0000000005")


@pytest.mark.parametrize("line", ["0000000005", "2011_09_26_drive_0001_sync", "2011_09_26_drive_0001_sync image_02"])
def test_by_list_names_the_line_it_cannot_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "standing.txt").write_text(f"2011_09_26_drive_0001_sync 1\n{line}\n")
    with pytest.raises(ValueError, match=f"got '{line}' in line 2 of .*standing.txt"):
        by_list(tmp_path / "standing.txt")
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        by_list(tmp_path / "none.txt")


def test_never_keeps_every_frame() -> None:
    assert not never(DRIVE, "image_02", "0000000005")
