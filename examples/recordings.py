"""Write a small recording of each kind that `kbnet prepare` reads, to try it on before your own.

    python examples/recordings.py ros drive.mcap
    python examples/recordings.py video walk        # a folder: walk.mp4, K.txt, points.csv
    python examples/recordings.py lidar drive       # image_2/, velodyne/, calib.txt, poses.txt, as KITTI has them
    python examples/recordings.py colmap workspace  # images/ and sparse/0/; one unit of the model is half a metre
    python examples/recordings.py tum recording     # rgb/, depth/ and the lists of both, groundtruth.txt, K.txt
    python examples/recordings.py phone scan        # as Stray Scanner exports: depth at a quarter of the image's size
    python examples/recordings.py transforms scene  # transforms.json, images/ and depth/
    python examples/recordings.py rgbd scan         # color/, depth/ in millimetres, K.txt
    python examples/recordings.py nuscenes nuscenes # v1.0-mini/ and samples/
    python examples/recordings.py kitti360 KITTI-360

All of them show the room of `kbnet prepare synthetic`: a camera walks through it, 3 cm a frame, ten frames a second.
The lidar sits 20 cm above the camera, turns full circle, and its ranges are 1 cm off; tracked points are 1 % off, and
three in a hundred are false. As a robot has them, the axes of the lidar are x forward, y left, z up.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from kbnet.frame import Frame
from kbnet.sources.rendered.ray_casting import cast
from kbnet.sources.rendered.synthetic import SyntheticConfig, furnished_room, synthetic_frames

Floats = NDArray[np.float64]

CONFIG = SyntheticConfig(frames=8, outlier_share=0.03)
SECONDS_A_FRAME = 0.1
BEGIN_S = 1700000000.0
LIDAR_HEIGHT = 0.2
LIDAR_NOISE = 0.01
METRES_A_UNIT = 0.5

T_ROBOT_CAMERA: Floats = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
"""From a camera's axes (x right, y down, z forward) to a robot's (x forward, y left, z up), at one place."""
T_CAMERA_LIDAR: Floats = np.linalg.inv(T_ROBOT_CAMERA)
T_CAMERA_LIDAR[1, 3] = -LIDAR_HEIGHT


@dataclass(frozen=True)
class Moment:
    """One frame, when it was taken, and the camera's pose."""

    frame: Frame
    time: float
    T_world_camera: Floats


def record() -> Iterator[Moment]:
    """Walk through the room."""
    for index, (frame, pose, _) in enumerate(synthetic_frames(CONFIG)):
        assert pose is not None
        yield Moment(frame, BEGIN_S + index * SECONDS_A_FRAME, pose)


def scan(moment: Moment, index: int) -> NDArray[np.float32]:
    """What a lidar of 16 lines measures: x y z, (N, 3), metres, in its own axes."""
    azimuth, elevation = np.meshgrid(np.radians(np.arange(0, 360, 0.5)), np.radians(np.linspace(-25, 20, 16)))
    level = np.cos(elevation)
    rays = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)]).reshape(3, -1)
    R_world_lidar = moment.T_world_camera[:3, :3] @ T_ROBOT_CAMERA[:3, :3].T
    place = moment.T_world_camera[:3, 3] + R_world_lidar @ [0, 0, LIDAR_HEIGHT]
    ranges = cast(furnished_room(CONFIG.seed), R_world_lidar @ rays, place).depth
    ranges += LIDAR_NOISE * np.random.default_rng(index).standard_normal(ranges.size)
    return np.ascontiguousarray((ranges * rays).T, np.float32)


def write_tum(folder: Path) -> None:
    """Colour and depth images, 5000 units a metre, depth 10 ms late; poses at their own times."""
    lists: dict[str, list[str]] = {"rgb": [], "depth": [], "groundtruth": []}
    for moment in record():
        assert moment.frame.ground_truth is not None
        units = np.rint(5000 * moment.frame.ground_truth).clip(0, 65535).astype(np.uint16)
        pictures: dict[str, tuple[NDArray[Any], float]] = {"rgb": (moment.frame.image, 0.0), "depth": (units, 0.01)}
        for part, (pixels, delay) in pictures.items():
            name = f"{part}/{moment.time + delay:.6f}.png"
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name)
            lists[part].append(f"{moment.time + delay:.6f} {name}")
        quaternion = Rotation.from_matrix(moment.T_world_camera[:3, :3]).as_quat()
        numbers = " ".join(f"{number:.6f}" for number in [*moment.T_world_camera[:3, 3], *quaternion])
        lists["groundtruth"].append(f"{moment.time:.6f} {numbers}")
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    np.savetxt(folder / "K.txt", CONFIG.intrinsics)


