"""Small valid files of every kind that is read, and how each is read."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from fuzz.limits import MEMORY
from PIL import Image

import kbnet
from kbnet.frame import Frame
from kbnet.frames.kinds import Kind, kinds

ENGINE_MEMORY = 4 << 30
"""Bytes; its threads reserve address space."""
K = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
SIZE = (48, 64)
RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (*SIZE, 3), np.uint8)
DEPTH = RANDOM.uniform(1, 4, SIZE).astype(np.float32)
POINTS = RANDOM.uniform([-1, -0.8, 2], [1, 0.8, 5], (60, 3))


@dataclass(frozen=True)
class Target:
    """A file to damage.

    Attributes:
        name: of the kind and file.
        make: write the valid recording into a folder.
        file: pattern of the file to damage.
        read: read the recording in the folder.
        needs: package without which it cannot be made.
        memory: that a reading may take, bytes.
    """

    name: str
    make: Callable[[Path], object]
    file: str
    read: Callable[[Path], object]
    needs: str = "numpy"
    memory: int = MEMORY

    @property
    def flags(self) -> set[str]:
        """Options of its kind of recording; empty if it is none."""
        word = self.name.split()[0].removesuffix(".json")
        name = {**dict.fromkeys(("stray", "record3d", "polycam"), "phone"), "kitti": "lidar"}.get(word, word)
        return {flag for kind in kinds() if kind.name == name for flag in flags_of(kind)}


def flags_of(kind: Kind) -> set[str]:
    """Options of a kind as they are typed."""
    return {"--" + name.replace("_", "-") for name in kind.option_names()}


def flags_in(message: str) -> set[str]:
    """Options that a message names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", message))


def frames(path: str = "", **options: Any) -> Callable[[Path], None]:
    """Open a recording and make its first two frames."""

    def read(folder: Path) -> None:
        with _opened(folder / path, **options) as source:
            for frame in islice(source, 2):
                assert frame.sparse_depth.any()

    return read


def _opened(path: Path, **options: Any) -> Any:
    from contextlib import nullcontext

    source = kbnet.open_frames(path, **options)
    return source if hasattr(source, "__enter__") else nullcontext(source)


def png(array: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return file.getvalue()


def write(folder: Path, **files: bytes | str) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def rows(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(map(repr, row)) for row in matrix.tolist())


def sequence(folder: Path) -> None:
    sparse = np.where(RANDOM.random(SIZE) < 0.05, 256 * DEPTH, 0).astype(np.uint16)
    for name in ("0", "1"):
        write(folder, **{f"image__{name}.png": png(PICTURE), f"sparse_depth__{name}.png": png(sparse)})
        write(folder, **{f"absolute_pose__{name}.txt": rows(np.eye(4)[:3])})
    write(folder, **{"K.txt": rows(K)})
    lines = "".join(f"{name},image/{name}.png,K.txt,sparse_depth/{name}.png\n" for name in "01")
    write(folder, **{"frames.csv": f"name,image,intrinsics,sparse_depth\n{lines}"})


def read_sequence(folder: Path) -> None:
    frames()(folder)
    kbnet.open_frames(folder).pose(0)  # type: ignore[attr-defined]


def cloud(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        header = (
            "ply\nformat {}\nelement vertex 60\nproperty float x\nproperty float y\nproperty float z\n{}end_header\n"
        )
        pcd = (
            "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 60\nHEIGHT 1\n"
            "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 60\nDATA {}\n"
        )
        floats = POINTS.astype("<f4")
        columns = floats.T.tobytes()
        literal = b"".join(
            bytes([len(part) - 1]) + part for at in range(0, 720, 32) for part in (columns[at : at + 32],)
        )
        lists = b"".join(row.tobytes() + struct.pack("<B2i", 2, 1, 2) for row in floats)
        content = {
            "a.bin": np.hstack([floats, np.ones((60, 1), "<f4")]).tobytes(),
            "a.pcd.bin": np.hstack([floats, np.ones((60, 2), "<f4")]).tobytes(),
            "text.ply": header.format("ascii 1.0", "") + rows(POINTS),
            "a.ply": header.format("binary_little_endian 1.0", "").encode() + floats.tobytes(),
            "lists.ply": header.format("binary_little_endian 1.0", "property list uchar int i\n").encode() + lists,
            "text.pcd": pcd.format("ascii") + rows(POINTS),
            "a.pcd": pcd.format("binary").encode() + floats.tobytes(),
            "packed.pcd": pcd.format("binary_compressed").encode() + struct.pack("<2I", len(literal), 720) + literal,
        }
        if name.endswith((".las", ".laz")):
            import laspy

            las = laspy.create(point_format=0, file_version="1.2")
            las.x, las.y, las.z = POINTS.T
            las.write(str(folder / name))
        else:
            write(folder, **{name.replace("/", "__"): content[name]})

    return make


def read_cloud(name: str) -> Callable[[Path], object]:
    from kbnet.sources.point_cloud_file import read_points

    return lambda folder: read_points(folder / name)


def array(folder: Path) -> None:
    np.save(folder / "K.npy", K)
    np.save(folder / "depth.npy", DEPTH)
    write(folder, **{"K.txt": rows(K), "depth.png": png((1000 * DEPTH).astype(np.uint16))})


def exr(folder: Path) -> None:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"Z": DEPTH}) as file:
        file.write(str(folder / "depth.exr"))


