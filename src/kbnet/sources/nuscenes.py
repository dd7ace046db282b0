"""nuScenes in place: its tables say which scan is nearest to an image, and where the car was at the time of each.

Points are moved by the motion of the car between scan and image. The devkit's names: ``sample_data`` is a file with its
time, ``calibrated_sensor`` the place of a sensor on the car, ``ego_pose`` the place of the car in the world.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from kbnet.errors import KBNetError
from kbnet.files import read_json
from kbnet.frame import Float64Array, check_intrinsics
from kbnet.sources.clock import nearest_in_time
from kbnet.sources.lidar_calibration import LidarCalibration
from kbnet.sources.lidar_scans import LidarFrame, LidarRecording

Row = dict[str, Any]

LIDAR = "LIDAR_TOP"
FIELDS: dict[str, dict[str, type]] = {
    "scene": {"token": str, "name": str},
    "sample": {"token": str, "scene_token": str},
    "sensor": {"token": str, "channel": str},
    "calibrated_sensor": {"token": str, "sensor_token": str, "translation": list, "rotation": list},
    "ego_pose": {"token": str, "translation": list, "rotation": list},
    "sample_data": {
        **dict.fromkeys(("token", "sample_token", "ego_pose_token", "calibrated_sensor_token", "filename"), str),
        **dict.fromkeys(("timestamp", "is_key_frame", "height", "width"), int),
    },
}
"""What each table must hold."""
LARGEST_DIFFERENCE_S = 0.1
"""Between an image and its scan; the lidar turns twenty times a second."""
NEAREST_M = 1.0
"""Points nearer to the camera are on the car itself."""


def open_nuscenes(
    path: Path, *, camera: str, scene: str = "", sweeps: bool = False
) -> tuple[LidarRecording, LidarCalibration]:
    """List the images of a camera in one scene, with their scans.

    Args:
        path: folder with ``v1.0-mini`` (or another version) and ``samples``; or the folder of the tables.
        camera: channel, such as ``CAM_FRONT``.
        scene: its name; may be empty if there is one.
        sweeps: the images between the key frames too.

    Raises:
        FileNotFoundError: a table or all images are missing.
        KBNetError: a table is damaged, there is no such camera or scene, or K changes.
    """
    tables = _tables(path)
    sensors = _sensors(tables, camera)
    chosen = _choose_scene(_read(tables, "scene"), scene, tables)
    samples = {row["token"] for row in _read(tables, "sample", lambda row: row["scene_token"] == chosen["token"])}
    data = _read(
        tables,
        "sample_data",
        lambda row: (
            row["sample_token"] in samples
            and row["calibrated_sensor_token"] in sensors
            and (sweeps or bool(row["is_key_frame"]))
        ),
    )
    listed = sorted(data, key=lambda row: int(row["timestamp"]))
    images = [row for row in listed if sensors[row["calibrated_sensor_token"]]["channel"] == camera]
    present = [row for row in listed if (tables.parent / row["filename"]).is_file()]
    scans = [row for row in present if sensors[row["calibrated_sensor_token"]]["channel"] == LIDAR]
    taken = [row for row in present if sensors[row["calibrated_sensor_token"]]["channel"] == camera]
    if not taken or not scans:
        raise FileNotFoundError(
            f"expected images of {camera} and scans of {LIDAR} of {chosen['name']} in {tables.parent}, got "
            f"{len(taken)} and {len(scans)} of the files that {tables} names; unpack samples/ and sweeps/ beside it"
        )
    calibration = _calibration(taken, scans[0], sensors, tables)
    return LidarRecording(
        _frames(tables, taken, scans, sensors), len(images), one_cloud=False, nearest_m=NEAREST_M
    ), calibration


def _frames(tables: Path, images: list[Row], scans: list[Row], sensors: dict[str, Row]) -> tuple[LidarFrame, ...]:
    tokens = {row["ego_pose_token"] for row in (*images, *scans)}
    ego = {
        row["token"]: _transform(row, tables) for row in _read(tables, "ego_pose", lambda row: row["token"] in tokens)
    }
    if missing := tokens - set(ego):
        raise KBNetError(f"expected the pose {min(missing)} in {tables}/ego_pose.json, got none; copy the tables again")
    T_world = {
        row["token"]: ego[row["ego_pose_token"]] @ _transform(sensors[row["calibrated_sensor_token"]], tables)
        for row in (*images, *scans)
    }
    times, scan_times = (np.array([row["timestamp"] for row in rows], np.float64) / 1e6 for rows in (images, scans))
    nearest, close = nearest_in_time(times, scan_times, LARGEST_DIFFERENCE_S)
    frames = []
    for image, index, near in zip(images, nearest, close, strict=True):
        if near:
            T_world_camera, scan = T_world[image["token"]], scans[index]
            files = (tables.parent / image["filename"], tables.parent / scan["filename"])
            T_camera_points = np.linalg.inv(T_world_camera) @ T_world[scan["token"]]
            frames.append(LidarFrame(str(image["timestamp"]), *files, T_world_camera, T_camera_points))
    if not frames:
        raise KBNetError(
            f"no image in {tables.parent} has a scan within {LARGEST_DIFFERENCE_S} s; unpack the sweeps too, and add "
            "--sweeps"
        )
    return tuple(frames)


def _calibration(images: list[Row], scan: Row, sensors: dict[str, Row], tables: Path) -> LidarCalibration:
    used = [sensors[token] for token in {row["calibrated_sensor_token"] for row in images}]
    matrices = {str(one.get("camera_intrinsic")) for one in used}
    sizes = {(int(row["height"]), int(row["width"])) for row in images}
    if len(matrices) > 1 or len(sizes) > 1:
        raise KBNetError(
            f"expected one K and size of the images, got {len(matrices)} and {len(sizes)} in {tables}; choose one "
            "scene of one car (--scene)"
        )
    try:
        K = np.array(used[0].get("camera_intrinsic"), np.float32).reshape(3, 3)
    except (ValueError, TypeError):
        raise KBNetError(
            f"expected camera_intrinsic as 3x3 numbers in {tables}/calibrated_sensor.json; copy it again"
        ) from None
    T_ego_camera, T_ego_lidar = (_transform(one, tables) for one in (used[0], sensors[scan["calibrated_sensor_token"]]))
    return LidarCalibration(
        check_intrinsics(K, where=f" in {tables}"), np.linalg.inv(T_ego_camera) @ T_ego_lidar, size=sizes.pop()
    )


def _sensors(tables: Path, camera: str) -> dict[str, Row]:
    """Rows of ``calibrated_sensor`` of the camera and the lidar by token, each with its channel."""
    channels = {row["token"]: row["channel"] for row in _read(tables, "sensor")}
    if camera not in channels.values():
        cameras = sorted(name for name in channels.values() if str(name).startswith("CAM"))
        raise KBNetError(f"expected --camera among {', '.join(cameras)}, got '{camera}'")
    rows = _read(tables, "calibrated_sensor", lambda row: channels.get(row["sensor_token"]) in (camera, LIDAR))
    return {row["token"]: row | {"channel": channels[row["sensor_token"]]} for row in rows}


def _choose_scene(scenes: list[Row], name: str, tables: Path) -> Row:
    found = [row for row in scenes if not name or row["name"] == name]
    if len(found) != 1:
        listed = ", ".join(str(row["name"]) for row in scenes)
        raise KBNetError(f"expected one scene of {tables}, got '{name}'; choose one (--scene): {listed}")
    return found[0]


def _tables(path: Path) -> Path:
    found = [path] if (path / "sample_data.json").is_file() else sorted(path.glob("v1.0-*"))
    found = [folder for folder in found if (folder / "sample_data.json").is_file()]
    if len(found) != 1:
        listed = ", ".join(folder.name for folder in found) or "none"
        raise FileNotFoundError(
            f"expected the tables of nuScenes in a folder v1.0-... in {path}, got {listed}; name one"
        )
    return found[0].absolute()


def _read(tables: Path, name: str, wanted: Callable[[Row], bool] = lambda row: True) -> list[Row]:
    """Rows of a table; of a large one, those that are not wanted are dropped while it is read."""
    path = tables / f"{name}.json"

    def keep(row: Row) -> Row | None:
        if odd := [key for key, kind in FIELDS[name].items() if not isinstance(row.get(key), kind)]:
            raise KBNetError(
                f"expected rows with {', '.join(FIELDS[name])} in {path}, got one without {', '.join(odd)}; "
                "copy it again"
            )
        return row if wanted(row) else None

    rows = read_json(path, object_hook=keep)
    if not isinstance(rows, list) or not all(row is None or isinstance(row, dict) for row in rows):
        raise KBNetError(f"expected a list of rows in {path}, got something else; copy it again")
    return [row for row in rows if row is not None]


def _transform(row: Row, tables: Path) -> Float64Array:
    """To the car or the world, (4, 4), metres; quaternions are w x y z."""
    T: Float64Array = np.eye(4)
    try:
        w, *xyz = map(float, row["rotation"])
        if not abs(np.linalg.norm([w, *xyz]) - 1) < 1e-3:
            raise KBNetError("no unit quaternion")
        T[:3, :3], T[:3, 3] = Rotation.from_quat([*xyz, w]).as_matrix(), np.array(row["translation"], np.float64)
        if not np.isfinite(T).all():
            raise KBNetError("not finite")
    except (ValueError, TypeError) as error:
        raise KBNetError(
            f"expected rotation (w x y z) and translation of {row.get('token')} in {tables}, got none ({error}); "
            "copy the tables again"
        ) from None
    return T
