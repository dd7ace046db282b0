"""kbnet prepare lidar: a KITTI drive, or scans with K and extrinsics, as a sequence; one line where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.cli.main import main
from kbnet.frames.sequence import Sequence


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two images, and scans of a wall 8 m ahead of a lidar (x forward, y left, z up) at the camera's place."""
    for name in ("image", "scans"):
        (tmp_path / name).mkdir()
    (tmp_path / "K.txt").write_text("60 0 39.5 0 60 29.5 0 0 1\n")
    (tmp_path / "T.txt").write_text("0 -1 0 0  0 0 -1 0  1 0 0 0\n")
    left, up = np.meshgrid(np.linspace(-4, 4, 41), np.linspace(-3, 3, 13))
    wall = np.stack([np.full(left.size, 8), left.ravel(), up.ravel(), np.ones(left.size)], axis=1).astype("<f4")
    for index in range(2):
        Image.fromarray(np.full((60, 80, 3), 90 + index, np.uint8)).save(tmp_path / "image" / f"{index}.png")
        wall.tofile(tmp_path / "scans" / f"{index}.bin")
    return tmp_path


def command(recording: Path, *flags: str) -> list[str]:
    return ["prepare", "lidar", *(str(recording / name) for name in ("image", "scans", "room")), *flags]


def test_prepare_lidar_with_k_and_extrinsics(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--intrinsics", str(recording / "K.txt"), "--extrinsics", str(recording / "T.txt")]
    assert main(command(recording, *flags)) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote 2 frames of 80x60 pixels to {recording / 'room'}: 533 points a frame, after 0.0% were dropped that "
        "nearer ones hide",
        "the lidar's x axis looks forward in the camera, y left, z up",
    ]
    depth = Sequence(recording / "room").sparse_depth(1)
    assert set(depth[depth > 0]) == {8}
    assert main(command(recording, *flags)) == 2
    (recording / "scans" / "0.bin").unlink()
    assert main(command(recording, *flags, "--overwrite")) == 0
    assert "left out: 1 of 2 images without a scan" in capsys.readouterr().out


@pytest.mark.parametrize(("unit", "count"), [("cm", 100), ("mm", 1000)])
def test_scans_in_other_units_are_read_when_told(
    unit: str, count: int, recording: Path, one_line_error: Callable[[], str]
) -> None:
    flags = ["--intrinsics", str(recording / "K.txt"), "--extrinsics", str(recording / "T.txt")]
    for scan in (recording / "scans").iterdir():
        (np.fromfile(scan, "<f4").reshape(-1, 4) * np.array([count] * 3 + [1], "<f4")).tofile(scan)
    assert main(command(recording, *flags)) == 2
    assert "name the unit (--unit mm or cm; m if it is right)" in one_line_error()
    assert main(command(recording, *flags, "--unit", unit)) == 0
    depth = Sequence(recording / "room").sparse_depth(1)
    assert set(depth[depth > 0]) == {8}


def test_prepare_lidar_says_which_flags_go_together(recording: Path, one_line_error: Callable[[], str]) -> None:
    K, T = str(recording / "K.txt"), str(recording / "T.txt")
    for flags in ([], ["--intrinsics", K], ["--extrinsics", T], ["--calibration", K, "--intrinsics", K]):
        assert main(command(recording, *flags)) == 2
        assert "expected --calibration, or --intrinsics and --extrinsics, or" in one_line_error()
    (recording / "T.txt").write_text("1 0 0 0  0 1 0 0  0 0 1 0\n")
    assert main(command(recording, "--intrinsics", K, "--extrinsics", T)) == 2
    assert "the lidar looks elsewhere" in one_line_error()
    assert not (recording / "room").exists()


def test_prepare_lidar_of_a_real_drive(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive = shared / "data" / "kitti_seq00"
    for folder, kind in (("image_2", "png"), ("velodyne", "bin")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"000003.{kind}").symlink_to(drive / folder / f"000003.{kind}")
    poses = tmp_path / "poses.txt"
    poses.write_text((drive / "poses.txt").read_text().splitlines()[3] + "\n")
    flags = ["--calibration", str(drive / "calib.txt"), "--poses", str(poses)]
    folders = [str(tmp_path / name) for name in ("image_2", "velodyne", "drive")]
    assert main(["prepare", "lidar", *folders, *flags]) == 0
    assert "wrote 1 frames of 1241x376 pixels" in capsys.readouterr().out
    sequence = Sequence(tmp_path / "drive")
    frame = sequence.frame(0)
    np.testing.assert_allclose(frame.intrinsics[0], [718.856, 0, 607.1928], atol=1e-3)
    measured = frame.sparse_depth[frame.sparse_depth > 0]
    assert 15_000 < measured.size < 20_000
    assert 4 < measured.min() < 6
    # The camera is 1.65 m above the road: points low in the image lie on it.
    rows, columns = np.nonzero(frame.sparse_depth[320:, 500:700])
    height = (rows + 320 - 185.2) / 718.9 * frame.sparse_depth[320:, 500:700][rows, columns]
    assert abs(np.median(height) - 1.65) < 0.1
    np.testing.assert_allclose(sequence.pose(0)[2, 3], float(poses.read_text().split()[11]), atol=0.02)