def read_depth(name: str) -> Callable[[Path], object]:
    from kbnet.sources.depth_file import read_depth_file

    return lambda folder: read_depth_file(folder / name, 0.001)


def read_K(name: str) -> Callable[[Path], object]:
    from kbnet.frames.image_file import read_intrinsics

    return lambda folder: read_intrinsics(folder / name)


def picture(folder: Path) -> None:
    write(folder, **{"a.png": png(PICTURE), "a.jpg": png(PICTURE, "JPEG")})


def read_picture(name: str) -> Callable[[Path], object]:
    from kbnet.frames.image_file import picture_size, read_image

    def read(folder: Path) -> None:
        picture_size(folder / name)
        read_image(folder / name)

    return read


def tum(folder: Path) -> None:
    for name in ("rgb", "depth"):
        pixels = PICTURE if name == "rgb" else np.rint(5000 * DEPTH).astype(np.uint16)
        for index in range(2):
            write(folder, **{f"{name}__{index}.png": png(pixels)})
        write(folder, **{f"{name}.txt": f"# time file\n100.0 {name}/0.png\n100.1 {name}/1.png\n"})
    write(folder, **{"groundtruth.txt": "# time tx ty tz qx qy qz qw\n100 0 0 0 0 0 0 1\n100.2 1 0 0 0 0 0 1\n"})
    write(folder, **{"K.txt": rows(K)})


def read_tum(folder: Path) -> None:
    with _opened(folder, intrinsics=folder / "K.txt") as source:
        for index in range(len(source)):
            source.frame(index)
            source.has_pose(index)


def transforms(folder: Path) -> None:
    frame = {"file_path": "images/0.png", "transform_matrix": np.diag([1.0, -1, -1, 1]).tolist()}
    camera = {"fl_x": 60.0, "fl_y": 60.0, "cx": 32.0, "cy": 24.0, "w": 64, "h": 48, "k1": 0.01}
    content = {"camera_model": "OPENCV", **camera, "ply_file_path": "a.ply", "frames": [frame]}
    write(folder, **{"images__0.png": png(PICTURE), "transforms.json": json.dumps(content)})
    cloud("a.ply")(folder)


def stray(folder: Path) -> None:
    write(folder, **{"rgb__0.png": png(PICTURE), "depth__0.png": png((1000 * DEPTH[::2, ::2]).astype(np.uint16))})
    write(folder, **{"confidence__0.png": png(np.full((24, 32), 2, np.uint8)), "camera_matrix.csv": rows(K)})
    write(folder, **{"odometry.csv": "timestamp, frame, x, y, z, qx, qy, qz, qw\n0.1, 000000, 1, 2, 3, 0, 0, 0, 1\n"})


