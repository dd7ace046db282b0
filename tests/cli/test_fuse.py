"""`kbnet fuse`: the file it writes, what it leaves out, and one clear line where something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.recordings import transforms
from PIL import Image

from kbnet.cli.main import main
from kbnet.network.config import KBNetConfig
from kbnet.report.turntable import Turn


@pytest.fixture
def stand_in(stand_in: Any) -> Any:
    """The stand-in, with the config that says which points it believes."""
    stand_in.config = KBNetConfig()
    return stand_in


@pytest.fixture
def posed(write_sequence: Callable[..., Path]) -> Path:
    """A sequence whose camera stands still, all but the last time, 1 m further left."""
    room = write_sequence(frames=3)
    (room / "absolute_pose").mkdir()
    for index, x in enumerate((0.0, 0.0, -1.0)):
        (room / "absolute_pose" / f"{index:04}.txt").write_text(f"1 0 0 {x} 0 1 0 0 0 0 1 0\n")
    return room


def _read(path: Path) -> tuple[str, np.ndarray]:
    head, body = path.read_bytes().split(b"end_header\n", 1)
    count = int(head.split(b"element vertex ")[1].split()[0])
    return head.decode(), np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)], count)["xyz"]


def test_fuse_writes_a_cloud_of_what_several_frames_saw(
    posed: Path, stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fuse", str(posed), "--output", str(tmp_path / "room.ply"), "--voxel", "0.05"]
    assert main(arguments) == 0
    header, twice = _read(tmp_path / "room.ply")
    assert "comment metres; axes of the world" in header
    assert "element face" not in header
    assert f"fused 3 of 3 frames: {len(twice)} points, voxels of 0.05 m, in" in capsys.readouterr().out
    assert main([*arguments, "--seen", "1"]) == 0
    once = _read(tmp_path / "room.ply")[1]
    assert len(once) > len(twice) > 500
    assert once[:, 0].min() < twice[:, 0].min() - 0.5, "what only the last camera saw lies further left"
    cubes = np.floor(once / 0.05)
    assert len(np.unique(cubes, axis=0)) > 0.98 * len(once)


def test_fuse_compares_poses_with_depth_first(
    posed: Path, stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(3):  # 0.3 m nearer to the wall each time, which stays 2 m ahead
        (posed / "absolute_pose" / f"{index:04}.txt").write_text(f"1 0 0 0 0 1 0 0 0 0 1 {0.3 * index}\n")
    assert main(["fuse", str(posed), "--output", str(tmp_path / "room.ply"), "--seen", "1"]) == 0
    assert "do not fit its depth" in capsys.readouterr().err


def test_fuse_writes_a_mesh(posed: Path, stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("open3d")
    arguments = ["--mesh", "--voxel", "0.05", "--keep", "1", "--every", "2", "--seen", "1"]
    assert main(["fuse", str(posed), "--output", str(tmp_path / "room.ply"), *arguments]) == 0
    header, corners = _read(tmp_path / "room.ply")
    assert "property list uchar int vertex_indices" in header
    assert "fused 2 of 3 frames" in capsys.readouterr().out
    assert len(corners) > 1000
    assert (np.abs(corners[:, 2] - stand_in_depth(posed)) < 0.05).all()


def test_fuse_does_not_replace_the_cloud_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    transforms(tmp_path)
    assert main(["fuse", str(tmp_path), "--output", str(tmp_path / "a.ply")]) == 2
    assert "a.ply has the points of" in capsys.readouterr().err


def stand_in_depth(room: Path) -> float:
    """The stand-in gives every pixel the mean depth of the points."""
    from kbnet.frames.depth_png import read_depth_png

    points = read_depth_png(room / "sparse_depth" / "0000.png")
    return float(points[points > 0].mean())


def test_fuse_chooses_a_voxel_that_suits_the_scene(
    posed: Path, stand_in: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fuse", str(posed), "--output", str(tmp_path / "room.ply"), "--seen", "1"]) == 0
    assert "voxels of 0.02 m" in capsys.readouterr().out


def test_fuse_writes_a_turning_cloud(
    posed: Path, stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kbnet.report.turntable.ALL_ROUND", Turn(pictures=3, yaw_deg=180.0, width=64))
    film = tmp_path / "room.gif"
    assert main(["fuse", str(posed), "--output", str(tmp_path / "room.ply"), "--turntable", str(film)]) == 0
    with Image.open(film) as picture:
        assert picture.n_frames == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{room}", "--output", "a.obj"], "expected a .ply file to write, got a.obj"),
        (["{room}", "--output", "a.ply", "--keep", "80"], "--keep between 0 and 1"),
        (["{room}", "--output", "a.ply", "--seen", "0"], "--seen of at least 1 frame"),
        (["{room}", "--output", "a.ply", "--voxel", "-1"], "--voxel of more than 0 m"),
        (["{room}", "--output", "a.ply", "--farthest", "0"], "--farthest of more than 0 m"),
        (["{room}", "--output", "a.ply", "--every", "0"], "at least 1 frame, got 0"),
        (["{room}", "--output", "a.ply", "--turntable", "a.avi"], ".gif or .mp4"),
        (["{room}", "--output", "a.ply", "--farthest", "0.1"], "nothing is left of 3 frames"),
        (["{unposed}", "--output", "a.ply"], "expected poses (camera to world) in absolute_pose/"),
    ],
)
def test_fuse_refuses_in_one_line(
    posed: Path,
    write_sequence: Callable[..., Path],
    stand_in: Any,
    one_line_error: Callable[[], str],
    arguments: list[str],
    message: str,
) -> None:
    folders = {"{room}": str(posed), "{unposed}": str(write_sequence("unposed"))}
    assert main(["fuse", *(folders.get(word, word) for word in arguments)]) == 2
    assert message in one_line_error()
