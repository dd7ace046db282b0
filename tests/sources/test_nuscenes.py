"""nuScenes: points move with the car between scan and image; what the tables do not give is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import kbnet
from kbnet.cli.main import main

K = [[60.0, 0, 39.5], [0, 60.0, 29.5], [0, 0, 1]]
SIZE = (60, 80)
SPEED = 10.0
"""Of the car along x of the world, metres in a second."""
LIDAR_EARLIER_S = 0.04
BEGIN_US = 1532402927612460
CAMERA_ON_CAR = {"rotation": [0.5, -0.5, 0.5, -0.5], "translation": [1.7, 0.0, 1.5]}
"""z of the camera is x of the car, x is -y."""
LIDAR_ON_CAR = {"rotation": [0.7071067811865476, 0, 0, -0.7071067811865476], "translation": [0.9, 0.0, 1.8]}


def matrix(place: dict[str, Any]) -> np.ndarray:
    w, x, y, z = place["rotation"]
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_quat([x, y, z, w]).as_matrix(), place["translation"]
    return T


def car(time_s: float) -> dict[str, Any]:
    yaw = 0.1 * time_s
    return {"rotation": [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)], "translation": [SPEED * time_s, 2.0, 0.0]}


def wall(seconds: float) -> np.ndarray:
    """Points of the world before the camera of a time, (N, 3), on whole pixels, 8 to 12 m away."""
    rows, columns = np.mgrid[4:60:8, 4:80:8]
    depth = np.linspace(8, 12, rows.size).reshape(rows.shape)
    rays = np.stack([(columns - 39.5) / 60, (rows - 29.5) / 60, np.ones(rows.shape)], -1)
    T = matrix(car(seconds)) @ matrix(CAMERA_ON_CAR)
    return (rays * depth[..., None]).reshape(-1, 3) @ T[:3, :3].T + T[:3, 3]


def write(root: Path, scenes: int = 1, **changes: Any) -> Path:
    """Two key frames and one sweep between them in each scene."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in ("scene", "sample", "sample_data", "ego_pose")}
    tables["sensor"] = [{"token": name, "channel": name, "modality": "?"} for name in ("CAM_FRONT", "LIDAR_TOP")]
    tables["calibrated_sensor"] = [
        {"token": "camera", "sensor_token": "CAM_FRONT", **CAMERA_ON_CAR, "camera_intrinsic": K},
        {"token": "lidar", "sensor_token": "LIDAR_TOP", **LIDAR_ON_CAR, "camera_intrinsic": []},
    ]
    for scene in range(scenes):
        tables["scene"].append({"token": f"s{scene}", "name": f"scene-{scene:04}"})
        for number, seconds in enumerate((0.0, 0.25, 0.5)):
            key, name = number != 1, f"{scene}_{number}"
            tables["sample"].append({"token": f"sample{name}", "scene_token": f"s{scene}"})
            for sensor, channel, time in (
                ("camera", "CAM_FRONT", seconds),
                ("lidar", "LIDAR_TOP", seconds - LIDAR_EARLIER_S),
            ):
                suffix = "jpg" if sensor == "camera" else "pcd.bin"
                file = f"{'samples' if key else 'sweeps'}/{channel}/{name}.{suffix}"
                tables["ego_pose"].append({"token": f"ego_{sensor}{name}", **car(time)})
                tables["sample_data"].append(
                    {
                        **{"token": f"{sensor}{name}", "sample_token": f"sample{name}", "filename": file},
                        **{"ego_pose_token": f"ego_{sensor}{name}", "calibrated_sensor_token": sensor},
                        **{"timestamp": BEGIN_US + round(1e6 * time), "is_key_frame": key},
                        **({"height": SIZE[0], "width": SIZE[1]} if sensor == "camera" else {"height": 0, "width": 0}),
                    }
                )
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                if sensor == "camera":
                    Image.new("RGB", SIZE[::-1], (50 * number, 0, 0)).save(root / file, quality=95)
                    continue
                T = matrix(car(time)) @ matrix(LIDAR_ON_CAR)
                seen = (wall(seconds) - T[:3, 3]) @ T[:3, :3]
                # One return of the car's own roof, 0.4 m before the camera.
                points = np.vstack([seen, [0.0, 1.2, -0.3]])
                np.hstack([points, np.full((len(points), 2), 7.0)]).astype("<f4").tofile(root / file)
    for table, rows in {**tables, **changes}.items():
        path = root / "v1.0-mini" / f"{table}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(rows, indent=0))
    return root