def polycam(folder: Path) -> None:
    write(folder, **{"images__0.png": png(PICTURE), "depth__0.png": png((1000 * DEPTH[::2, ::2]).astype(np.uint16))})
    camera = {"fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 23.5, "width": 64, "height": 48}
    camera |= {f"t_{row}{column}": float(row == column) for row in range(3) for column in range(4)}
    for name in ("cameras", "corrected_cameras"):
        write(folder, **{f"{name}__0.json": json.dumps(camera)})
    write(folder, **{"confidence__0.png": png(np.full((24, 32), 255, np.uint8))})


def vkitti(folder: Path) -> None:
    frame, scan = "Scene01__clone__frames", "2011_09_26_drive_0001_sync__proj_depth__velodyne_raw"
    mask = np.where(RANDOM.random((50, 70)) < 0.05, 900, 0).astype(np.uint16)
    for camera, lidar in ((0, "image_02"), (1, "image_03")):
        write(folder, **{f"{frame}__rgb__Camera_{camera}__rgb_00000.jpg": png(PICTURE, "JPEG")})
        write(folder, **{f"{frame}__depth__Camera_{camera}__depth_00000.png": png((100 * DEPTH).astype(np.uint16))})
        write(folder, **{f"{scan}__{lidar}__0000000005.png": png(mask)})
    T = " ".join(map(repr, np.eye(4).ravel().tolist()))
    text = {"intrinsic.txt": "60.0 60.0 31.5 23.5", "extrinsic.txt": T}
    for name, values in text.items():
        write(folder, **{f"Scene01__clone__{name}": f"frame cameraID numbers\n0 0 {values}\n0 1 {values}\n"})


def scenenet(folder: Path) -> None:
    picture, depth = np.tile(PICTURE, (5, 5, 1)), np.rint(1000 * np.tile(DEPTH, (5, 5))).astype(np.uint16)
    for name in ("0", "25", "50"):
        write(folder, **{f"photo__{name}.jpg": png(picture, "JPEG"), f"depth__{name}.png": png(depth)})


def record3d(folder: Path) -> None:
    metadata = {"w": 64, "h": 48, "dw": 32, "dh": 24, "K": K.T.ravel().tolist(), "poses": [[0, 0, 0, 1, 1, 2, 3]]}
    with zipfile.ZipFile(folder / "a.r3d", "w") as file:
        file.writestr("metadata", json.dumps(metadata))
        file.writestr("rgbd/0.jpg", png(PICTURE, "JPEG"))
        file.writestr("rgbd/0.depth", DEPTH[::2, ::2].tobytes())
        file.writestr("rgbd/0.conf", bytes([2]) * (24 * 32))


def rgbd(folder: Path) -> None:
    write(folder, **{"color__0.png": png(PICTURE), "depth__0.png": png((1000 * DEPTH).astype(np.uint16))})
    content = {"width": 64, "height": 48, "intrinsic_matrix": K.T.ravel().tolist()}
    write(folder, **{"intrinsic.json": json.dumps(content)})


def rgbd_with(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        rgbd(folder)
        camera = {"width": 64, "height": 48, "intrinsic_matrix": K.T.ravel().tolist()}
        content = {"trajectory.log": f"0 0 1\n{rows(np.eye(4))}\n", "K_depth.json": json.dumps(camera)}
        write(folder, **{name.replace("/", "__"): content.get(name, rows(np.eye(4)))})

    return make


def replica(folder: Path) -> None:
    write(folder, **{"results__frame0.png": png(PICTURE), "results__depth0.png": png((1000 * DEPTH).astype(np.uint16))})
    camera = {"w": 64, "h": 48, "fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "scale": 1000.0}
    write(folder, **{"cam_params.json": json.dumps({"camera": camera}), "traj.txt": rows(np.eye(4))})


def nuscenes(folder: Path) -> None:
    place = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}
    tables: dict[str, list[dict[str, Any]]] = {
        "scene": [{"token": "s", "name": "scene-0001"}],
        "sample": [{"token": "a", "scene_token": "s"}],
        "sensor": [{"token": name, "channel": name} for name in ("CAM_FRONT", "LIDAR_TOP")],
        "calibrated_sensor": [
            {"token": name, "sensor_token": name, **place, "camera_intrinsic": K.tolist()}
            for name in ("CAM_FRONT", "LIDAR_TOP")
        ],
        "ego_pose": [{"token": name, **place} for name in ("CAM_FRONT", "LIDAR_TOP")],
        "sample_data": [
            {
                **{"token": name, "sample_token": "a", "ego_pose_token": name, "calibrated_sensor_token": name},
                **{"filename": file, "timestamp": 1532402927612460, "is_key_frame": True, "height": 48, "width": 64},
            }
            for name, file in (("CAM_FRONT", "samples/0.png"), ("LIDAR_TOP", "samples/a.pcd.bin"))
        ],
    }
    write(folder, **{f"v1.0-mini__{name}.json": json.dumps(content, indent=0) for name, content in tables.items()})
    write(folder, **{"samples__0.png": png(PICTURE)})
    cloud("a.pcd.bin")(folder / "samples")


def kitti(folder: Path) -> None:
    P = np.hstack([K, np.zeros((3, 1))])
    lines = [f"P{camera}: {' '.join(map(repr, P.ravel().tolist()))}" for camera in range(4)]
    lines += [f"Tr: {' '.join(map(repr, np.eye(4)[:3].ravel().tolist()))}"]
    write(folder, **{"image_2__0.png": png(PICTURE), "calib.txt": "\n".join(lines)})
    write(folder, **{"poses.txt": " ".join(map(repr, np.eye(4)[:3].ravel().tolist()))})
    (folder / "velodyne").mkdir()
    cloud("a.bin")(folder / "velodyne")
    (folder / "velodyne" / "a.bin").rename(folder / "velodyne" / "0.bin")


def kitti360(folder: Path) -> None:
    flat = {
        name: " ".join(map(repr, matrix.ravel().tolist())) for name, matrix in (("T", np.eye(4)[:3]), ("R", np.eye(3)))
    }
    P = " ".join(map(repr, np.hstack([K, np.zeros((3, 1))]).ravel().tolist()))
    write(
        folder,
        **{
            "calibration__perspective.txt": f"S_rect_00: 64 48\nP_rect_00: {P}\nR_rect_00: {flat['R']}\n",
            "calibration__calib_cam_to_pose.txt": f"image_00: {flat['T']}\n",
            "calibration__calib_cam_to_velo.txt": flat["T"],
            "data_poses__d__poses.txt": f"0 {flat['T']}\n",
            "data_2d_raw__d__image_00__data_rect__0.png": png(PICTURE),
            "data_2d_raw__d__image_00__timestamps.txt": "2013-05-28 08:46:02.904475904\n",
            "data_3d_raw__d__velodyne_points__timestamps.txt": "2013-05-28 08:46:02.904475904\n",
            "data_3d_raw__d__velodyne_points__data__0.bin": np.hstack([POINTS, POINTS[:, :1]]).astype("<f4").tobytes(),
        },
    )


def colmap(*, text: bool = False) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import pycolmap

        model = pycolmap.Reconstruction()
        camera = pycolmap.Camera(
            camera_id=1, model="OPENCV", width=64, height=48, params=[60, 60, 32, 24, 0.01, 0, 0, 0]
        )
        model.add_camera_with_trivial_rig(camera)
        pixels = camera.img_from_cam(POINTS)
        for number in (1, 2, 3):
            image = pycolmap.Image(name=f"{number}.png", keypoints=pixels, camera_id=1, image_id=number)
            model.add_image_with_trivial_frame(image, pycolmap.Rigid3d())
            write(folder, **{f"images__{number}.png": png(PICTURE)})
        for index, point in enumerate(POINTS):
            track = pycolmap.Track()
            for number in (1, 2, 3):
                track.add_element(number, index)
            model.add_point3D(point, track)
        model.update_point_3d_errors()
        (folder / "sparse" / "0").mkdir(parents=True)
        (model.write_text if text else model.write_binary)(folder / "sparse" / "0")

    return make


def bag(kind: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from fixtures_ros import BagMaker

        maker = BagMaker(kind)  # type: ignore[arg-type]
        for index in range(2):
            time = 1000 + 0.1 * index
            maker.info("/camera/camera_info", time)
            maker.image("/camera/image_raw", time, "rgb8", PICTURE)
            maker.cloud("/points", time, POINTS, "camera")
        maker.write(folder)

    return make


def read_bag(folder: Path) -> None:
    frames()(next(path for path in folder.iterdir()))


def video(folder: Path) -> None:
    import av

    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(PICTURE, "rgb24")))
        container.mux(stream.encode(None))
    write(folder, **{"K.txt": rows(K), "points.csv": "frame,u,v,depth\n0,10.5,20,1.5\n1,11,21,2.5\n2,3,4,5\n"})
    write(folder, **{"poses.txt": "0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n"})


def read_video(folder: Path) -> None:
    given = {"intrinsics": folder / "K.txt", "points": folder / "points.csv", "poses": folder / "poses.txt"}
    frames("a.mp4", **given)(folder)


def kinect(folder: Path) -> None:
    from fixtures_kinect import KinectRecording, jpeg

    depth = np.full((288, 320), 1500, np.uint16)
    colour = jpeg(np.full((720, 1280, 3), 99, np.uint8))
    KinectRecording([(0, colour)], [(0, depth)], tracks=("COLOR", "DEPTH", "IMU")).write(folder / "a.mkv")


def read_kinect(folder: Path) -> None:
    from kbnet.sources.kinds.azure_kinect import KinectArguments, describe_azure_kinect, open_azure_kinect

    describe_azure_kinect(folder / "a.mkv")
    open_azure_kinect(folder / "a.mkv", KinectArguments()).frame(0)


def network() -> Any:
    """The same small network each time."""
    import torch

    from kbnet.network.config import KBNetConfig
    from kbnet.network.kbnet import KBNet

    torch.manual_seed(0)
    return KBNet(KBNetConfig(image_filters=(8,) * 6, depth_filters=(8,) * 6, decoder_filters=(8,) * 5))


def weights(folder: Path) -> None:
    from kbnet.weights.depth_network import save_network

    save_network(network(), folder / "a.safetensors")


def published(*, legacy: bool = False) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import torch
        from fixtures_weights import published_checkpoint

        torch.save(published_checkpoint(network()), folder / "a.pth", _use_new_zipfile_serialization=not legacy)

    return make


def read_published_weights(folder: Path) -> None:
    from kbnet.weights.published import fill_published, read_published

    fill_published(network(), read_published(folder / "a.pth"))


def run_state(folder: Path) -> None:
    import torch

    from kbnet.evaluation.metrics import DepthErrors
    from kbnet.training.checkpoint import save_state

    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    best = {one.name: 1.0 for one in fields(DepthErrors)}
    parts = {"step_module": module.state_dict(), "optimizer": optimizer.state_dict(), "average": None}
    save_state(folder, {"step": 1, "best": best, **parts})


def read_run_state(folder: Path) -> None:
    import torch

    from kbnet.training.checkpoint import load_state, restore_optimizer, restore_weights, restored_errors

    state = load_state(folder)
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    restore_weights(module, state["step_module"], folder)
    restore_optimizer(optimizer, state["optimizer"], folder)
    restored_errors(state["best"], folder)


def exported(suffix: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from kbnet.export.onnx import export_onnx
        from kbnet.export.openvino import export_openvino

        export = export_onnx if suffix == ".onnx" else export_openvino
        export(network(), folder / f"a{suffix}", [one_frame()], origin={})

    return make


def one_frame() -> Frame:
    return Frame(PICTURE, np.where(RANDOM.random(SIZE) < 0.05, DEPTH, 0).astype(np.float32), K.astype(np.float32))


def read_exported(suffix: str) -> Callable[[Path], None]:
    frame = one_frame()
    return lambda folder: kbnet.load(str(folder / f"a{suffix}"))(frame)


def read_weights(folder: Path) -> None:
    from kbnet.weights.depth_network import load_network

    load_network(folder / "a.safetensors")


def recipe(folder: Path) -> None:
    lines = ['output = "run"', "batch_size = 4", "[network]", "max_depth = 8.0", "[losses]", "colour = 0.1"]
    write(folder, **{"a.toml": "\n".join(lines)})


def read_recipe(folder: Path) -> None:
    from kbnet.training.config import TrainingConfig
    from kbnet.training.recipe import apply_layers, read_recipe_layers

    apply_layers(TrainingConfig(sequences=(folder,), output=folder), read_recipe_layers(folder / "a.toml"))


def unpacked_record3d(folder: Path) -> None:
    record3d(folder)
    with zipfile.ZipFile(folder / "a.r3d") as file:
        file.extractall(folder / "scan")


def model_folder(folder: Path) -> None:
    """A triangle of one metre, in the part of validation."""
    obj = "mtllib a.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 1\nvt 0 0\nvt 1 0\nvt 0 1\nvn 0 0 1\nf 1/1/1 2/2/1 3/3/1\n"
    mtl = "newmtl m\nKd 0.5 0.4 0.3\nNs 10\nd 1\nmap_Kd t.png\n"
    entry = {"id": "model2", "name": "table \\u00e9", "model": "/a.obj", "width": 100, "height": 80, "depth": 90}
    lines = [f"{key}#1={value}" for key, value in {**entry, "modelRotation": "1 0 0 0 1 0 0 0 1"}.items()]
    write(folder, **{"a.obj": obj, "a.mtl": mtl, "t.png": png(PICTURE)})
    write(folder, **{"PluginFurnitureCatalog.properties": "\n".join(["name=x", *lines, ""])})


def read_models_of(folder: Path) -> list[Any]:
    from kbnet.sources.rendered.catalogue import read_models
    from kbnet.sources.rendered.model_library import ModelLibrary

    with patch.dict(os.environ, {"XDG_CACHE_HOME": str(folder / "cache")}):
        library = ModelLibrary(models := read_models(folder, "validation"))
        return [library.load(model) for model in models]


def split_file(folder: Path) -> None:
    from scipy.io import savemat

    savemat(folder / "splits.mat", {"testNdxs": np.arange(1, 655)[:, None]})


def read_split(folder: Path) -> None:
    from kbnet.datasets.nyu_v2.splits import read_test_split

    read_test_split(folder / "splits.mat")


TARGETS = (
    *(Target(f"image {name}", picture, name, read_picture(name)) for name in ("a.png", "a.jpg")),
    *(Target(name, array, name, read_K(name)) for name in ("K.txt", "K.npy")),
    *(Target(name, array, name, read_depth(name)) for name in ("depth.npy", "depth.png")),
    Target("depth.exr", exr, "depth.exr", read_depth("depth.exr"), "OpenEXR"),
    *(
        Target(name, cloud(name), name, read_cloud(name), "laspy" if name.endswith("las") else "numpy")
        for name in (
            *("a.bin", "a.pcd.bin", "text.ply", "a.ply", "lists.ply", "text.pcd", "a.pcd", "packed.pcd"),
            *("a.las", "a.laz"),
        )
    ),
    *(
        Target(f"sequence {name}", sequence, name, read_sequence)
        for name in ("K.txt", "sparse_depth/0.png", "absolute_pose/0.txt")
    ),
    Target("list of frames", sequence, "frames.csv", frames("frames.csv")),
    *(Target(f"tum {name}", tum, name, read_tum) for name in ("rgb.txt", "depth/0.png", "groundtruth.txt")),
    Target("transforms.json", transforms, "transforms.json", frames()),
    *(Target(f"stray {name}", stray, name, frames()) for name in ("odometry.csv", "camera_matrix.csv", "depth/0.png")),
    Target("record3d", record3d, "a.r3d", frames("a.r3d")),
    *(
        Target(f"polycam {name}", polycam, name, frames())
        for name in ("cameras/0.json", "corrected_cameras/0.json", "confidence/0.png")
    ),
    *(
        Target(f"vkitti {file.split('/')[-1]}", vkitti, file, lambda folder: frames(masks=folder)(folder))
        for file in (
            *("Scene01/clone/intrinsic.txt", "Scene01/clone/extrinsic.txt"),
            *("Scene01/clone/frames/depth/Camera_0/depth_00000.png", "*_sync/*/*/image_02/0000000005.png"),
        )
    ),
    *(
        Target(f"scenenet {name}", scenenet, name, frames(points=50, pattern="uniform"), "sklearn")
        for name in ("photo/25.jpg", "depth/25.png")
    ),
    Target("rgbd", rgbd, "intrinsic.json", frames(depth_unit=0.001)),
    Target("rgbd cam_params.json", replica, "cam_params.json", frames()),
    *(
        Target(f"rgbd {name}", rgbd_with(name), name, frames(depth_unit=0.001))
        for name in ("trajectory.log", "pose/0.txt", "K_depth.json")
    ),
    *(
        Target(f"nuscenes {name}", nuscenes, f"v1.0-mini/{name}.json", frames())
        for name in ("sample_data", "calibrated_sensor", "ego_pose", "scene")
    ),
    *(Target(f"kitti {name}", kitti, name, frames()) for name in ("calib.txt", "poses.txt", "velodyne/0.bin")),
    *(
        Target(f"kitti360 {name}", kitti360, name, frames())
        for name in (
            *("calibration/perspective.txt", "calibration/calib_cam_to_velo.txt", "data_poses/d/poses.txt"),
            "data_2d_raw/d/image_00/timestamps.txt",
        )
    ),
    *(
        Target(f"colmap {name}", colmap(text=name.endswith("txt")), f"sparse/0/{name}", frames(), "pycolmap")
        for name in (
            *("cameras.bin", "images.bin", "points3D.bin", "rigs.bin", "frames.bin"),
            *("cameras.txt", "images.txt", "points3D.txt", "frames.txt"),
        )
    ),
    *(
        Target(f"ros {kind}", bag(kind), pattern, read_bag, "rosbags")
        for kind, pattern in (("ros1", "*.bag"), ("mcap", "**/*.mcap"), ("sqlite3", "*/*.db3"))
    ),
    Target("ros metadata.yaml", bag("sqlite3"), "*/metadata.yaml", read_bag, "rosbags"),
    *(Target(f"video {name}", video, name, read_video, "av") for name in ("a.mp4", "points.csv", "poses.txt")),
    Target("azure-kinect", kinect, "a.mkv", read_kinect),
    Target("weights", weights, "a.safetensors", read_weights),
    Target("weights published", published(), "a.pth", read_published_weights, "torch"),
    Target("weights published long ago", published(legacy=True), "a.pth", read_published_weights, "torch"),
    Target("run state", run_state, "state.pt", read_run_state, "lightning_fabric"),
    Target("onnx", exported(".onnx"), "a.onnx", read_exported(".onnx"), "onnxruntime", memory=ENGINE_MEMORY),
    *(
        Target(f"openvino {name}", exported(".xml"), name, read_exported(".xml"), "openvino", memory=ENGINE_MEMORY)
        for name in ("a.xml", "a.bin")
    ),
    *(
        Target(f"record3d {name}", unpacked_record3d, f"scan/{name}", frames("scan"))
        for name in ("metadata", "rgbd/0.depth")
    ),
    *(
        Target(f"models {name}", model_folder, name, read_models_of)
        for name in ("a.obj", "a.mtl", "PluginFurnitureCatalog.properties")
    ),
    Target("nyu splits.mat", split_file, "splits.mat", read_split),
    Target("recipe", recipe, "a.toml", read_recipe, "tomlkit"),
)