def write_phone(folder: Path) -> None:
    """Images, depth of every fourth pixel in millimetres, poses and K."""
    lines = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for index, moment in enumerate(record()):
        assert moment.frame.ground_truth is not None
        millimetres = np.rint(1000 * moment.frame.ground_truth[2::4, 2::4]).astype(np.uint16)
        for part, pixels in (("rgb", moment.frame.image), ("depth", millimetres)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / part / f"{index:06d}.png")
        quaternion = Rotation.from_matrix(moment.T_world_camera[:3, :3]).as_quat()
        numbers = ", ".join(f"{number:.6f}" for number in [*moment.T_world_camera[:3, 3], *quaternion])
        lines.append(f"{moment.time:.6f}, {index:06d}, {numbers}")
    (folder / "odometry.csv").write_text("\n".join(lines) + "\n")
    np.savetxt(folder / "camera_matrix.csv", CONFIG.intrinsics, delimiter=", ")


def write_transforms(folder: Path) -> None:
    """Images, depth along z as .npy, and poses with y up and z backward, as Nerfstudio has them."""
    frames = []
    for index, moment in enumerate(record()):
        for part in ("images", "depth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(moment.frame.image).save(folder / "images" / f"{index:04d}.png")
        np.save(folder / "depth" / f"{index:04d}.npy", moment.frame.sparse_depth)
        pose = moment.T_world_camera @ np.diag([1.0, -1.0, -1.0, 1.0])
        files = {"file_path": f"images/{index:04d}.png", "depth_file_path": f"depth/{index:04d}.npy"}
        frames.append(files | {"transform_matrix": pose.tolist()})
    height, width = moment.frame.size
    K = CONFIG.intrinsics.astype(float)
    # Its pixel centres lie on halves.
    camera = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5, "w": width, "h": height}
    (folder / "transforms.json").write_text(json.dumps(camera | {"frames": frames}))


def write_video(folder: Path) -> None:
    """A video, and the points that odometry tracked in it."""
    import av

    folder.mkdir(parents=True)
    with av.open(str(folder / "walk.mp4"), "w") as video, (folder / "points.csv").open("w", newline="") as file:
        stream = video.add_stream("libx264", rate=round(1 / SECONDS_A_FRAME), options={"crf": "15"})
        stream.width, stream.height, stream.pix_fmt = CONFIG.width, CONFIG.height, "yuv420p"
        table = csv.writer(file)
        table.writerow(["frame", "u", "v", "depth"])
        for index, moment in enumerate(record()):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(moment.frame.image, format="rgb24")))
            for v, u in np.argwhere(moment.frame.sparse_depth):
                table.writerow([index, u, v, f"{moment.frame.sparse_depth[v, u]:.4f}"])
        video.mux(stream.encode())
    np.savetxt(folder / "K.txt", CONFIG.intrinsics)


def write_rgbd(folder: Path) -> None:
    """Images, depth in millimetres, and K."""
    for index, moment in enumerate(record()):
        assert moment.frame.ground_truth is not None
        millimetres = np.rint(1000 * moment.frame.ground_truth).astype(np.uint16)
        for part, pixels in (("color", moment.frame.image), ("depth", millimetres)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / part / f"{index:06d}.png")
    np.savetxt(folder / "K.txt", CONFIG.intrinsics)