def test_points_of_a_moving_car_land_where_the_camera_sees_them(tmp_path: Path) -> None:
    source: Any = kbnet.open_frames(write(tmp_path))
    assert source.names == (str(BEGIN_US), str(BEGIN_US + 500_000))
    rows, columns = np.mgrid[4:60:8, 4:80:8]
    for index, seconds in enumerate((0.0, 0.5)):
        frame = source.frame(index)
        assert np.count_nonzero(frame.sparse_depth) == rows.size
        np.testing.assert_allclose(
            frame.sparse_depth[rows, columns], np.linspace(8, 12, rows.size).reshape(rows.shape), rtol=1e-5
        )
        np.testing.assert_allclose(source.pose(index), matrix(car(seconds)) @ matrix(CAMERA_ON_CAR), atol=1e-9)
    assert source.frame(1).image[0, 0, 0] == pytest.approx(100, abs=2)
    np.testing.assert_allclose(source.frame(0).intrinsics, K)


def test_sweeps_are_frames_too_where_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "nuscenes")
    assert len(kbnet.open_frames(root / "v1.0-mini", sweeps=True)) == 3
    assert main(["prepare", "nuscenes", str(root), str(tmp_path / "drive"), "--sweeps"]) == 0
    assert "wrote 3 frames of 80x60 pixels" in capsys.readouterr().out
    (root / "sweeps" / "CAM_FRONT" / "0_1.jpg").unlink()
    assert len(kbnet.open_frames(root, sweeps=True)) == 2


def test_a_scene_is_chosen_by_name(tmp_path: Path) -> None:
    root = write(tmp_path, scenes=2)
    with pytest.raises(ValueError, match=r"choose one \(--scene\): scene-0000, scene-0001"):
        kbnet.open_frames(root)
    assert len(kbnet.open_frames(root, scene="scene-0001")) == 2
    with pytest.raises(ValueError, match="expected --camera among CAM_FRONT, got 'CAM_BACK'"):
        kbnet.open_frames(root, camera="CAM_BACK")


def test_columns_that_are_named_are_read(tmp_path: Path) -> None:
    expected = kbnet.open_frames(write(tmp_path)).frame(0).sparse_depth
    for scan in tmp_path.glob("samples/LIDAR_TOP/*.bin"):
        np.fromfile(scan, "<f4").reshape(-1, 5)[:, :4].astype("<f8").tofile(scan)
    found = kbnet.open_frames(tmp_path, columns="x,y,z,intensity", dtype="float64").frame(0).sparse_depth
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ego_pose": []}, r"expected the pose .* in .*ego_pose.json, got none"),
        ({"sample": [{"token": "a"}]}, "expected rows with token, scene_token in .* without scene_token"),
        ({"scene": {"token": "a", "name": "b"}}, "expected a list of rows"),
        ({"sensor": "x"}, "expected a list of rows"),
    ],
)
def test_damaged_tables_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        kbnet.open_frames(write(tmp_path, **changes))


def test_files_that_are_not_unpacked_are_named(tmp_path: Path) -> None:
    root = write(tmp_path)
    for scan in root.glob("samples/LIDAR_TOP/*"):
        scan.unlink()
    with pytest.raises(FileNotFoundError, match=r"expected images of CAM_FRONT and scans of LIDAR_TOP .* got 2 and 0"):
        kbnet.open_frames(root)