def write_kitti360(folder: Path) -> None:
    """A drive of the left camera, whose poses are its own."""
    drive = "2013_05_28_drive_0000_sync"
    images = folder / "data_2d_raw" / drive / "image_00" / "data_rect"
    scans = folder / "data_3d_raw" / drive / "velodyne_points" / "data"
    calibration, poses = folder / "calibration", folder / "data_poses" / drive
    for place in (images, scans, calibration, poses):
        place.mkdir(parents=True)
    lines = []
    for index, moment in enumerate(record()):
        Image.fromarray(moment.frame.image).save(images / f"{index:010}.png")
        _write_scan(scans / f"{index:010}.bin", moment, index, columns=4)
        lines.append(f"{index} {_numbers(moment.T_world_camera[:3])}")
    (poses / "poses.txt").write_text("\n".join(lines) + "\n")
    size = f"S_rect_00: {CONFIG.width} {CONFIG.height}"
    projection = f"P_rect_00: {_numbers(np.c_[CONFIG.intrinsics, np.zeros(3)])}"
    (calibration / "perspective.txt").write_text(f"{size}\nR_rect_00: {_numbers(np.eye(3))}\n{projection}\n")
    (calibration / "calib_cam_to_pose.txt").write_text(f"image_00: {_numbers(np.eye(4)[:3])}\n")
    (calibration / "calib_cam_to_velo.txt").write_text(_numbers(np.linalg.inv(T_CAMERA_LIDAR)[:3]) + "\n")


def write_nuscenes(folder: Path) -> None:
    """One scene of key frames; the car stands where the camera is."""
    T_car_lidar = T_ROBOT_CAMERA @ T_CAMERA_LIDAR
    sensors = {"CAM_FRONT": (T_ROBOT_CAMERA, CONFIG.intrinsics.tolist()), "LIDAR_TOP": (T_car_lidar, [])}
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in ("sample", "ego_pose", "sample_data")}
    tables["scene"] = [{"token": "scene", "name": "scene-0001"}]
    tables["sensor"] = [{"token": name, "channel": name} for name in sensors]
    tables["calibrated_sensor"] = [
        {"token": name, "sensor_token": name, **_place(T), "camera_intrinsic": K} for name, (T, K) in sensors.items()
    ]
    for name in sensors:
        (folder / "samples" / name).mkdir(parents=True)
    for index, moment in enumerate(record()):
        tables["sample"].append({"token": f"{index}", "scene_token": "scene"})
        tables["ego_pose"].append(
            {"token": f"{index}", **_place(moment.T_world_camera @ np.linalg.inv(T_ROBOT_CAMERA))}
        )
        for name, suffix in (("CAM_FRONT", "png"), ("LIDAR_TOP", "pcd.bin")):
            file = f"samples/{name}/{index:06}.{suffix}"
            tokens = {"sample_token": f"{index}", "ego_pose_token": f"{index}", "calibrated_sensor_token": name}
            size = {"height": CONFIG.height, "width": CONFIG.width}
            when = {"timestamp": round(1e6 * moment.time), "is_key_frame": True}
            tables["sample_data"].append({"token": f"{name}{index}", **tokens, "filename": file, **when, **size})
        Image.fromarray(moment.frame.image).save(folder / "samples" / "CAM_FRONT" / f"{index:06}.png")
        _write_scan(folder / "samples" / "LIDAR_TOP" / f"{index:06}.pcd.bin", moment, index, columns=5)
    (folder / "v1.0-mini").mkdir()
    for name, rows in tables.items():
        (folder / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows, indent=0))


def _place(T: Floats) -> dict[str, list[float]]:
    """Rotation as quaternion w x y z, and translation."""
    return {
        "rotation": np.roll(Rotation.from_matrix(T[:3, :3]).as_quat(), 1).tolist(),
        "translation": T[:3, 3].tolist(),
    }


def _numbers(matrix: Floats) -> str:
    return " ".join(f"{number:.12g}" for number in matrix.flat)


def _write_scan(path: Path, moment: Moment, index: int, *, columns: int) -> None:
    points = scan(moment, index)
    np.c_[points, np.ones((len(points), columns - 3), np.float32)].astype("<f4").tofile(path)


def write_lidar(folder: Path) -> None:
    """A drive in KITTI's layout."""
    projection = np.c_[CONFIG.intrinsics, np.zeros(3)]
    poses = []
    for name in ("image_2", "velodyne"):
        (folder / name).mkdir(parents=True)
    for index, moment in enumerate(record()):
        Image.fromarray(moment.frame.image).save(folder / "image_2" / f"{index:06}.png")
        _write_scan(folder / "velodyne" / f"{index:06}.bin", moment, index, columns=4)
        poses.append(moment.T_world_camera[:3].reshape(-1))
    matrices = {**{f"P{number}": projection for number in range(4)}, "Tr": T_CAMERA_LIDAR[:3]}
    lines = [f"{name}: {' '.join(f'{number:.9g}' for number in matrix.flat)}" for name, matrix in matrices.items()]
    (folder / "calib.txt").write_text("\n".join(lines) + "\n")
    np.savetxt(folder / "poses.txt", poses)


def write_colmap(folder: Path) -> None:
    """A workspace with a finished model: corners of every frame, seen by all frames in which nothing hides them."""
    import pycolmap

    moments = list(record())[::2]
    (folder / "images").mkdir(parents=True)
    (folder / "sparse" / "0").mkdir(parents=True)
    K = CONFIG.intrinsics.astype(float)
    model = pycolmap.Reconstruction()
    # COLMAP's pixel centres lie on halves, those of K.txt on whole numbers.
    parameters = [K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5]
    camera = pycolmap.Camera(camera_id=1, model="PINHOLE", width=CONFIG.width, height=CONFIG.height, params=parameters)
    model.add_camera_with_trivial_rig(camera)
    points = np.concatenate([_world_points(moment, index) for index, moment in enumerate(moments)])
    tracks = [pycolmap.Track() for _ in points]
    for image_id, moment in enumerate(moments, start=1):
        seen, pixels = _seen(points, moment)
        for keypoint, index in enumerate(seen):
            tracks[index].add_element(image_id, keypoint)
        name = f"{image_id:06}.png"
        Image.fromarray(moment.frame.image).save(folder / "images" / name)
        T_camera_world = np.linalg.inv(moment.T_world_camera)
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(T_camera_world[:3, :3]), T_camera_world[:3, 3] / METRES_A_UNIT)
        image = pycolmap.Image(name=name, keypoints=pixels + 0.5, camera_id=1, image_id=image_id)
        model.add_image_with_trivial_frame(image, pose)
    for point, track in zip(points, tracks, strict=True):
        if track.length() > 1:
            model.add_point3D(point / METRES_A_UNIT, track)
    model.update_point_3d_errors()
    model.write_binary(folder / "sparse" / "0")


def _world_points(moment: Moment, index: int) -> Floats:
    """True points at the frame's corners, moved by 5 mm, (N, 3)."""
    assert moment.frame.ground_truth is not None
    v, u = np.nonzero(moment.frame.sparse_depth)
    rays = np.linalg.inv(CONFIG.intrinsics.astype(float)) @ np.stack([u, v, np.ones(u.size)])
    points = moment.T_world_camera[:3, :3] @ (rays * moment.frame.ground_truth[v, u])
    noise = 0.005 * np.random.default_rng(index).standard_normal(points.T.shape)
    return points.T + moment.T_world_camera[:3, 3] + noise


def _seen(points: Floats, moment: Moment) -> tuple[NDArray[np.int64], Floats]:
    """Which points a frame sees, and where, (N, 2) pixels."""
    assert moment.frame.ground_truth is not None
    x, y, z = np.linalg.inv(moment.T_world_camera)[:3] @ np.c_[points, np.ones(len(points))].T
    K = CONFIG.intrinsics
    z_safe = np.where(z > 0.1, z, 1)
    u, v = K[0, 0] * x / z_safe + K[0, 2], K[1, 1] * y / z_safe + K[1, 2]
    inside = (z > 0.1) & (u > 0) & (v > 0) & (u < CONFIG.width - 1) & (v < CONFIG.height - 1)
    column, row = np.where(inside, (np.rint(u), np.rint(v)), 0).astype(int)
    seen = np.flatnonzero(inside & (np.abs(moment.frame.ground_truth[row, column] / z_safe - 1) < 0.02))
    return seen, np.stack([u, v], axis=1)[seen]


def write_ros(path: Path) -> None:
    """A ROS 2 recording (MCAP) of a robot: compressed images, calibration, lidar, TF."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    recorder = _Recorder(store.types)
    messages = [(BEGIN_S, "/tf_static", recorder.mounting())]
    for index, moment in enumerate(record()):
        image, info = recorder.image(moment), recorder.calibration(moment.time)
        messages += [(moment.time, "/camera/image_raw/compressed", image), (moment.time, "/camera/camera_info", info)]
        messages += [(moment.time, "/tf", recorder.motion(moment))]
        messages += [(moment.time + 0.005, "/lidar/points", recorder.cloud(moment, index))]
    folder = path.with_name(f".{path.name}.partial")
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for time, topic, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], round(1e9 * time), store.serialize_cdr(message, kind))
    (recording,) = folder.glob("*.mcap")
    recording.rename(path)
    for rest in (*folder.iterdir(), folder):
        rest.rmdir() if rest.is_dir() else rest.unlink()


class _Recorder:
    """Makes the messages of the robot."""

    def __init__(self, types: Any) -> None:
        self._types = types

    def image(self, moment: Moment) -> Any:
        from io import BytesIO

        content = BytesIO()
        Image.fromarray(moment.frame.image).save(content, "PNG")
        data = np.frombuffer(content.getvalue(), np.uint8)
        return self._make("sensor_msgs/CompressedImage", self._header(moment.time, "camera"), "rgb8; png", data)

    def calibration(self, time: float) -> Any:
        region = self._make("sensor_msgs/RegionOfInterest", 0, 0, 0, 0, False)
        K = CONFIG.intrinsics.astype(float)
        matrices = {"d": np.zeros(5), "k": K.reshape(-1), "r": np.eye(3).reshape(-1)}
        return self._make(
            "sensor_msgs/CameraInfo",
            header=self._header(time, "camera"),
            height=CONFIG.height,
            width=CONFIG.width,
            distortion_model="plumb_bob",
            p=np.c_[K, np.zeros(3)].reshape(-1),
            binning_x=0,
            binning_y=0,
            roi=region,
            **matrices,
        )

    def cloud(self, moment: Moment, index: int) -> Any:
        points = scan(moment, index)
        fields = [self._make("sensor_msgs/PointField", name, 4 * i, 7, 1) for i, name in enumerate("xyz")]
        data = points.view(np.uint8).reshape(-1)
        header = self._header(moment.time + 0.005, "lidar")
        return self._make(
            "sensor_msgs/PointCloud2", header, 1, len(points), fields, False, 12, 12 * len(points), data, True
        )

    def mounting(self) -> Any:
        lidar = np.eye(4)
        lidar[2, 3] = LIDAR_HEIGHT
        frames = (("camera", T_ROBOT_CAMERA), ("lidar", lidar))
        return self._make("tf2_msgs/TFMessage", [self._transform(BEGIN_S, "base", name, T) for name, T in frames])

    def motion(self, moment: Moment) -> Any:
        T_odom_base = T_ROBOT_CAMERA @ moment.T_world_camera @ np.linalg.inv(T_ROBOT_CAMERA)
        return self._make("tf2_msgs/TFMessage", [self._transform(moment.time, "odom", "base", T_odom_base)])

    def _transform(self, time: float, parent: str, child: str, T: Floats) -> Any:
        translation = self._make("geometry_msgs/Vector3", *T[:3, 3])
        rotation = self._make("geometry_msgs/Quaternion", *Rotation.from_matrix(T[:3, :3]).as_quat())
        transform = self._make("geometry_msgs/Transform", translation, rotation)
        return self._make("geometry_msgs/TransformStamped", self._header(time, parent), child, transform)

    def _header(self, time: float, frame: str) -> Any:
        seconds, nanoseconds = divmod(round(1e9 * time), 10**9)
        return self._make("std_msgs/Header", self._make("builtin_interfaces/Time", seconds, nanoseconds), frame)

    def _make(self, name: str, *values: Any, **named: Any) -> Any:
        return self._types[name.replace("/", "/msg/")](*values, **named)


WRITERS = {
    "ros": write_ros,
    "video": write_video,
    "lidar": write_lidar,
    "colmap": write_colmap,
    "tum": write_tum,
    "phone": write_phone,
    "transforms": write_transforms,
    "rgbd": write_rgbd,
    "nuscenes": write_nuscenes,
    "kitti360": write_kitti360,
}


def main() -> None:
    """Write one recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=WRITERS)
    parser.add_argument("path", type=Path)
    asked = parser.parse_args()
    if asked.path.exists():
        parser.error(f"{asked.path} is there already; choose another name, or remove it")
    WRITERS[asked.kind](asked.path)
    print(f"wrote {asked.path}")


if __name__ == "__main__":
    main()
